"""Options of all kinds reach the tasks."""

from mrjob.job import MRJob


class Arguments(MRJob):
    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("--chars", action="store_true")
        self.add_passthru_arg("--ignore", action="append", default=[])
        self.add_passthru_arg("--least", type=int, default=1)
        self.add_passthru_arg("-w", "--weight", type=float, default=1.0)
        self.add_passthru_arg("--mark", choices=["-x-", "y"], default="y")

    def load_args(self, args):
        super().load_args(args)
        self.ignored = frozenset(self.options.ignore)

    def mapper(self, _, line):
        for part in line if self.options.chars else line.split():
            if part not in self.ignored:
                yield part, self.options.weight

    def reducer(self, part, weights):
        weights = list(weights)
        if len(weights) >= self.options.least:
            yield part + self.options.mark, sum(weights)


if __name__ == "__main__":
    Arguments.run()
