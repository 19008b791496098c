from chalicelib import Job, Sum


class WordCount(Job):
    """Words that occur five times or more, the rarest first; a mapper gets a whole file by its name."""

    def mapper_raw(self, path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                for word in line.split():
                    yield word, 1

    reducer = Sum()
    order_by = "value"

    def having(self, _, count):
        return count >= 5
