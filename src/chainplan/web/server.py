"""The server of the page: uvicorn, which also closes connections whose requests begin and never go on.

Each of these would hold a place for as long as it liked, since uvicorn waits for the headers of a request for ever.
"""

from __future__ import annotations

import asyncio
import socket

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from chainplan.web.app import app

MAX_HEADER_SECONDS = 10.0
"""Seconds within which the headers of a request must have arrived."""
MAX_CONNECTIONS = 64
"""Connections that may be open at the same time."""


class _ImpatientConnection(H11Protocol):
    """A connection that is closed when the headers of a request do not arrive in time."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        """Start the timer where headers are due and it does not run yet; stop it where they are not."""
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._late is None:
            self._late = self.loop.call_later(MAX_HEADER_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def serve(listening: socket.socket) -> None:
    """Serve the page on a socket, until Ctrl-C."""
    config = uvicorn.Config(
        app(), http=_ImpatientConnection, log_level="warning", timeout_keep_alive=5, limit_concurrency=MAX_CONNECTIONS
    )
    uvicorn.Server(config).run(sockets=[listening])
