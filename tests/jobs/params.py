from chalicelib import Job, Sum


class Params(Job):
    """The job file's parameters, with `--set` on top."""

    def mapper(self, _, line):
        for word in line.split():
            yield word[: self.params["letters"]], self.params.get("weight", 1)

    reducer = Sum()
