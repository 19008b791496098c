"""All of the dashboard, put together."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from chalicelib.core.ports import Loc
from scripts.runs.world import World
from scripts.submitting.world import World as SubmitWorld

from .access import Door
from .actions import Actions
from .app import Dashboard
from .server import listen, make_server
from .sources import Sources


@dataclass(frozen=True)
class Serving:
    """A dashboard that listens already: who connects waits until it runs."""

    door: Door
    server: uvicorn.Server
    listening: socket.socket

    def run(self) -> None:
        """Serve until Ctrl-C, or until somebody calls `end`."""
        try:
            self.server.run(sockets=[self.listening])
        finally:
            self.listening.close()

    def end(self) -> None:
        self.server.should_exit = True


def serve(
    world: World,
    submitting: SubmitWorld,
    names: Sequence[str],
    works: Sequence[str],
    *,
    port: int,
    every: float,
    token: str,
    by: Callable[[Loc], str],
    logs: Callable[[], Any],
    folder: Path,
) -> Serving:
    """A dashboard for these jobs and work places (without any, all in `jobs/`). Raises UserError.

    `by` says who stops a run, `logs` makes a client for CloudWatch Logs, and `folder` holds files while they are
    uploaded.
    """
    sources = Sources.of(world, names, works)
    actions = Actions(sources, submitting, by, folder)
    listening = listen(port)
    door = Door(listening.getsockname()[1], token)
    servers: list[uvicorn.Server] = []
    board = Dashboard(
        sources, actions, door, logs=logs, every=every, ending=lambda: any(one.should_exit for one in servers)
    )
    servers.append(make_server(board.app()))
    return Serving(door, servers[0], listening)
