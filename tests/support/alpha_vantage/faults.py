"""Faults of the Alpha Vantage emulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from support.alpha_vantage import bodies
from support.providers.emulated_replies import Reply, Status, spoilt

Fault = Literal[
    Status,
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


def reply_of(fault: Fault | None, body: dict[str, Any], *, function: str, key: str) -> Reply:
    """Return the response with a fault, or the plain response without one."""
    texts: dict[str, Callable[[], str]] = {
        **{name: partial(json.dumps, refusal) for name, refusal in _REFUSALS.items()},
        "per_day": lambda: json.dumps(bodies.per_day(key)),
        "unknown_symbol": lambda: json.dumps(bodies.invalid_call(function)),
        "no_data": lambda: json.dumps({k: v for k, v in body.items() if k not in _DATA}),
        "not_an_object": lambda: "[1, 2, 3]",
        "not_json": lambda: f"<html>Sorry. You asked with apikey={key}.</html>",
        "doubled": lambda: bodies.doubled(body),
        "no_number": lambda: _without_number(body),
    }
    return spoilt(fault, body, texts, page="<html>It is not you, it is us.</html>")


def _without_number(body: dict[str, Any]) -> str:
    """Replace the newest value of the data by a word."""
    data = next(body[name] for name in _DATA if name in body)
    rows = list(data.values()) if isinstance(data, dict) else data
    row = rows[0] if isinstance(rows[0], dict) else data
    name = next(name for name in ("4. close", "split_factor", "amount", "05. price") if name in row)
    row[name] = "twelve"
    return json.dumps(body)
