"""What happened, as one log line of key=value each: for the person who reads them at 3 a.m."""

from __future__ import annotations

import json
import logging

_LOG = logging.getLogger("stockcast.serving")
# BentoML keeps the root logger at WARNING; swaps are worth a line all the same.
_LOG.setLevel(logging.INFO)


def log_event(
    event: str,
    /,
    *,
    level: int = logging.INFO,
    traceback_of: Exception | None = None,
    **fields: object,
) -> None:
    """Write one line: ``event=champion_swapped version=3 ...``; a traceback follows it if given."""
    _LOG.log(level, "%s", line(event, fields), exc_info=traceback_of)


def line(event: str, fields: dict[str, object]) -> str:
    """Return the line; values with blanks or quotes are quoted as in JSON."""
    parts = [f"event={event}", *(f"{name}={_value(value)}" for name, value in fields.items())]
    return " ".join(parts)


def _value(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    plain = text and text.isprintable() and not any(c in text for c in " \"'=")
    return text if plain else json.dumps(text)
