from __future__ import annotations

import pytest

from serving.observability.events import line


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
def test_a_line_stays_one_line_that_a_program_can_read(value: object, text: str) -> None:
    assert line("swap", {"x": value}) == f"event=swap {text}"
