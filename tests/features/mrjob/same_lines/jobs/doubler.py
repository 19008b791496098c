"""As many steps as an option says, over pairs of JSON."""

from mrjob.job import MRJob
from mrjob.protocol import JSONProtocol
from mrjob.step import MRStep


class Doubler(MRJob):
    INPUT_PROTOCOL = JSONProtocol

    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("-n", dest="n", type=int, default=1)

    def double(self, key, value):
        yield key, value * 2

    def steps(self):
        return [MRStep(mapper=self.double)] * self.options.n


if __name__ == "__main__":
    Doubler.run()
