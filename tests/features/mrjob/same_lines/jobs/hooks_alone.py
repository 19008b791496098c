"""A step of init and final only: lines go through as they are."""

from mrjob.job import MRJob


class HooksAlone(MRJob):
    def mapper_init(self):
        yield None, "before"

    def mapper_final(self):
        yield None, "after"


if __name__ == "__main__":
    HooksAlone.run()
