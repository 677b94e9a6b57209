"""Clients of the streams that read nothing, and the limit of clients."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from support.serving.service_setup import ServiceSetup

from serving.app import build_app

Message = dict[str, Any]


class SilentClient:
    """A client that takes the first `taken` messages and reads nothing more."""

    def __init__(self, service: ServiceSetup, taken: int) -> None:
        self.app = build_app()
        self.app.state.service = service.state
        self.taken = taken
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        is_close = message["type"] == "websocket.close"
        if len(self.sent) > self.taken and not is_close:
            await asyncio.Event().wait()

    async def receive(self) -> Message:
        if not self.sent:
            return {"type": "websocket.connect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def connect(self, kind: str, path: str, query: bytes = b"") -> None:
        scope = {"type": kind, "method": "GET", "path": path, "query_string": query, "headers": []}
        async with asyncio.timeout(10):
            await self.app(scope, self.receive, self.send)


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.routes.forecasts.events.SEND_SECONDS", 0.05)


def test_a_client_of_the_events_that_reads_nothing_is_dropped(
    service: ServiceSetup, caplog: pytest.LogCaptureFixture
) -> None:
    service.go_live()
    client = SilentClient(service, taken=2)
    with caplog.at_level(logging.WARNING):
        asyncio.run(client.connect("http", "/events"))
    assert "event=stream_dropped" in caplog.text
    assert service.live.changes.readers == 0


def test_a_websocket_that_reads_nothing_is_closed_with_a_reason(
    service: ServiceSetup, caplog: pytest.LogCaptureFixture
) -> None:
    service.go_live()
    client = SilentClient(service, taken=2)
    with caplog.at_level(logging.WARNING):
        asyncio.run(client.connect("websocket", "/ws/forecasts"))
    assert "event=stream_dropped" in caplog.text
    closed = client.sent[-1]
    assert (closed["type"], closed["code"]) == ("websocket.close", 1013)
    assert closed["reason"] == "The client reads too slowly."
    assert service.live.changes.readers == 0


def test_the_number_of_clients_is_limited(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.routes.forecasts.events.MAX_STREAMS", 1)
    client = SilentClient(service, taken=10)
    with service.live.changes.reader():
        asyncio.run(client.connect("http", "/events"))
    start, body = client.sent
    assert start["status"] == 503
    assert b"too-many-streams" in body["body"]
    assert dict(start["headers"])[b"retry-after"] == b"5"
