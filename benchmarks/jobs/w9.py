"""Sessions: a user's clicks, cut where half an hour passed without one."""

from chalicelib import Job


class Sessions(Job):
    sort_values = True

    def mapper(self, _, click):
        yield click["user"], (click["time"], click["page"])

    def reducer(self, user, clicks):
        start = last = None
        count = 0
        for time, _ in clicks:
            if last is None:
                start = time
            elif time - last > 1800:
                yield (user, start), (count, last - start)
                start, count = time, 0
            last = time
            count += 1
        yield (user, start), (count, last - start)
