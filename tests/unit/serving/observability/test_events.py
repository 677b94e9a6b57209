"""The format of log events."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import pytest

from core.errors import BundleError
from serving.observability.events import LOGGER, LogEvent, log_event
from serving.observability.log_format import LogFormat, configure_logging

ROOT = Path(__file__).parents[4]
_EVENT = re.compile(r'(?:log_event\(|publish\(table,)\s*"([a-z_]+)"')
FORGED = "forged\nevent=ok"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def log_to(stream: io.StringIO, log_format: LogFormat | None) -> Iterator[None]:
    """Write the log to `stream` only, without the handlers of pytest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(stream)])
        configure_logging(log_format)
        yield


def test_the_operations_page_explains_every_event() -> None:
    sources = (ROOT / "serving").rglob("*.py")
    logged = {name for path in sources for name in _EVENT.findall(path.read_text())}
    page = (ROOT / "docs" / "operations.md").read_text()
    assert len(logged) > 15
    assert {name for name in logged if f"`{name}`" not in page} == set()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "x=3"),
        (None, "x=None"),
        (0.12345, "x=0.123"),
        ("plain", "x=plain"),
        ("two words", 'x="two words"'),
        ("", 'x=""'),
        ("a=b", 'x="a=b"'),
        (FORGED, 'x="forged\\nevent=ok"'),
        ("\x1b[31m", 'x="\\u001b[31m"'),
    ],
)
def test_an_event_is_one_line_that_a_program_can_parse(value: object, text: str) -> None:
    assert str(LogEvent("swap", {"x": value})) == f"event=swap {text}"


def test_an_event_in_json_has_name_level_time_and_fields() -> None:
    stream = io.StringIO()
    with log_to(stream, "json"):
        log_event("swap", version=3, reason=FORGED, cutoff=date(2013, 3, 1), previous=None)
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert datetime.fromisoformat(entry.pop("timestamp")).utcoffset() is not None
    assert entry == {
        "event": "swap",
        "level": "info",
        "logger": LOGGER,
        "version": 3,
        "reason": FORGED,
        "cutoff": "2013-03-01",
        "previous": None,
    }


def test_a_traceback_is_a_field_of_its_event() -> None:
    stream = io.StringIO()
    with log_to(stream, "json"):
        try:
            msg = "broken"
            raise BundleError(msg)  # noqa: TRY301
        except BundleError as error:
            log_event("request_failed", level=logging.ERROR, traceback_of=error, path="/")
    entry = json.loads(stream.getvalue())
    assert entry["exception"].endswith("core.errors.BundleError: broken")
    assert (entry["level"], entry["path"]) == ("error", "/")


def test_a_record_of_a_library_is_json_too() -> None:
    stream = io.StringIO()
    with log_to(stream, "json"):
        logging.getLogger("uvicorn.error").warning("bound to %s", "port")
    entry = json.loads(stream.getvalue())
    assert (entry["event"], entry["logger"]) == ("bound to port", "uvicorn.error")


@pytest.mark.parametrize(
    ("stream", "log_format", "is_json"),
    [
        (io.StringIO(), None, True),
        (Terminal(), None, False),
        (Terminal(), "json", True),
        (io.StringIO(), "text", False),
    ],
)
def test_a_terminal_gets_text_and_a_file_gets_json(
    stream: io.StringIO, log_format: LogFormat | None, *, is_json: bool
) -> None:
    with log_to(stream, log_format):
        log_event("swap", version=3)
    assert stream.getvalue().startswith("{") == is_json
    assert stream.getvalue().endswith("INFO event=swap version=3\n") == (not is_json)
