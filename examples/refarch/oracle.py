from __future__ import annotations

import json
from collections import defaultdict
from math import fsum


def revenue(visits: str) -> list[str]:
    groups = defaultdict(list)
    for row in (line.split(",") for line in visits.splitlines()):
        groups[row[0][:8]].append(float(row[3]))
    rows = [{"key": start, "value": fsum(some)} for start, some in sorted(groups.items())]
    return [json.dumps(row, separators=(",", ":")) for row in rows]
