import os
import time

import boto3
from botocore.exceptions import ClientError

from chalicelib import Job, Sum

PATIENCE = 100.0  # seconds; more than any test waits


class Scripted(Job):
    """Counts words; those that begin with `?` go to an output of their own.

    A line `!raise`, `!say TEXT`, `!wait NAME` or `!die NAME` does what it says instead.

    NAME is an object of the bucket `params.bucket`: what is waited for, or remembers the death.
    """

    def mapper_init(self):
        self.s3 = boto3.client("s3")

    def mapper(self, _, line):
        command, _, name = line.partition(" ")
        if command == "!raise":
            raise ValueError(f"this line is cursed: {name}")
        if command == "!say":
            print(f"printed {name}")
            self.log.info("logged %s", name)
        elif command == "!wait":
            self.wait(name)
        elif command == "!die":
            self.die_once(name)
        else:
            for word in line.split():
                yield word, 1

    combiner = Sum()

    def reducer(self, word, counts):
        yield self.output("asked", word) if word.startswith("?") else word, sum(counts)

    def wait(self, name):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                self.s3.head_object(Bucket=self.params["bucket"], Key=name)
                return
            except ClientError:
                time.sleep(0.1)
        raise TimeoutError(f"{name} did not come")

    def die_once(self, name):
        try:
            self.s3.put_object(Bucket=self.params["bucket"], Key=name, IfNoneMatch="*")
        except ClientError:
            return  # it has died before
        os._exit(3)
