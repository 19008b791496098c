"""How often each combination of twelve fields occurs in telemetry: nested JSON lines under `#` headers.

    scripts/run.py telemetry exports/ --output counts/

A row is the twelve fields and the count. Only the fields that are named here are even decoded.
"""

from msgspec import Struct

from chalicelib import Job, Sum


class Request(Struct):
    Sender: str
    Trigger: str


class App(Struct):
    Program: str
    Build: str
    License: str
    Version: str


class Connection(Struct):
    Type: str


class Region(Struct):
    Continent: str
    Country: str


class Client(Struct):
    OsVersion: str
    Language: str
    Architecture: str


class Event(Struct):
    Request: Request
    App: App
    Connection: Connection
    Region: Region
    Client: Client


class Telemetry(Job):
    def mapper(self, _, event):
        request, app, region, client = event.Request, event.App, event.Region, event.Client
        sent = request.Sender, request.Trigger, app.Program, app.Build, app.License, app.Version
        place = event.Connection.Type, region.Continent, region.Country
        yield (*sent, *place, client.OsVersion, client.Language, client.Architecture), 1

    reducer = Sum()
