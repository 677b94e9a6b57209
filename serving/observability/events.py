"""Structured log events: one line of ``key=value`` pairs for each event."""

from __future__ import annotations

import json
import logging

_LOG = logging.getLogger("stockcast.serving")
# BentoML sets the root logger to WARNING, which would drop swap events.
_LOG.setLevel(logging.INFO)


def log_event(
    event: str,
    /,
    *,
    level: int = logging.INFO,
    traceback_of: Exception | None = None,
    **fields: object,
) -> None:
    """Log one line such as ``event=champion_swapped version=3``, with an optional traceback."""
    _LOG.log(level, "%s", format_event(event, fields), exc_info=traceback_of)


def format_event(event: str, fields: dict[str, object]) -> str:
    """Return the line. Values with blanks or quotes are quoted as in JSON."""
    parts = [f"event={event}", *(f"{name}={_format(value)}" for name, value in fields.items())]
    return " ".join(parts)


def _format(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    plain = text and text.isprintable() and not any(c in text for c in " \"'=")
    return text if plain else json.dumps(text)
