"""The rest of mrjob.compat."""

from mrjob.compat import (
    map_version,
    translate_jobconf,
    translate_jobconf_dict,
    translate_jobconf_for_all_versions,
    uses_yarn,
    version_gte,
)
from mrjob.job import MRJob


class Versions(MRJob):
    def mapper(self, _, line):
        yield "new", translate_jobconf("mapred.job.name", "2.7")
        yield "old", translate_jobconf("mapreduce.job.name", "1.0.3")
        yield "all", translate_jobconf_for_all_versions("map.input.file")
        yield "dict", translate_jobconf_dict({"mapred.map.tasks": 3, "x.y": 1}, "2.0")
        yield "map", map_version("1.2", {"1": "one", "2": "two"})
        yield "gte", [version_gte("1.10", "1.9"), uses_yarn("2.0"), uses_yarn("1.0")]

    def reducer(self, key, values):
        yield key, next(values)


if __name__ == "__main__":
    Versions.run()
