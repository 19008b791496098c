"""The server: bound to loopback before anything else is done, and to nothing else ever."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import uvicorn

from chalicelib.core.errors import UserError
from scripts.console.terminal import say

from .access import HOST

if TYPE_CHECKING:
    from starlette.types import ASGIApp

#: Connections at once: a browser holds six.
_MOST = 200
#: Seconds that an answer under way may take when the server ends.
_ENDING = 2


def listen(port: int) -> socket.socket:
    """A socket on loopback at this port, or at any if it is 0. Raises UserError if the port is taken."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
        made.listen(_MOST)
    except OSError as error:
        made.close()
        raise UserError(
            f"{HOST}:{port}: cannot be listened at: {error.strerror}: another dashboard? --port N takes another port,"
            " --port 0 any"
        ) from error
    return made


class _Shown(logging.Handler):
    """Errors of the server go where all else goes, so that no name in them acts on the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        say(*self.format(record).splitlines(), err=True)


def make_server(app: ASGIApp) -> uvicorn.Server:
    """Not yet running: `run(sockets=[...])` does that, until `should_exit` is set or somebody presses Ctrl-C."""
    log = logging.getLogger("uvicorn.error")
    log.handlers, log.propagate = [_Shown()], False
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST,
        timeout_graceful_shutdown=_ENDING,
    )
    return uvicorn.Server(config)
