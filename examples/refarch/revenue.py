from chalicelib import Job, Sum


class Revenue(Job):
    """Advertisement revenue by the first eight characters of the visitor's address."""

    def mapper(self, _, visit):
        yield visit[0][:8], float(visit[3])

    reducer = Sum(exact=True)
