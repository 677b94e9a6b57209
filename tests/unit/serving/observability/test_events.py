"""The format of log events."""

from __future__ import annotations

import pytest

from serving.observability.events import format_event


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "x=3"),
        (None, "x=None"),
        (0.12345, "x=0.123"),
        ("plain", "x=plain"),
        ("two words", 'x="two words"'),
        ("", 'x=""'),
        ("a=b", 'x="a=b"'),
        ("forged\nevent=ok", 'x="forged\\nevent=ok"'),
    ],
)
def test_an_event_is_one_line_that_a_program_can_parse(value: object, text: str) -> None:
    assert format_event("swap", {"x": value}) == f"event=swap {text}"
