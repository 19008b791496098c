"""Traffic by path and hour, from a web server's access log in the common (or combined) log format.

    scripts/run.py access_log logs/ --output traffic/

A row is path, hour (UTC), hits, bytes sent, and the median and 99th percentile of the bytes of an answer,
within one percent. A line that is no log line is set aside: `scripts/quarantine.py` shows it.
"""

import re
from datetime import UTC, datetime

from chalicelib import Count, Job, Quantiles, Record, Sum

# 203.0.113.7 - ada [21/Nov/2026:03:24:24 +0000] "GET /about.html?lang=en HTTP/1.1" 200 5120
LINE = re.compile(r'\S+ \S+ .*? \[([^]]+)\] "\S+ ([^ ?"]+)[^"]*" \d{3} (\d+|-)')


class AccessLog(Job):
    def mapper(self, _, line):
        found = LINE.match(line)
        if not found:
            raise ValueError("not the common log format")
        time, path, size = found.groups()
        hour = datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z").astimezone(UTC).strftime("%Y-%m-%dT%H")
        yield (path, hour), 0 if size == "-" else int(size)

    reducer = Record(hits=Count(), bytes=Sum(), p50_p99=Quantiles(0.5, 0.99))
