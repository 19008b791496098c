"""The data of the workloads: made once, deterministic, kept in one folder.

A data set lies in a folder of its own, with `.made.json` naming its files and their sizes; one that is
there and whole is not made again. Sizes are those of the published table at scale 1.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import everyday, lineitem, telemetry

MIB = 1 << 20
_LIST = ".made.json"

Form = lineitem.Form
#: Fills an empty folder; returns where its data comes from, in words.
Maker = Callable[[Path], str]


def text_files(root: Path, scale: float, parts: int = 4) -> list[Path]:
    """Text in `parts` files of 64 MiB x scale. More parts begin with the same bytes as fewer."""
    from . import text  # needs numpy, as some below

    size = math.ceil(64 * MIB * scale)
    return _made(root, f"text-{size}", lambda folder: text.write(folder, parts, size), parts)


def lineitem_files(root: Path, scale: float) -> list[Path]:
    """TPC-H lineitem, one file; scale 1 is its scale factor 1: 6 001 215 rows, 760 MB."""
    return _made(root, f"lineitem-{scale:g}", lambda folder: lineitem.write(folder, scale), 1)


def lineitem_forms(root: Path, scale: float, form: Form) -> list[Path]:
    """The same rows in eight files, as text (`tbl`), compressed, or as Parquet with types."""
    if form == "tbl":
        (whole,) = lineitem_files(root, scale)
        return _made(
            root,
            f"lineitem-{scale:g}-tbl",
            lambda folder: lineitem.write_parts(folder, whole),
            lineitem.PARTS,
        )
    parts = lineitem_forms(root, scale, "tbl")
    return _made(
        root,
        f"lineitem-{scale:g}-{form}",
        lambda folder: lineitem.write_form(folder, parts, form),
        lineitem.PARTS,
    )


def visits_files(root: Path, scale: float) -> list[Path]:
    """AMPLab-like rankings (first) and visits (8 files): 1.2 and 8 million rows, 1.09 GB, x scale."""
    from . import visits

    return _made(root, f"visits-{scale:g}", lambda folder: visits.write(folder, scale), 1 + visits.PARTS)


def records_files(root: Path, scale: float) -> list[Path]:
    """Sort records of 100 bytes, one file: 10 million x scale."""
    from . import records

    return _made(root, f"records-{scale:g}", lambda folder: records.write(folder, scale), 1)


def telemetry_files(root: Path, scale: float) -> list[Path]:
    """Nested JSON lines below `#` headers: 20 files of 26 MB x scale."""
    return _made(root, f"telemetry-{scale:g}", lambda folder: telemetry.write(folder, scale), telemetry.FILES)


def homes_files(root: Path, scale: float, seed: int = everyday.SEED) -> list[Path]:
    """Homes for sale as csv, one file of 20 MB x scale."""
    return _everyday(root, "homes", partial(everyday.write_homes, bad=0.0), scale, seed)


def bad_homes_files(root: Path, scale: float, seed: int = everyday.SEED) -> list[Path]:
    """The same with 8 % of the prices no numbers."""
    return _everyday(root, "homes-bad", partial(everyday.write_homes, bad=0.08), scale, seed)


def clicks_files(root: Path, scale: float, seed: int = everyday.SEED) -> list[Path]:
    """Clicks as JSON lines, one file of 20 MB x scale."""
    return _everyday(root, "clicks", everyday.write_clicks, scale, seed)


def orders_files(root: Path, scale: float, seed: int = everyday.SEED) -> list[Path]:
    """Customers (csv), tickets (JSON lines), orders (Parquet): 20 MB x scale together."""
    return _everyday(root, "orders", everyday.write_orders, scale, seed, 3)


def documents_files(root: Path, scale: float, seed: int = everyday.SEED) -> list[Path]:
    """390 x scale documents as lines of name and words, one file of 20 MB x scale."""
    return _everyday(root, "documents", everyday.write_documents, scale, seed)


def sales_files(root: Path, scale: float, seed: int = everyday.SEED) -> list[Path]:
    """Sales as JSON lines, one file of 20 MB x scale."""
    return _everyday(root, "sales", everyday.write_sales, scale, seed)


#: The data that can be made with other seeds, by workload.
SEEDED: dict[str, Callable[[Path, float, int], list[Path]]] = {
    "w8": homes_files,
    "w8q": bad_homes_files,
    "w9": clicks_files,
    "w10": orders_files,
    "w11": documents_files,
    "w12": sales_files,
}


def _everyday(
    root: Path, name: str, write: Callable[[Path, float, int], str], scale: float, seed: int, count: int = 1
) -> list[Path]:
    of_seed = "" if seed == everyday.SEED else f"-seed-{seed}"
    return _made(root, f"{name}-{scale:g}{of_seed}", lambda folder: write(folder, scale, seed), count)


def source_of(files: list[Path]) -> str:
    """Where a data set comes from, as its maker said."""
    return str(json.loads((files[0].parent / _LIST).read_text())["source"])


def _made(root: Path, name: str, make: Maker, count: int) -> list[Path]:
    """The first `count` files of a data set, in order of name; made if they are not there."""
    folder = root / name
    found = _whole(folder)
    if len(found) >= count:
        return found[:count]
    print(f"making {folder}", flush=True)
    half = root / f"{name}.half"
    for old in (half, folder):
        shutil.rmtree(old, ignore_errors=True)
    half.mkdir(parents=True)
    source = make(half)
    sizes = {path.name: path.stat().st_size for path in sorted(half.iterdir())}
    (half / _LIST).write_text(json.dumps({"source": source, "files": sizes}, indent=1))
    half.rename(folder)
    return _whole(folder)[:count]


def _whole(folder: Path) -> list[Path]:
    """The files of a finished data set; none if one of them is missing or has another size."""
    try:
        sizes: dict[str, int] = json.loads((folder / _LIST).read_text())["files"]
        if all((folder / name).stat().st_size == size for name, size in sizes.items()):
            return [folder / name for name in sorted(sizes)]
    except FileNotFoundError:
        pass
    return []
