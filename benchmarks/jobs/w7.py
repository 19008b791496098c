"""Telemetry: how often each permutation of the interesting fields occurs."""

import json

from chalicelib import Job, Sum


class Record(Job):
    def mapper(self, _, line):
        if line[:1] != b"#":
            record = json.loads(line)
            request, app, region, client = (
                record["Request"],
                record["App"],
                record["Region"],
                record["Client"],
            )
            key = (
                request["Sender"],
                request["Trigger"],
                app["Program"],
                app["Build"],
                app["License"],
                app["Version"],
                record["Connection"]["Type"],
                region["Continent"],
                region["Country"],
                client["OsVersion"],
                client["Language"],
                client["Architecture"],
            )
            yield key, 1

    reducer = Sum()
