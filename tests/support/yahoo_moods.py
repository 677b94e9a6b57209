"""Every way in which the emulator of Yahoo can answer badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

from support import yahoo_bodies as bodies

Mood = Literal[
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
    "status_302",
    "status_403",
    "status_404",
    "status_429",
    "status_500",
    "status_503",
]
_FAILURES = {
    "not_found": (404, bodies.NOT_FOUND),
    "no_data": (400, bodies.NO_DATA),
    "crumb_expired": (401, bodies.UNAUTHORIZED),
    "failure": (200, bodies.INTERNAL),
}


@dataclass(frozen=True)
class Reply:
    """One answer as it goes over the wire."""

    text: str
    status: int = 200
    mood: Mood | None = None

    def send(
        self, handler: BaseHTTPRequestHandler, *, slow_seconds: float, stopping: threading.Event
    ) -> None:
        if self.mood == "slow":
            stopping.wait(slow_seconds)
        content = self.text.encode()
        handler.send_response(self.status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("Set-Cookie", "A3=d=AQABBJ; Path=/; Max-Age=31557600")
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if self.mood == "cut_body" else content)


def reply_of(mood: Mood | None, body: dict[str, Any]) -> Reply:
    """The body as the mood lets it out."""
    if mood is None or mood in {"slow", "cut_body", "other_symbol"}:
        return Reply(json.dumps(body), mood=mood)
    if mood in _FAILURES:
        status, error = _FAILURES[mood]
        return Reply(json.dumps(bodies.failure(error)), status)
    if mood.startswith("status_"):
        return Reply("<html>Will be right back...</html>", int(mood[-3:]))
    text = json.dumps(body)
    texts: dict[str, Callable[[], str]] = {
        "not_json": lambda: "<html>Will be right back...</html>",
        "empty": lambda: "",
        "cut_text": lambda: text[: len(text) // 2],
        "no_result": lambda: json.dumps({"chart": {"result": None, "error": None}}),
        "no_bars": lambda: json.dumps(bodies.without_bars(body)),
        "odd_rows": lambda: json.dumps(bodies.with_a_row_too_few(body)),
    }
    return Reply(texts[mood]())
