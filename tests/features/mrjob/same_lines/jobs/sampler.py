"""Some lines, chosen by a hash: a seed in front, sorted values, and a reducer that ends early."""

from zlib import crc32

from mrjob.job import MRJob
from mrjob.protocol import RawValueProtocol, ReprProtocol


class Sampler(MRJob):
    INTERNAL_PROTOCOL = ReprProtocol
    OUTPUT_PROTOCOL = RawValueProtocol
    SORT_VALUES = True

    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("--size", type=int)

    def load_args(self, args):
        super().load_args(args)
        if self.options.size is None:
            self.arg_parser.error("--size is missing")

    def mapper(self, _, line):
        yield None, ("%010d" % crc32(line.encode()), line)

    def reducer(self, _, values):
        for number, (_seed, line) in enumerate(values):
            if number == self.options.size:
                break
            yield None, line


if __name__ == "__main__":
    Sampler.run()
