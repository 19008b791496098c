from collections import Counter

from chalicelib import Job


class Words(Job):
    """Lithops' `map_reduce`: one result of each object, a count of its words, put together by one reducer."""

    def mapper_raw(self, path):
        with open(path, encoding="utf-8") as file:
            yield None, dict(Counter(file.read().split()))

    def combiner(self, _, counts):
        yield None, self.together(counts)

    def reducer(self, _, counts):
        yield None, sorted(self.together(counts).items())

    def together(self, counts):
        found: Counter[str] = Counter()
        for some in counts:
            found.update(some)
        return dict(found)
