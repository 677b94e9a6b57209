"""HTTP server that responds to every received request before it stops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn

_CLOSE = (b"connection", b"close")
_POLL_SECONDS = 0.02
# For connections on which a request may still be on its way when the port is closed.
_LAST_SECONDS = 1.0
# For streams, which have no end of their own.
_STREAM_SECONDS = 5


class DrainingServer(uvicorn.Server):
    """Server that closes its connections one after the other, each after a response.

    uvicorn closes idle connections at once, although a request may be on its way. After a signal to
    stop, this server therefore continues in two phases. In the first, load balancers learn from
    `on_drain` that the service is not ready, and each response ends its connection. In the second,
    the port is closed.

    Parameters
    ----------
    drain_seconds
        Longest time of the first phase. It ends early without connections.
    on_drain
        Called at the beginning of the first phase.
    """

    def __init__(
        self, config: uvicorn.Config, drain_seconds: float, on_drain: Callable[[], None]
    ) -> None:
        config.timeout_graceful_shutdown = _STREAM_SECONDS
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._on_drain = on_drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain the connections, and stop."""
        self._on_drain()
        self.server_state.default_headers.append(_CLOSE)
        await self._wait_for_connections(self._drain_seconds)
        for server in self.servers:
            server.close()
        await self._wait_for_connections(_LAST_SECONDS)
        await super().shutdown(sockets)

    async def _wait_for_connections(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self.server_state.connections and loop.time() < deadline and not self.force_exit:
            await asyncio.sleep(_POLL_SECONDS)
