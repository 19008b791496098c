"""The report as one file: a page that asks nobody for anything.

Its policy lets it run the two scripts and the two style sheets in it, by their digests, and load nothing.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.core.keys import PHASES
from chalicelib.job.code_digest import VERSION
from scripts.console.terminal import human_seconds

from .at_once import most_at_once, spans
from .bars import bars_of
from .columns import OUTCOMES, columns
from .gather import Seen
from .markup import Html, data, join, tag
from .sections import sections

_SHIPPED = Path(__file__).parent / "page"
_STYLES, _SCRIPTS = ("uPlot.min.css", "report.css"), ("uPlot.iife.min.js", "report.js")
_BUCKETS = 400


def page(seen: Seen) -> str:
    """The whole document."""
    status = seen.status
    title = f"{status.job} {status.run}: {status.phase}"
    styles = [_shipped(name) for name in _STYLES]
    library, ours = (_shipped(name) for name in _SCRIPTS)
    scripts = [f"/*\n{_shipped('uPlot.LICENSE')}\n*/\n{library}", ours]  # every copy has to carry it
    head = [
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts, styles)}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        Html('<meta name="referrer" content="no-referrer">'),
        tag("title", title),
        *(Html(f"<style>{style}</style>") for style in styles),
    ]
    body = [
        _header(seen),
        tag("main", sections(seen)),
        tag("footer", tag("p", f"Made by Sluice {VERSION}. Charts: uPlot (MIT), \u00a9 2022 Leon Sorokin.")),
        data(figures(seen), "figures"),
        *(Html(f"<script>{script}</script>") for script in scripts),
    ]
    return f'<!doctype html>\n<html lang="en"><head>{join(head)}</head>\n<body>{join(body)}</body></html>\n'


def figures(seen: Seen) -> dict[str, Any]:
    """What the page's script draws."""
    begun, ended, attempts = seen.begun, seen.ended, list(seen.history.attempts)
    width = (ended - begun) / _BUCKETS
    return {
        "ended": round((seen.status.finished - begun) * 1000, 1) if seen.status.finished else -1,
        "length": round((ended - begun) * 1000, 1),
        "outcomes": OUTCOMES,
        "attempts": columns(seen.history, begun, ended),
        "at_once": {
            "seconds": [round(width * number, 3) for number in range(_BUCKETS)],
            **{
                phase: most_at_once(spans(attempts, ended, phase), begun, ended, _BUCKETS) for phase in PHASES
            },
        },
        "bars": [bars._asdict() for step in seen.history.steps for bars in bars_of(step)],
    }


def _header(seen: Seen) -> Html:
    status = seen.status
    after = f" after {human_seconds(status.elapsed)}" if status.ended and status.elapsed is not None else ""
    step = f", {status.place}" if status.place else ""
    verdict = tag("span", f"{status.phase}{step}{after}", class_=f"verdict {status.phase}")
    return tag("header", tag("h1", status.job, " ", tag("small", status.run)), tag("p", verdict))


def _policy(scripts: list[str], styles: list[str]) -> str:
    """Nothing but what is named by its digest; what a script sets as a style of an element is not meant by it."""
    allowed = f"script-src {' '.join(map(_digest, scripts))}; style-src {' '.join(map(_digest, styles))}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _digest(body: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'"


@cache
def _shipped(name: str) -> str:
    return (_SHIPPED / name).read_text("utf-8").strip()
