"""JOBCONF, -D and the settings of a step, by old and new names."""

from mrjob.compat import jobconf_from_dict, jobconf_from_env
from mrjob.job import MRJob
from mrjob.step import MRStep

NAMES = ["user.defined", "own.limit", "mapred.reduce.tasks", "mapreduce.job.reduces", "none.such"]


class Settings(MRJob):
    JOBCONF = {"user.defined": "by the class", "mapred.reduce.tasks": 3, "own.limit": 5}

    def ask(self, key, value):
        for name in NAMES:
            yield (self.options.step_num, name), jobconf_from_env(name, "missing")

    def once(self, key, values):
        yield key, next(values)

    def pass_on(self, key, value):
        yield key, value
        for name in NAMES:
            yield (self.options.step_num, name), jobconf_from_env(name)
        assert jobconf_from_dict({"mapred.reduce.tasks": 4}, "mapreduce.job.reduces") == 4

    def steps(self):
        return [
            MRStep(mapper=self.ask, reducer=self.once),
            MRStep(
                mapper=self.pass_on,
                reducer=self.once,
                jobconf={"user.defined": "by the step", "mapred.job.reduces": 1},
            ),
        ]


if __name__ == "__main__":
    Settings.run()
