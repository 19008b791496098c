"""pick_protocols: the reducer's values in another protocol than the mapper's."""

from mrjob.job import MRJob
from mrjob.protocol import JSONProtocol, JSONValueProtocol, RawValueProtocol


class Picks(MRJob):
    def pick_protocols(self, step_num, step_type):
        if step_type == "mapper":
            return RawValueProtocol().read, JSONProtocol().write
        return JSONProtocol().read, JSONValueProtocol().write

    def mapper(self, _, line):
        yield len(line), line

    def reducer(self, length, lines):
        yield None, [length, sorted(lines)]


if __name__ == "__main__":
    Picks.run()
