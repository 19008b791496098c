"""What the four jobs of tests/fuzz/hostile.py do, in one, and object by object."""

import json

from chalicelib import Job, Sum


class Hostile(Job):
    def mapper(self, _, record):
        yield (self.input.key, self.value(record)), 1

    def value(self, record):
        match self.input.tag:
            case "text":
                return record
            case "jsonl":
                if not isinstance(record["id"], str):  # as a job that others write for has to
                    raise TypeError("an id is text")
                return record["id"]
            case "csv":
                return json.dumps(record)
            case _:
                return str(record["id"])

    reducer = Sum()
