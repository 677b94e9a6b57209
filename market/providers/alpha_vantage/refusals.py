"""What Alpha Vantage means by a sentence: it refuses with HTTP 200 and English in the body.

The sentences are those it has been seen to send; making errors of them is the client's work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

RefusalKind = Literal["key", "tier", "pace", "day", "ticker", "other"]

_FIELDS = ("Error Message", "Information", "Note")
# The first that fits counts, and the order matters: what asks for a slower pace also advertises the
# day's limit and premium endpoints; what refuses a symbol names a function such as "..._DAILY".
_MEANINGS: tuple[tuple[RefusalKind, str], ...] = (
    ("key", r"apikey is invalid or missing|invalid api ?key|demo purposes only"),
    ("tier", r"this is a premium endpoint|is a premium feature|subscribe to either"),
    ("pace", r"per second|per minute|burst pattern|call frequency|spreading out"),
    ("ticker", r"invalid api call"),
    ("day", r"per day|daily"),
)
_ECHOED_KEY = re.compile(r"(?i)(api ?key as )\S+")
_SHOWN_LENGTH = 140


def refusal_message(body: Mapping[str, Any]) -> str | None:
    """Return the sentence of a refusal, or None when the body is an answer."""
    return next((str(body[name]) for name in _FIELDS if name in body), None)


def classify_refusal(sentence: str) -> RefusalKind:
    """Return what a sentence says about the request."""
    lowered = sentence.lower()
    return next((meaning for meaning, told in _MEANINGS if re.search(told, lowered)), "other")


def shorten_message(sentence: str) -> str:
    """Return a sentence for errors: on one line, and without the key that is repeated in some."""
    one_line = " ".join(_ECHOED_KEY.sub(r"\1***", sentence).split())
    return one_line if len(one_line) <= _SHOWN_LENGTH else one_line[:_SHOWN_LENGTH] + "..."
