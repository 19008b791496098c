"""W12 by mrjob itself, in one process: its inline runner, which its documents offer for tests and small data.

usage: mrjob_inline.py WORKLOAD OUT FILE...
"""

from __future__ import annotations

import sys
from pathlib import Path

from mrjob.job import MRJob
from mrjob.protocol import JSONProtocol, JSONValueProtocol


class MRSales(MRJob):
    """The same methods as in benchmarks/jobs/w12.py."""

    INPUT_PROTOCOL = JSONValueProtocol
    OUTPUT_PROTOCOL = JSONProtocol

    def mapper(self, _, sale):
        yield (sale["product"], sale["state"]), (1, sale["count"])

    def combiner(self, key, values):
        yield key, self.total(values)

    def reducer(self, key, values):
        yield key, self.total(values)

    def total(self, values):
        sales = items = 0
        for count, number in values:
            sales += count
            items += number
        return sales, items


def main(out: str, files: list[str]) -> None:
    with (
        MRSales(["--runner", "inline", "--no-conf", *files]).make_runner() as runner,
        Path(out).open("wb") as file,
    ):
        runner.run()
        file.writelines(runner.cat_output())


if __name__ == "__main__":
    main(sys.argv[2], sys.argv[3:])
