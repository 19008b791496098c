"""The pictures of the documents, made anew from a real run: `make pictures`.

    docs/pictures/report.png    the report of a run on this machine, for the README

It needs Chromium as the system has it (Debian's `chromium`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.demo import write_texts

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs/pictures"
#: Pixels of the report without its summary: the title and the timeline.
_WIDTH, _HEIGHT = 1000, 600
#: How often the texts are repeated, and bytes of a split: some forty tasks, that each take a while.
_TIMES, _SPLIT = 16, 200_000


def main() -> int:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print("pictures: no chromium here; Debian has it as the package `chromium`", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        page = make_report(Path(name))
        take(browser, page, PICTURES / "report.png")
    print(f"{PICTURES / 'report.png'}: {(PICTURES / 'report.png').stat().st_size / 1024:.0f} KiB")
    return 0


def make_report(folder: Path) -> Path:
    """Run the word count in `folder`, which leaves no trace on the picture; its report without the summary."""
    texts = write_texts(folder / "texts")
    (folder / "texts/python-help.txt").write_text("".join(path.read_text() for path in texts) * _TIMES)
    for path in texts:
        path.unlink()
    script(
        folder, "run.py", "wordcount", "texts", "--output", "counts", "--work", ".", "--workers", "4",
        *(f"--set={key}" for key in (f"split_size={_SPLIT}", "partitions=64", "reduce_size=100000")),
    )  # fmt: skip
    script(folder, "report.py", "wordcount", "--work", ".", "-o", "report.html")
    page = folder / "report.html"
    page.write_text(re.sub(r'<section [^>]*id="summary".*?</section>', "", page.read_text(), flags=re.DOTALL))
    return page


def script(folder: Path, name: str, *arguments: str) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / name, *arguments], cwd=folder, check=True)


def take(browser: str, page: Path, picture: Path) -> None:
    """What the browser shows of the page, in light colours."""
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    size = f"--window-size={_WIDTH},{_HEIGHT}"
    subprocess.run(
        [browser, "--headless", *root, "--hide-scrollbars", size, f"--screenshot={picture}", page.as_uri()],
        check=True,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    sys.exit(main())
