"""GET /events and WS /ws/forecasts of a real service: changes, resume, refusals, shutdown."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.serving.homes import TestHome, shared_home
from support.serving.servers import Server, bentoml_command, module_command, run_server, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@contextmanager
def events(server: Server, query: str = "", **headers: str) -> Iterator[Iterator[dict[str, str]]]:
    """Open a stream of server-sent events, and yield its events as their fields."""
    with server.client.stream("GET", f"/events{query}", headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _parse(response.iter_lines())


def _parse(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields
            fields = {}


def read(stream: Iterator[dict[str, str]], count: int) -> list[dict[str, str]]:
    return [next(stream) for _ in range(count)]


@contextmanager
def forecasts(
    server: Server, query: str = "", origin: str | None = None
) -> Iterator[ClientConnection]:
    address = f"{server.url.replace('http', 'ws')}/ws/forecasts{query}"
    with connect(address, origin=None if origin is None else Origin(origin)) as connection:
        yield connection


def receive(connection: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(connection.recv(timeout=30))
    return message


def other_version(server: Server) -> int:
    live: int = server.get("/health").json()["model_version"]
    return 3 - live


def test_both_streams_send_the_present_state_and_then_a_swap(
    swapping_home: TestHome, swapping_server: Server
) -> None:
    target = other_version(swapping_server)
    with (
        events(swapping_server, "?tickers=aapl") as stream,
        forecasts(swapping_server, "?tickers=aapl") as connection,
    ):
        names = ["version", "forecast", "forecasts"]
        assert [event["event"] for event in read(stream, 3)] == names
        assert [receive(connection)["event"] for _ in names] == names
        swapping_home.move_alias("champion", target)
        sent = [json.loads(event["data"]) for event in read(stream, 3)]
        assert [receive(connection)["data"] for _ in names] == sent
    version, forecast, _ = sent
    assert (version["version"], version["previous"]) == (target, 3 - target)
    served = swapping_server.get("/predict/AAPL", horizon="1w").json()
    assert forecast["forecasts"]["1w"] == served
    assert served["model"]["version"] == target


def test_a_client_that_resumes_receives_only_what_changed_since(
    swapping_home: TestHome, swapping_server: Server
) -> None:
    with events(swapping_server, "?tickers=AAPL") as stream:
        last_id = read(stream, 3)[-1]["id"]
    target = other_version(swapping_server)
    swapping_home.move_alias("champion", target)
    wait_until(lambda: other_version(swapping_server) != target, 30, swapping_server)
    with events(swapping_server, "?tickers=AAPL", **{"last-event-id": last_id}) as stream:
        version, _, newest = read(stream, 3)
        assert json.loads(version["data"])["version"] == target
    with forecasts(swapping_server, f"?last_event_id={newest['id']}") as connection:
        swapping_home.move_alias("champion", 3 - target)
        assert receive(connection)["data"]["version"] == 3 - target


def test_an_id_of_an_earlier_start_brings_the_present_state(swapping_server: Server) -> None:
    with events(swapping_server, **{"last-event-id": "0badcafe-1000"}) as stream:
        assert [event["event"] for event in read(stream, 2)] == ["version", "forecasts"]


@pytest.mark.parametrize("path", ["/events", "/ws/forecasts"])
@pytest.mark.parametrize("query", ["?tickers=../x", "?ticker=AAPL", f"?tickers={'A,' * 51}"])
def test_an_invalid_request_is_refused_before_the_stream(
    swapping_server: Server, path: str, query: str
) -> None:
    if path == "/events":
        status, body = (r := swapping_server.get(path + query)).status_code, r.json()
    else:
        with pytest.raises(InvalidStatus) as refused, forecasts(swapping_server, query):
            pass
        response = refused.value.response
        status, body = response.status_code, json.loads(response.body)
    assert (status, body["type"]) == (422, "urn:stockcast:problem:invalid-request")


def test_a_page_of_another_host_cannot_open_a_websocket(swapping_server: Server) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        forecasts(swapping_server, origin="http://example.com"),
    ):
        pass
    assert refused.value.response.status_code == 403
    with forecasts(swapping_server, origin=swapping_server.url) as connection:
        assert receive(connection)["event"] == "version"


def test_a_head_request_of_the_events_ends(swapping_server: Server) -> None:
    assert swapping_server.client.head("/events").status_code == 200


@pytest.mark.parametrize("command", [module_command, bentoml_command], ids=["module", "bentoml"])
def test_open_streams_do_not_delay_the_shutdown(
    command: Callable[[int], list[str]], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = shared_home(tmp_path_factory.getbasetemp()).copy(tmp_path / "home")
    with (
        run_server(command, home.path, tmp_path / "service") as server,
        events(server) as stream,
        forecasts(server) as connection,
    ):
        read(stream, 2)
        server.process.terminate()
        server.process.wait(15)
        with pytest.raises((StopIteration, httpx.RemoteProtocolError)):
            read(stream, 10)
        assert [receive(connection)["event"] for _ in range(2)] == ["version", "forecasts"]
        with pytest.raises(ConnectionClosed):
            receive(connection)
    assert "Traceback" not in server.log.read_text()


def test_a_client_that_reads_nothing_does_not_hold_up_the_others(
    swapping_home: TestHome, swapping_server: Server
) -> None:
    address = httpx.URL(swapping_server.url)
    with socket.create_connection((address.host, address.port or 80)) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        silent.sendall(b"GET /events?tickers=AAPL HTTP/1.1\r\nhost: x\r\n\r\n")
        with events(swapping_server) as stream:
            read(stream, 2)
            for _ in range(2):
                swapping_home.move_alias("champion", other_version(swapping_server))
                assert [event["event"] for event in read(stream, 2)] == ["version", "forecasts"]
