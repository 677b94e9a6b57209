"""Every way in which the emulator of Alpha Vantage can answer badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

from support import alpha_vantage_bodies as bodies

Mood = Literal[
    "per_second",
    "burst",
    "per_minute",
    "per_minute_premium",
    "per_day",
    "invalid_key",
    "demo_key",
    "premium_only",
    "premium_full",
    "unknown_symbol",
    "odd_sentence",
    "empty",
    "no_data",
    "not_an_object",
    "not_json",
    "cut_text",
    "cut_body",
    "slow",
    "drip",
    "doubled",
    "other_symbol",
    "no_number",
    "status_302",
    "status_403",
    "status_404",
    "status_429",
    "status_500",
    "status_503",
]

_REFUSALS: dict[str, dict[str, str]] = {
    "per_second": bodies.PER_SECOND,
    "burst": bodies.BURST,
    "per_minute": bodies.PER_MINUTE,
    "per_minute_premium": bodies.PER_MINUTE_PREMIUM,
    "invalid_key": bodies.INVALID_KEY,
    "demo_key": bodies.DEMO_KEY,
    "premium_only": bodies.PREMIUM_ONLY,
    "premium_full": bodies.PREMIUM_FULL,
    "odd_sentence": bodies.ODD_SENTENCE,
    "empty": {},
}
_DATA = ("Time Series (Daily)", "data", "Global Quote", "bestMatches")


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
        handler.end_headers()
        if self.mood == "cut_body":
            content = content[: len(content) // 2]
        if self.mood == "drip":
            pieces = 20
            for at in range(pieces):
                handler.wfile.write(content[at::pieces][:1])
                if stopping.wait(slow_seconds / pieces):
                    return
        else:
            handler.wfile.write(content)


def reply_of(mood: Mood | None, body: dict[str, Any], *, function: str, key: str) -> Reply:
    """The body as the mood lets it out."""
    if mood is None or mood in {"slow", "drip", "cut_body", "other_symbol"}:
        return Reply(json.dumps(body), mood=mood)
    if mood.startswith("status_"):
        return Reply("<html>It is not you, it is us.</html>", status=int(mood[-3:]))
    if mood in _REFUSALS:
        return Reply(json.dumps(_REFUSALS[mood]))
    text = json.dumps(body)
    texts: dict[str, Callable[[], str]] = {
        "per_day": lambda: json.dumps(bodies.per_day(key)),
        "unknown_symbol": lambda: json.dumps(bodies.invalid_call(function)),
        "no_data": lambda: json.dumps({k: v for k, v in body.items() if k not in _DATA}),
        "not_an_object": lambda: "[1, 2, 3]",
        "not_json": lambda: f"<html>Sorry. You asked with apikey={key}.</html>",
        "cut_text": lambda: text[: len(text) // 2],
        "doubled": lambda: bodies.doubled(body),
        "no_number": lambda: _without_number(body),
    }
    return Reply(texts[mood]())


def _without_number(body: dict[str, Any]) -> str:
    """The newest value of the data is a word."""
    data = next(body[name] for name in _DATA if name in body)
    rows = list(data.values()) if isinstance(data, dict) else data
    row = rows[0] if isinstance(rows[0], dict) else data
    name = next(name for name in ("4. close", "split_factor", "amount", "05. price") if name in row)
    row[name] = "twelve"
    return json.dumps(body)
