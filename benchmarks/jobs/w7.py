"""Telemetry: how often each permutation of the interesting fields occurs."""

import json

import msgspec

from chalicelib import Job, Sum


class Request(msgspec.Struct):
    Sender: str
    Trigger: str


class App(msgspec.Struct):
    Program: str
    Build: str
    License: str
    Version: str


class Connection(msgspec.Struct):
    Type: str


class Region(msgspec.Struct):
    Continent: str
    Country: str


class Client(msgspec.Struct):
    OsVersion: str
    Language: str
    Architecture: str


class Event(msgspec.Struct):
    """The fields that are asked for; the others are not even decoded."""

    Request: Request
    App: App
    Connection: Connection
    Region: Region
    Client: Client


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


class Chunk(Job):
    def mapper_chunk(self, text):
        counts = {}
        for line in text.split(b"\n"):
            if not line or line[:1] == b"#":
                continue
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
            try:
                counts[key] += 1
            except KeyError:
                counts[key] = 1
        return counts

    reducer = Sum()


class Typed(Job):
    def mapper(self, _, event):
        request, app, region, client = event.Request, event.App, event.Region, event.Client
        key = (
            request.Sender,
            request.Trigger,
            app.Program,
            app.Build,
            app.License,
            app.Version,
            event.Connection.Type,
            region.Continent,
            region.Country,
            client.OsVersion,
            client.Language,
            client.Architecture,
        )
        yield key, 1

    reducer = Sum()
