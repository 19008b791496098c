"""Without that, tasks do not know."""

from mrjob.job import MRJob


class RunnerUnaware(MRJob):
    def mapper(self, _, line):
        yield [self.options.runner, self.options.run_mapper, self.options.run_reducer], 1

    def reducer(self, seen, ones):
        yield [seen, [self.options.runner, self.options.run_mapper, self.options.run_reducer]], sum(ones)


if __name__ == "__main__":
    RunnerUnaware.run()
