"""What a task can ask about itself."""

import os

from mrjob.compat import jobconf_from_env
from mrjob.job import MRJob


class TaskSettings(MRJob):
    def facts(self):
        task, attempt = jobconf_from_env("mapreduce.task.id"), jobconf_from_env("mapred.task.id")
        return {
            "map": jobconf_from_env("mapreduce.task.ismap"),
            "old": jobconf_from_env("mapred.task.is.map"),
            "partition": jobconf_from_env("mapreduce.task.partition").isdigit(),
            "task": task.startswith("task_"),
            "attempt": attempt.startswith("attempt_"),
            "job": jobconf_from_env("mapred.job.id") in task,
            "folder": os.path.samefile(jobconf_from_env("mapreduce.job.local.dir"), "."),
            "output": bool(jobconf_from_env("mapreduce.task.output.dir")),
            "file": jobconf_from_env("mapreduce.map.input.file", "none").split(":")[0],
            "start": jobconf_from_env("mapreduce.map.input.start", "none").isdigit(),
            "length": jobconf_from_env("mapreduce.map.input.length", "none").isdigit(),
        }

    def mapper_init(self):
        yield "mapper", self.facts()

    def mapper(self, _, line):
        yield "line", None

    def reducer_init(self):
        yield "reducer", self.facts()

    def reducer(self, key, values):
        yield key, next(values)


if __name__ == "__main__":
    TaskSettings.run()
