"""The service beside the pipelines: what it answers, refuses, and what is said when it fails."""

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
from stockcast.cli.service_process import ServiceProcess, free_port


class Answers(BaseHTTPRequestHandler):
    """Knows one ticker."""

    def do_GET(self) -> None:
        known = self.path in {"/readyz", "/predict/AAPL"}
        body = json.dumps({"ticker": "AAPL"} if known else {"detail": "no such ticker"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process


def test_an_answer_is_its_json(
    process: subprocess.Popen[bytes], address: str, tmp_path: Path
) -> None:
    service = ServiceProcess(process, address, tmp_path / "serving.log")

    service.wait_until_ready()

    assert service.ask("/predict/AAPL") == {"ticker": "AAPL"}


def test_a_refusal_comes_with_the_words_of_the_service(
    process: subprocess.Popen[bytes], address: str, tmp_path: Path
) -> None:
    service = ServiceProcess(process, address, tmp_path / "serving.log")

    with pytest.raises(PermanentError, match=r"GET /predict/X was refused with 404: .*no such"):
        service.ask("/predict/X")


def test_a_service_that_ended_is_not_waited_for_and_its_last_words_are_told(
    tmp_path: Path,
) -> None:
    log = tmp_path / "serving.log"
    log.write_text("\n".join(f"line {n}" for n in range(100)) + "\nport is taken")
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
        service = ServiceProcess(ended, f"http://127.0.0.1:{free_port()}", log)

        with pytest.raises(TransientError, match="port is taken") as caught:
            service.wait_until_ready()

    assert "line 80" not in str(caught.value)
    assert str(caught.value).startswith("The forecast service ended (0); its log ends:")


def test_a_service_that_does_not_answer_may_answer_later(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    service = ServiceProcess(process, f"http://127.0.0.1:{free_port()}", tmp_path / "serving.log")

    with pytest.raises(TransientError, match=r"GET /predict/AAPL was not answered"):
        service.ask("/predict/AAPL")


def test_free_ports_can_be_listened_on() -> None:
    with HTTPServer(("127.0.0.1", free_port()), Answers) as server:
        assert server.server_port
