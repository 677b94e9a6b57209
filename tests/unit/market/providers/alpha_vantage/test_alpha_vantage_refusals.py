"""What Alpha Vantage's refusals mean, whichever field they come in."""

import pytest
from support.alpha_vantage import bodies

from market.providers.alpha_vantage.refusals import (
    classify_refusal,
    refusal_message,
    shorten_message,
)

MEANINGS = [
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


@pytest.mark.parametrize(("body", "meaning"), MEANINGS)
@pytest.mark.parametrize("field", ["Error Message", "Information", "Note"])
def test_a_sentence_means_the_same_in_each_field(
    body: dict[str, str], meaning: str, field: str
) -> None:
    sentence = refusal_message({field: next(iter(body.values()))})

    assert sentence is not None
    assert classify_refusal(sentence) == meaning


def test_an_answer_is_no_refusal() -> None:
    assert refusal_message({"Meta Data": {"1. Information": "Daily Prices"}}) is None


def test_a_quoted_sentence_is_short_and_has_no_key() -> None:
    sentence = bodies.per_day("SECRET99")["Information"]

    assert "SECRET99" not in shorten_message(sentence)
    assert "25 requests per day" in shorten_message(sentence)
    assert len(shorten_message(sentence)) < 150
