"""A service that is stopped under load answers every request that it has received."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import httpx
import pytest
from support.serving.homes import TICKERS, shared_home
from support.serving.servers import Server, module_command, run_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]


class Client(threading.Thread):
    """Sends requests over one kept connection until a response ends it, as a load balancer does."""

    def __init__(self, server: Server, path: str) -> None:
        super().__init__()
        self._url = server.url
        self._path = path
        self.started = threading.Event()
        self.statuses: list[int] = []
        self.failure: str | None = None

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            is_kept = True
            while is_kept:
                try:
                    response = client.get(self._path)
                except httpx.TransportError as error:
                    self.failure = repr(error)
                    return
                self.statuses.append(response.status_code)
                is_kept = response.headers.get("connection") != "close"
                self.started.set()


def test_no_received_request_is_lost(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = shared_home(tmp_path_factory.getbasetemp())
    with run_server(module_command, home.path, tmp_path_factory.mktemp("drain")) as server:
        paths = [f"/predict/{ticker}" for ticker in TICKERS] + ["/models/status", "/health"]
        clients = [Client(server, path) for path in paths]
        for client in clients:
            client.start()
        assert all(client.started.wait(30) for client in clients)
        server.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(30)
        assert server.process.wait(30) == 0
    assert [client.failure for client in clients] == [None] * len(clients)
    assert {status for client in clients for status in client.statuses} == {200}


def test_a_stopping_service_is_not_ready_but_serves(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    home = shared_home(tmp_path_factory.getbasetemp())
    with run_server(module_command, home.path, tmp_path, drain_seconds="30") as server:
        assert server.get("/readyz").status_code == 200
        kept = httpx.Client(base_url=server.url)  # a connection without a request, so it stays open
        kept.get("/livez")
        server.process.send_signal(signal.SIGTERM)
        while server.get("/readyz").status_code == 200:
            pass
        response = server.get("/predict/AAPL")
        assert (response.status_code, response.headers["connection"]) == (200, "close")
        kept.close()
        server.client.close()
        assert server.process.wait(30) == 0
