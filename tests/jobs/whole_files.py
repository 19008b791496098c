from chalicelib import Job


class WholeFiles(Job):
    """A record is a whole object, its key the object's URL."""

    def mapper(self, url, text):
        yield url.rpartition("/")[2], len(text.split())
