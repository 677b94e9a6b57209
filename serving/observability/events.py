"""Log events: a name and fields, written as ``key=value`` pairs or as JSON.

`serving.observability.log_format` chooses the format.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

LOGGER = "stockcast.serving"

_LOG = logging.getLogger(LOGGER)
# BentoML sets the root logger to WARNING, which would drop swap events.
_LOG.setLevel(logging.INFO)


@dataclass(frozen=True)
class LogEvent:
    """A log event. Its text is one line of ``key=value`` pairs."""

    event: str
    fields: dict[str, object]

    def __str__(self) -> str:
        parts = (f"{name}={_format(value)}" for name, value in self.fields.items())
        return " ".join([f"event={self.event}", *parts])


def log_event(
    event: str,
    /,
    *,
    level: int = logging.INFO,
    traceback_of: Exception | None = None,
    **fields: object,
) -> None:
    """Log one line such as ``event=champion_swapped version=3``, with an optional traceback."""
    _LOG.log(level, "%s", LogEvent(event, fields), exc_info=traceback_of)


def _format(value: object) -> str:
    """Return the text of a value. Values with blanks or quotes are quoted as in JSON."""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    plain = text and text.isprintable() and not any(c in text for c in " \"'=")
    return text if plain else json.dumps(text)
