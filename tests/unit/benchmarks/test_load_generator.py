"""The load generator counts whole responses of any length, and those that fail."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from benchmarks.service.load import collect_load, get, post, send_load


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = 0

    def do_GET(self) -> None:
        Handler.seen += 1
        content = b"x" * (Handler.seen % 7000)  # more than one packet, and changing
        self.send_response(200 if self.path == "/good" else 503)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("request_", [get("/good"), post("/good", b"{}")])
def test_every_response_is_counted_once(port: int, request_: bytes) -> None:
    before = Handler.seen
    load = send_load(port, request_, 0.2, 3)
    assert load.failures == 0
    # Responses before the last connection is open, and after the end, do not count.
    assert 0 < len(load.latencies) <= Handler.seen - before
    assert load.milliseconds(0.5) <= load.milliseconds(0.99)
    assert load.rate == pytest.approx(len(load.latencies) / load.seconds)


def test_a_failed_response_is_an_error_unless_failures_are_counted(port: int) -> None:
    load = collect_load(port, get("/bad"), 0.1, 2)
    assert load.failures == len(load.latencies) > 0
    with pytest.raises(RuntimeError, match=r"responses to GET /bad HTTP/1\.1 were not 200"):
        send_load(port, get("/bad"), 0.1, 2)
