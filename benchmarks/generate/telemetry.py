"""Telemetry of an office suite: nested JSON lines under `#` headers, about 20 000 distinct permutations."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from random import Random

FILES = 20
_FILE_BYTES = 25_000_000
_ROWS = 5000
_PERMUTATIONS = 20_000

_SENDERS = ["app", "updater", "installer", "service"]
_TRIGGERS = ["start", "stop", "update", "crash", "daily"]
_PROGRAMS = ["Writer", "Calc", "Impress", "Draw", "Base"]
_BUILDS = [str(build) for build in range(4100, 4160)]
_LICENSES = ["free", "pro", "trial", "edu"]
_VERSIONS = [f"7.{minor}.{patch}" for minor in range(6) for patch in range(5)]
_CONNECTIONS = ["broadband", "mobile", "corporate", "satellite"]
_PLACES = [
    ("Europe", "DE", "Bayern", "München"),
    ("Europe", "FR", "Île-de-France", "Paris"),
    ("Europe", "GB", "England", "London"),
    ("Europe", "ES", "Madrid", "Madrid"),
    ("North America", "US", "California", "San Francisco"),
    ("North America", "US", "New York", "New York"),
    ("North America", "CA", "Ontario", "Toronto"),
    ("South America", "BR", "São Paulo", "São Paulo"),
    ("Asia", "JP", "Tokyo", "Tokyo"),
    ("Asia", "IN", "Karnataka", "Bengaluru"),
    ("Asia", "CN", "Guangdong", "Shenzhen"),
    ("Africa", "ZA", "Gauteng", "Johannesburg"),
    ("Oceania", "AU", "New South Wales", "Sydney"),
]
_PROVIDERS = [f"ISP-{number:03d}" for number in range(400)]
_SYSTEMS = [f"10.0.{build}" for build in (17763, 18363, 19041, 19045, 22000, 22621, 22631)]
_LANGUAGES = ["en-US", "de-DE", "fr-FR", "es-ES", "ja-JP", "pt-BR", "zh-CN", "en-GB"]
_ARCHITECTURES = ["x86", "x64", "arm64"]

_LINE = (
    '{"Request":{"time":"%s","processedTime":"%s","uuid":"%s","jobId":%d,"Sender":"%s","Trigger":"%s"},'
    '"App":{"Program":"%s","Build":"%s","License":"%s","Version":"%s"},'
    '"Connection":{"Type":"%s","ISP":"%s"},'
    '"Region":{"Continent":"%s","Country":"%s","Region":"%s","City":"%s"},'
    '"Client":{"OsVersion":"%s","Language":"%s","Architecture":"%s"}}\n'
)

Permutation = tuple[str, str, str, str, str, str, str, int, str, str, str]


def write(folder: Path, scale: float) -> str:
    """Write the files. The order of the draws fixes the bytes: do not change it."""
    random = Random(11)
    permutations = _permutations(random)
    weights = list(accumulate(1.0 / (rank + 20) ** 0.8 for rank in range(len(permutations))))
    size = int(_FILE_BYTES * scale)
    for day in range(1, FILES + 1):
        with (folder / f"telemetry-{day - 1:03d}.json").open("w", encoding="utf-8", newline="\n") as file:
            _write(file.write, random, day, permutations, weights, size)
    return "made-up telemetry, seed 11"


def _permutations(random: Random) -> list[Permutation]:
    found: set[Permutation] = set()
    while len(found) < _PERMUTATIONS:
        place = random.randrange(len(_PLACES))
        first = [random.choice(c) for c in (_SENDERS, _TRIGGERS, _PROGRAMS, _BUILDS, _LICENSES, _VERSIONS)]
        first.append(random.choice(_CONNECTIONS))
        last = [random.choice(c) for c in (_SYSTEMS, _LANGUAGES, _ARCHITECTURES)]
        found.add((*first, place, *last))
    ordered = sorted(found)
    random.shuffle(ordered)
    return ordered


def _write(write, random: Random, day: int, permutations: list[Permutation], weights: list[float], size: int):
    written = write(
        f"# telemetry export v2\n# host: collector-{day - 1:02d}\n# generated: 2026-01-{day:02d}T00:00:00Z\n"
    )
    rows = max(1, min(_ROWS, size // 5000))
    while written < size:
        drawn = random.choices(permutations, cum_weights=weights, k=rows)
        written += write("".join([_line(random, day, permutation) for permutation in drawn]))


def _line(random: Random, day: int, permutation: Permutation) -> str:
    sender, trigger, *app, connection, place, system, language, architecture = permutation
    second = random.randrange(86_400)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{random.randrange(1000):03d}"
    time = f"2026-01-{day:02d}T{clock}Z"
    uuid = f"{random.getrandbits(128):032x}"
    number = random.randrange(10**9)
    return _LINE % (
        *(time, time[:-1] + "5Z", uuid, number, sender, trigger),
        *app,
        *(connection, random.choice(_PROVIDERS)),
        *_PLACES[place],
        *(system, language, architecture),
    )
