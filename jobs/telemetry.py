"""How often each combination of twelve fields occurs in telemetry: nested JSON lines under `#` headers.

    scripts/run.py telemetry exports/ --output counts/

A row is the twelve fields and the count. Only the fields that are named here are even decoded. A field that an event
lacks counts as "", and a line that is no such event is set aside: scripts/quarantine.py shows it.
"""

from msgspec import Struct, field

from chalicelib import Job, Sum


class Request(Struct):
    Sender: str = ""
    Trigger: str = ""


class App(Struct):
    Program: str = ""
    Build: str = ""
    License: str = ""
    Version: str = ""


class Connection(Struct):
    Type: str = ""


class Region(Struct):
    Continent: str = ""
    Country: str = ""


class Client(Struct):
    OsVersion: str = ""
    Language: str = ""
    Architecture: str = ""


class Event(Struct):
    request: Request = field(default_factory=Request, name="Request")
    app: App = field(default_factory=App, name="App")
    connection: Connection = field(default_factory=Connection, name="Connection")
    region: Region = field(default_factory=Region, name="Region")
    client: Client = field(default_factory=Client, name="Client")


class Telemetry(Job):
    def mapper(self, _, event):
        request, app, region, client = event.request, event.app, event.region, event.client
        sent = request.Sender, request.Trigger, app.Program, app.Build, app.License, app.Version
        place = event.connection.Type, region.Continent, region.Country
        yield (*sent, *place, client.OsVersion, client.Language, client.Architecture), 1

    reducer = Sum()
