"""Equal ingredients have equal fingerprints."""

from __future__ import annotations

from datetime import date

import pytest

from pipelines.stages.fingerprints import fingerprint


def test_a_fingerprint_does_not_depend_on_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": [1]}, {"b": 1}, {}])
def test_different_ingredients_have_different_fingerprints(other: dict[str, object]) -> None:
    assert fingerprint(other) != fingerprint({"a": 1})


def test_ingredients_may_contain_dates() -> None:
    assert fingerprint({"as_of": date(2013, 3, 1)}) != fingerprint({"as_of": date(2013, 3, 4)})
