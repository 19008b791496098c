from chalicelib import Job


class Squares(Job):
    """PyWren's and Lithops' `map`: a function over each item, results in the order of the items."""

    shuffle = False

    def mapper(self, _, line):
        number = int(line)
        yield number, number**2
