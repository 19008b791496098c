"""No mapper: the reducer gets the input by its protocol."""

from mrjob.job import MRJob
from mrjob.protocol import JSONProtocol


class OnlyReducer(MRJob):
    INPUT_PROTOCOL = JSONProtocol

    def reducer(self, key, values):
        yield key, sum(values)


if __name__ == "__main__":
    OnlyReducer.run()
