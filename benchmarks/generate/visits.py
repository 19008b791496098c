"""Rankings and user visits as in AMPLab's Big Data Benchmark: CSV without quotes or header.

rankings.csv: pageURL, pageRank, avgDuration.
uservisits-NN.csv: sourceIP, destURL, visitDate, adRevenue, userAgent, countryCode, languageCode,
searchWord, duration.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

PARTS = 8
VISITS, RANKINGS = 8_000_000, 1_200_000
_LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", dtype="S1")
_SYSTEMS = ("X11; Linux", "Windows NT 6.1", "Macintosh")
_AGENTS = [
    f"Mozilla/{major}.{minor} ({name})" for major, minor, name in product(range(3, 7), range(4), _SYSTEMS)
]
_COUNTRIES = "USA GBR DEU FRA CHN BRA IND JPN CAN ESP ITA AUS MEX RUS ZAF NLD SWE POL KOR TUR".split()  # noqa: SIM905
_LANGUAGES = "EN EN DE FR ZH PT HI JA EN ES IT EN ES RU EN NL SV PL KO TR".split()  # noqa: SIM905
_DAYS = (np.datetime64("1970-01-01") + np.arange(15_340)).astype(str).tolist()
_BATCH = 20_000


def write(folder: Path, scale: float) -> str:
    """Write rankings.csv and the visits. The order of the draws fixes the bytes: do not change it."""
    random = np.random.default_rng(42)
    urls = _rankings(random, folder / "rankings.csv", int(RANKINGS * scale))
    words = _strings(random, 2000, 4, 12)
    for part in range(PARTS):
        _visits(random, folder / f"uservisits-{part:02d}.csv", int(VISITS * scale) // PARTS, urls, words)
    return "like AMPLab's Big Data Benchmark, seed 42"


def _strings(random: np.random.Generator, count: int, shortest: int, longest: int) -> list[str]:
    lengths = random.integers(shortest, longest + 1, count).tolist()
    letters = _LETTERS[random.integers(0, 26, (count, longest))].view(f"S{longest}").ravel().tolist()
    return [text[:length].decode() for text, length in zip(letters, lengths, strict=True)]


def _rankings(random: np.random.Generator, path: Path, rows: int) -> list[str]:
    urls = [f"{text}{number:06x}" for number, text in enumerate(_strings(random, rows, 20, 54))]
    ranks = np.minimum(random.zipf(1.6, rows), 10_000).tolist()
    durations = random.integers(1, 100, rows).tolist()
    with path.open("w", newline="") as file:
        file.writelines(
            f"{url},{rank},{duration}\n" for url, rank, duration in zip(urls, ranks, durations, strict=True)
        )
    return urls


def _visits(random: np.random.Generator, path: Path, rows: int, urls: list[str], words: list[str]) -> None:
    addresses = random.integers(1, 255, (rows, 4)).tolist()
    url = random.integers(0, len(urls), rows).tolist()
    day = random.integers(0, len(_DAYS), rows).tolist()
    revenue = random.random(rows).tolist()
    agent = random.integers(0, len(_AGENTS), rows).tolist()
    place = random.integers(0, len(_COUNTRIES), rows).tolist()
    word = random.integers(0, len(words), rows).tolist()
    duration = random.integers(1, 11, rows).tolist()
    places = [f"{country},{country}-{tongue}" for country, tongue in zip(_COUNTRIES, _LANGUAGES, strict=True)]
    with path.open("w", newline="") as file:
        for start in range(0, rows, _BATCH):
            lines = [
                f"{'.'.join(map(str, addresses[i]))},{urls[url[i]]},{_DAYS[day[i]]},{revenue[i]:.8f},"
                f"{_AGENTS[agent[i]]},{places[place[i]]},{words[word[i]]},{duration[i]}\n"
                for i in range(start, min(start + _BATCH, rows))
            ]
            file.write("".join(lines))
