"""Small inputs for the jobs of jobs/, the same bytes every time; by job the bodies by file name."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal

Files = dict[str, bytes]

_WORDS = [
    "Error",
    "error:",
    "the",
    "of",
    "an",
    "terror",
    "мир",
    "naïve",
    "水",
    "x\ty",
    "back\\slash",
    "don't",
]


def texts() -> Files:
    chance = random.Random(1)

    def lines() -> Iterator[str]:
        for _ in range(150):
            common = chance.choices(_WORDS, k=chance.randrange(8))
            yield " ".join([*common, f"word{chance.randrange(60)}"]) if chance.random() < 0.9 else ""

    return {
        "one.txt": "".join(f"{line}\n" for line in lines()).encode(),
        "two.txt": "\r\n".join(lines()).encode(),  # without an end of its last line
        "three.txt": "".join(f"{line}\n" for line in lines()).encode(),
    }


def access_log() -> Files:
    chance = random.Random(2)

    def lines(combined: str) -> Iterator[str]:
        for _ in range(250):
            zone, hour = chance.choice(["+0000", "-0130", "+0530"]), chance.randrange(24)
            time = f"{chance.randint(20, 21)}/Nov/2026:{hour:02d}:{chance.randrange(60):02d}:24 {zone}"
            path = chance.choice(["/", "/a.html", "/a.html?q=1&r=%20", "/ü", "/logo.png"])
            status, size = chance.choice(
                [(200, str(int(chance.lognormvariate(8, 2)))), (304, "-"), (404, "0")]
            )
            user = chance.choice(["-", "ada", "a b"])
            yield f'203.0.113.{chance.randrange(9)} - {user} [{time}] "GET {path} HTTP/1.1" {status} {size}{combined}\n'

    return {
        "common.log": b"no log line\n" + "".join(lines("")).encode(),
        "combined.log": "".join(lines(' "https://example.com/" "Mozilla/5.0 (X11)"')).encode(),
    }


def telemetry() -> Files:
    chance = random.Random(3)
    kinds = {
        "Request": {"Sender": ["app", "up,dater"], "Trigger": ["start", 'say "stop"']},
        "App": {
            "Program": ["Writer"],
            "Build": ["4100", "4101"],
            "License": ["free"],
            "Version": ["7.1", "7.2"],
        },
        "Connection": {"Type": ["mobile", "satellite"]},
        "Region": {"Continent": ["Europe"], "Country": ["DE", "FR"]},
        "Client": {"OsVersion": ["10.0"], "Language": ["de-DE", "日本"], "Architecture": ["x64"]},
    }

    def lines(day: int) -> Iterator[str]:
        yield f"# telemetry export v2\n# generated: 2026-01-{day:02d}\n"
        for number in range(120):
            event = {
                group: {name: chance.choice(found) for name, found in fields.items()}
                for group, fields in kinds.items()
            }
            event["Request"]["uuid"] = f"{number:032x}"
            if number % 10 == 3:
                event.pop(chance.choice(list(kinds)))
            if number % 10 == 5:
                event["App"].pop("License")
            yield json.dumps(event, ensure_ascii=False) + "\n"
            if number % 30 == 7:
                yield (
                    chance.choice(
                        ["", "not json", '{"App": {"Program": "Wri', '[{"App": {}}]', '{"App": 5}', "{}"]
                    )
                    + "\n"
                )

    return {f"day-{day}.json": "".join(lines(day)).encode() for day in (1, 2)}


def lineitem() -> Files:
    """Rows such as dbgen's."""
    chance = random.Random(4)

    def day() -> str:
        return f"{chance.randint(1993, 1998)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"

    def row(number: int) -> str:
        money = [
            Decimal(chance.randint(1, 50)), Decimal(chance.randint(90_000, 10_000_000)).scaleb(-2),
            Decimal(chance.randint(0, 10)).scaleb(-2), Decimal(chance.randint(0, 8)).scaleb(-2),
        ]  # fmt: skip
        cells = [number, 1, 2, 3, *money, chance.choice("ANR"), chance.choice("FO"), day(), day(), day()]
        return "|".join(map(str, [*cells, "NONE", "MAIL", 'a "comment"', ""])) + "\n"

    return {"lineitem.tbl": "".join(map(row, range(600))).encode()}


_URLS = [f"url{number}.example/{'x' * (number % 7)}" for number in range(300)]


def rankings() -> Files:
    chance = random.Random(5)
    rows = [
        f"{url},{chance.choice([1, 5, 100, 1000, 1001, 2500])},{chance.randint(1, 99)}\n" for url in _URLS
    ]
    return {"rankings.csv": "".join(rows).encode()}


def visits() -> Files:
    chance = random.Random(6)

    def row() -> str:
        address = f"{chance.choice([1, 17, 177])}.{chance.randint(1, 3)}.{chance.randint(10, 12)}.9"
        day = f"{chance.randint(1979, 1981)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        url = chance.choice([*_URLS, "unranked.example/"])
        agent = '"Mozilla/5.0 (like ""Gecko"", X11)"'
        return f"{address},{url},{day},{chance.random():.8f},{agent},DEU,DEU-DE,word,{chance.randint(1, 9)}\n"

    return {f"visits-{part}.csv": "".join(row() for _ in range(250)).encode() for part in range(2)}


def both() -> Files:
    """Each table in a folder of its own."""
    return {
        f"{table.__name__}/{name}": body for table in (rankings, visits) for name, body in table().items()
    }


def records() -> Files:
    """Few different keys, so that many are equal; any bytes but newlines, those that Latin-1 calls line ends, too."""
    chance = random.Random(7)

    def record(number: int) -> bytes:
        key = bytes(chance.choice(b"\x00\r \x0b\x1cAz~\x85\xff") for _ in range(2)) + b"-" * 8
        return (
            key + b" " + b"%012d" % number + bytes(chance.choice(b"\x00\r\tA\xff") for _ in range(76)) + b"\n"
        )

    return {
        "first.dat": b"".join(map(record, range(300))),
        "second.dat": b"".join(map(record, range(300, 450))),
    }


def links() -> Files:
    chance = random.Random(8)
    pages = [f"page{number}" for number in range(30)]
    rows = {f"{chance.choice(pages)}\t{pages[int(chance.paretovariate(1)) % 30]}\n" for _ in range(200)}
    rows |= {"page1\tnowhere\n", "self\tself\n"}
    return {"links.tsv": "".join(sorted(rows)).encode()}


INPUTS: dict[str, Callable[[], Files]] = {
    "access_log": access_log,
    "amplab_aggregate": visits,
    "amplab_join": both,
    "amplab_scan": rankings,
    "grep": texts,
    "inverted_index": texts,
    "pagerank": links,
    "sort": records,
    "telemetry": telemetry,
    "top_words": texts,
    "tpch_q1": lineitem,
    "tpch_q6": lineitem,
    "wordcount": texts,
}
