"""A task learns how it is run, by an option of mrjob's own that is passed through."""

from mrjob.job import MRJob


class RunnerAware(MRJob):
    def configure_args(self):
        super().configure_args()
        self.pass_arg_through("--runner")

    def mapper(self, _, line):
        if self.options.runner not in ("inline", "local"):
            raise ValueError(self.options.runner)
        yield self.is_task(), self.options.step_num

    def reducer(self, key, numbers):
        yield key, sorted(set(numbers))


if __name__ == "__main__":
    RunnerAware.run()
