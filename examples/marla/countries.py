from chalicelib import Each, FirstLetter, Job, Sum


class Countries(Job):
    """How many postal codes each country has; a mapper gets a block of lines, as MARLA's does."""

    def mapper_chunk(self, text):
        rows = (line.split(",") for line in text.splitlines())
        return Each([row[5] for row in rows if len(row) == 6], 1)

    partitioner = FirstLetter()
    reducer = Sum()
