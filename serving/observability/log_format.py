"""Format of the log: JSON for programs, text for a terminal."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, Literal

import orjson

from serving.observability.events import LogEvent

LogFormat = Literal["json", "text"]
TEXT_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def configure_logging(log_format: LogFormat | None) -> None:
    """Set the format of every log line of this process.

    Parameters
    ----------
    log_format
        None selects text for a handler that writes to a terminal, and JSON for all others.
    """
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig(level=logging.WARNING)
    for handler in root.handlers:
        is_text = log_format == "text" or (log_format is None and _is_terminal(handler))
        handler.setFormatter(logging.Formatter(TEXT_FORMAT) if is_text else json_formatter())


def json_formatter() -> logging.Formatter:
    """Return a formatter with one JSON object per line: timestamp, level, logger, event, fields."""
    from structlog import processors, stdlib  # noqa: PLC0415  # not needed for text, and takes 100 ms

    return stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            processors.TimeStamper(fmt="iso", utc=True),
            stdlib.add_log_level,
            stdlib.add_logger_name,
            _unpack_event,
        ],
        processors=[
            stdlib.ProcessorFormatter.remove_processors_meta,
            processors.format_exc_info,
            processors.JSONRenderer(serializer=_to_json),
        ],
        pass_foreign_args=True,
    )


def _unpack_event(_: object, __: str, entry: MutableMapping[str, Any]) -> dict[str, Any]:
    """Replace the text of a `LogEvent` by its name and fields; keep the text of other records."""
    match entry.pop("positional_args", None):
        case (LogEvent(event, fields),):
            return (
                dict(entry)
                | {"event": event}
                | {name: value for name, value in fields.items() if name not in entry}
            )
    return dict(entry)


def _to_json(entry: dict[str, object], **_: object) -> str:
    return orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _is_terminal(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and handler.stream.isatty()
