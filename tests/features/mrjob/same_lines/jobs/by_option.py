"""An output protocol that an option chooses, as mrjob's documentation has it."""

from mrjob import protocol
from mrjob.job import MRJob


class ByOption(MRJob):
    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("--output-format", default="raw", choices=["raw", "json"])

    def output_protocol(self):
        if self.options.output_format == "json":
            return protocol.JSONValueProtocol()
        return protocol.RawValueProtocol()

    def mapper(self, _, line):
        yield None, line[::-1]


if __name__ == "__main__":
    ByOption.run()
