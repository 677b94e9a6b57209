"""Faults of the Yahoo emulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from support.providers.emulated_replies import Reply, Status, spoilt
from support.yahoo import bodies

Fault = Literal[
    Status,
    "not_found",
    "no_data",
    "no_bars",
    "crumb_expired",
    "failure",
    "not_json",
    "empty",
    "no_result",
    "other_symbol",
    "odd_rows",
    "cut_text",
    "cut_body",
    "slow",
]
_PAGE = "<html>Will be right back...</html>"
_FAILURES = {
    "not_found": (404, bodies.NOT_FOUND),
    "no_data": (400, bodies.NO_DATA),
    "crumb_expired": (401, bodies.UNAUTHORIZED),
    "failure": (200, bodies.INTERNAL),
}


def reply_of(fault: Fault | None, body: dict[str, Any]) -> Reply:
    """Return the response to a request with a fault, or the plain response without one."""
    if fault in _FAILURES:
        status, error = _FAILURES[fault]
        return Reply(json.dumps(bodies.failure(error)), status)
    texts: dict[str, Callable[[], str]] = {
        "not_json": lambda: _PAGE,
        "empty": lambda: "",
        "no_result": lambda: json.dumps({"chart": {"result": None, "error": None}}),
        "no_bars": lambda: json.dumps(bodies.without_bars(body)),
        "odd_rows": lambda: json.dumps(bodies.with_a_row_too_few(body)),
    }
    return spoilt(fault, body, texts, page=_PAGE)
