"""The forecast service as a child process: responses, errors and an early exit."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from core.errors import PermanentError, TransientError
from stockcast.cli.processes.service_process import ServiceProcess, free_port


class FakeService(BaseHTTPRequestHandler):
    """A service with one ticker."""

    def do_GET(self) -> None:
        is_found = self.path in {"/readyz", "/predict/AAPL"}
        body = json.dumps({"ticker": "AAPL"} if is_found else {"detail": "no such ticker"}).encode()
        self.send_response(200 if is_found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), FakeService) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process


def test_a_response_is_parsed_as_json(
    process: subprocess.Popen[bytes], address: str, tmp_path: Path
) -> None:
    service = ServiceProcess(process, address, tmp_path / "serving.log")

    assert service.get("/predict/AAPL") == {"ticker": "AAPL"}


def test_a_process_that_responds_on_its_port_is_ready(tmp_path: Path) -> None:
    (tmp_path / "readyz").touch()
    port = str(free_port())
    command = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            ServiceProcess(process, f"http://127.0.0.1:{port}", tmp_path / "log").wait_until_ready()
        finally:
            process.kill()


def test_the_service_of_another_process_on_the_port_is_not_taken_for_ours(
    address: str, tmp_path: Path
) -> None:
    """Another process may take the free port before the service listens on it."""
    log = tmp_path / "serving.log"
    log.write_text("address already in use")
    with (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"]) as process,
        pytest.raises(TransientError, match="address already in use"),
    ):
        ServiceProcess(process, address, log).wait_until_ready()


def test_an_error_status_is_raised_with_the_body(
    process: subprocess.Popen[bytes], address: str, tmp_path: Path
) -> None:
    service = ServiceProcess(process, address, tmp_path / "serving.log")

    with pytest.raises(PermanentError, match=r"GET /predict/X failed with status 404: .*no such"):
        service.get("/predict/X")


def test_the_error_for_a_service_that_exited_has_the_end_of_its_log(
    tmp_path: Path,
) -> None:
    log = tmp_path / "serving.log"
    log.write_text("\n".join(f"line {n}" for n in range(100)) + "\nport is taken")
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        service = ServiceProcess(process, f"http://127.0.0.1:{free_port()}", log)

        with pytest.raises(TransientError, match="port is taken") as caught:
            service.wait_until_ready()

    message = str(caught.value)
    assert message.startswith("The forecast service exited with status 0. The end of its log:\n")
    assert "line 80" not in message


def test_a_service_that_does_not_respond_is_a_transient_error(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    service = ServiceProcess(process, f"http://127.0.0.1:{free_port()}", tmp_path / "serving.log")

    with pytest.raises(TransientError, match=r"GET /predict/AAPL got no response"):
        service.get("/predict/AAPL")


def test_a_server_can_listen_on_a_free_port() -> None:
    with HTTPServer(("127.0.0.1", free_port()), FakeService) as server:
        assert server.server_port
