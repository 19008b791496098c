"""Keys of every kind that JSON has."""

from mrjob.job import MRJob


class OddKeys(MRJob):
    def mapper(self, _, line):
        for key in (
            None,
            True,
            10,
            9,
            1.5,
            line[:1],
            [line[:1], None],
            {"letter": line[:1]},
            "ü\t\n",
            ("a", (1, 2)),
        ):
            yield key, {"length": len(line), "nested": [[], {}, "é"]}

    def reducer(self, key, values):
        values = list(values)
        yield key, [len(values), values[0]["nested"], max(value["length"] for value in values)]


if __name__ == "__main__":
    OddKeys.run()
