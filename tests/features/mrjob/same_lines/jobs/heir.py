"""A job that builds on another one, in a module beside it."""

from words import Words


class Heir(Words):
    FILES = ["words.py"]

    def mapper(self, _, line):
        for word, one in super().mapper(_, line):
            if "o" in word:
                yield word, one


if __name__ == "__main__":
    Heir.run()
