from chalicelib import Each, Job, Sum


class WordCount(Job):
    """How often each word occurs."""

    def mapper_chunk(self, text):
        return Each(text.split(), 1)

    reducer = Sum()
