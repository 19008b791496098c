"""What the jobs read, and what lies beside them; the same for mrjob and for us. Nothing but the standard library."""

import bz2
import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

TEXT = """the quick brown fox jumps over the lazy dog
The fox and the dog

a tale of the wood and of the fox
to be or not to be that is the question
naïve straße the fox's end
over the hills and far away over the sea
"""
MORE = "dog eats dog\nthe end of the tale\nfox\n"
SALES = [
    {"shop": "north", "price": 3},
    {"shop": "south", "price": 5, "note": "ü\t"},
    {"shop": "north", "price": 2.5, "note": None},
    {"shop": "west", "price": 0, "note": [1, {"a": None}]},
]
PAIRS = [("a", 1), ("b", 20), (None, 3), (["a", 2], 5), ("a", 7)]
#: Beside the jobs' scripts.
BESIDE = {
    "stop.txt": "the of and a to\n",
    "turning/__init__.py": "",
    "turning/text.py": "def turned(line):\n    return line[::-1]\n",
    "turning/deep/note.txt": "a note\n",
}
PACKED = {"one.txt": "one\n", "inner/two.txt": "two two\n"}


def make_inputs(folder: Path) -> None:
    """The files that `cases.py` names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"text.txt": TEXT, "more.txt": MORE, "one_line.txt": "be that as it may\n"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "text.gz").write_bytes(gzip.compress(TEXT.encode(), mtime=0))
    (folder / "more.bz2").write_bytes(bz2.compress(MORE.encode()))
    (folder / "sales.jsonl").write_text("".join(json.dumps(sale) + "\n" for sale in SALES))
    lines = [json.dumps(key) + "\t" + json.dumps(value) for key, value in PAIRS]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    (folder / "fields.txt").write_text("b\tx\na\nb\ty\tz\nb\n\tlonely\nc\t\n")
    (folder / "numbers.txt").write_text("3\n1\n2\n")
    (folder / "height.txt").write_text("3\n")
    (folder / "words_a.txt").write_text("fox dog\n")
    (folder / "words_b.txt").write_text("dog the\n")
    (folder / "odd.txt").write_bytes(
        b"plain\r\n  blanks \t\n\xe4\xf6\xff\nz\xc3\xbc\rend\n\x0bver\x1c\x85x\nno end"
    )


def put_beside(folder: Path) -> None:
    """The files that the jobs themselves name: text, a package, two archives."""
    for name, text in BESIDE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with (
        tarfile.open(folder / "packed.tar.gz", "w:gz") as tar,
        zipfile.ZipFile(folder / "packed.zip", "w") as packed,
    ):
        for name, text in PACKED.items():
            about = tarfile.TarInfo(name)
            about.size = len(text)
            tar.addfile(about, io.BytesIO(text.encode()))
            packed.writestr(name, text)
