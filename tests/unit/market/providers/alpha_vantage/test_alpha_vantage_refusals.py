"""Classification of refusals in every field of a response."""

import pytest
from support.alpha_vantage import bodies

from market.providers.alpha_vantage.refusals import (
    classify_refusal,
    refusal_message,
    shorten_message,
)

KINDS = [
    (bodies.INVALID_KEY, "key"),
    (bodies.DEMO_KEY, "key"),
    (bodies.PREMIUM_ONLY, "tier"),
    (bodies.PREMIUM_FULL, "tier"),
    (bodies.PER_SECOND, "pace"),
    (bodies.BURST, "pace"),
    (bodies.PER_MINUTE, "pace"),
    (bodies.PER_MINUTE_PREMIUM, "pace"),
    (bodies.per_day("ABC"), "day"),
    (bodies.invalid_call("TIME_SERIES_DAILY"), "ticker"),
    (bodies.invalid_call("SPLITS"), "ticker"),
    (bodies.ODD_SENTENCE, "other"),
]


@pytest.mark.parametrize(("body", "kind"), KINDS)
@pytest.mark.parametrize("field", ["Error Message", "Information", "Note"])
def test_the_kind_does_not_depend_on_the_field(body: dict[str, str], kind: str, field: str) -> None:
    message = refusal_message({field: next(iter(body.values()))})

    assert message is not None
    assert classify_refusal(message) == kind


def test_a_response_with_data_is_no_refusal() -> None:
    assert refusal_message({"Meta Data": {"1. Information": "Daily Prices"}}) is None


def test_a_quoted_message_is_short_and_without_the_key() -> None:
    message = bodies.per_day("SECRET99")["Information"]

    assert "SECRET99" not in shorten_message(message)
    assert "25 requests per day" in shorten_message(message)
    assert len(shorten_message(message)) < 150
