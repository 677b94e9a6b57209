"""A TCP proxy in front of a real server, which a test can cut and restore."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TcpProxy(socketserver.ThreadingTCPServer):
    """Forwards connections on a loopback port to a server, until `cut`."""

    def __init__(self, server: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.upstream = server
        self.port: int = self.server_address[1]
        self.is_cut = False
        self.open: set[socket.socket] = set()

    def cut(self) -> None:
        """Close every connection, and close new ones at once."""
        self.is_cut = True
        for end in list(self.open):
            _shut(end)

    def restore(self) -> None:
        """Accept connections again."""
        self.is_cut = False


class _Forward(socketserver.BaseRequestHandler):
    """Forwards both directions of one connection."""

    server: TcpProxy

    def handle(self) -> None:
        if self.server.is_cut:
            return
        with socket.create_connection(self.server.upstream) as upstream:
            ends = {self.request, upstream}
            self.server.open |= ends
            back = threading.Thread(target=_copy, args=(upstream, self.request))
            back.start()
            _copy(self.request, upstream)
            back.join()
            self.server.open -= ends


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65_536):
            target.sendall(content)
    _shut(target)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def tcp_proxy(server: tuple[str, int]) -> Iterator[TcpProxy]:
    """Run a proxy in front of a server."""
    with TcpProxy(server) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.cut()
            proxy.shutdown()
