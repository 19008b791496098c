"""What is seen of line ends, blanks and bytes that are no UTF-8."""

from mrjob.job import MRJob


class WideLines(MRJob):
    def mapper(self, _, line):
        yield repr(line), len(line)

    def reducer(self, line, lengths):
        yield line, list(lengths)


if __name__ == "__main__":
    WideLines.run()
