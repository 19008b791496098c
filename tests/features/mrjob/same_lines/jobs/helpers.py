"""The helpers of mrjob.util."""

from mrjob.job import MRJob
from mrjob.util import (
    cmd_line,
    expand_path,
    file_ext,
    safeeval,
    save_cwd,
    shlex_split,
    to_lines,
    unique,
    which,
)


class Helpers(MRJob):
    def mapper(self, _, line):
        words = list(unique(line.split()))
        yield "words", words
        yield "command", cmd_line(words)
        yield "split", shlex_split("a 'b c'")
        yield "ext", [file_ext("a.tar.gz"), file_ext(".hidden"), file_ext(".mrjob.conf")]
        yield "lines", [part.decode("latin-1") for part in to_lines([b"a\nb", b"c\n", b"d", b"", b"e"])]
        yield "value", safeeval("{'a': range(2), 'b': x}['b']", {"x": 3})
        yield "which", bool(which("sh"))
        yield "path", expand_path("/tmp/$NONE_SUCH")
        with save_cwd():
            yield "done", None

    def reducer(self, key, values):
        yield key, list(values)


if __name__ == "__main__":
    Helpers.run()
