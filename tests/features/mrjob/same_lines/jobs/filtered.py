"""A filter before the mapper; one that lets nothing pass is no error."""

from mrjob.job import MRJob


class Filtered(MRJob):
    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("--word", default="fox")

    def mapper_pre_filter(self):
        return "grep '%s'" % self.options.word

    def mapper_init(self):
        self.lines = 0

    def mapper(self, _, line):
        self.lines += 1
        yield line, 1

    def mapper_final(self):
        yield "lines", self.lines

    def reducer(self, line, counts):
        yield line, sum(counts)


if __name__ == "__main__":
    Filtered.run()
