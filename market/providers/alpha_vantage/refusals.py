"""Classification of Alpha Vantage's refusals: HTTP 200 with an English message in the body.

The patterns match messages that Alpha Vantage has sent. The client turns them into errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

RefusalKind = Literal["key", "tier", "pace", "day", "ticker", "other"]

_FIELDS = ("Error Message", "Information", "Note")
# The first match counts. The order matters: a message about the rate also mentions the limit per
# day and premium endpoints, and a message about a symbol names a function such as "..._DAILY".
_PATTERNS: tuple[tuple[RefusalKind, str], ...] = (
    ("key", r"apikey is invalid or missing|invalid api ?key|demo purposes only"),
    ("tier", r"this is a premium endpoint|is a premium feature|subscribe to either"),
    ("pace", r"per second|per minute|burst pattern|call frequency|spreading out"),
    ("ticker", r"invalid api call"),
    ("day", r"per day|daily"),
)
_ECHOED_KEY = re.compile(r"(?i)(api ?key as )\S+")
_SHOWN_LENGTH = 140


def refusal_message(body: Mapping[str, Any]) -> str | None:
    """Return the message of a refusal, or None when the body holds data."""
    return next((str(body[name]) for name in _FIELDS if name in body), None)


def classify_refusal(message: str) -> RefusalKind:
    """Return the reason of a refusal."""
    lowered = message.lower()
    return next((kind for kind, pattern in _PATTERNS if re.search(pattern, lowered)), "other")


def shorten_message(message: str) -> str:
    """Return a message for use in an error: on one line, shortened, without an echoed key."""
    one_line = " ".join(_ECHOED_KEY.sub(r"\1***", message).split())
    return one_line if len(one_line) <= _SHOWN_LENGTH else one_line[:_SHOWN_LENGTH] + "..."
