"""The sample provider."""

import sys
from datetime import date

import pytest

from core.errors import SettingsError
from market.providers.sample.provider import SampleProvider


@pytest.mark.parametrize(
    ("ticker", "sessions", "first"),
    [
        ("AAPL", 3270, date(2000, 3, 1)),
        ("FB", 196, date(2012, 5, 18)),
        ("GOOG", 2148, date(2004, 8, 19)),
        ("IBM", 3270, date(2000, 3, 1)),
        ("MSFT", 3270, date(2000, 3, 1)),
    ],
)
def test_the_sample_is_complete(ticker: str, sessions: int, first: date) -> None:
    bars = SampleProvider().fetch(ticker)

    assert bars.height == sessions
    assert bars.get_column("session").min() == first
    assert bars.get_column("session").max() == date(2013, 3, 1)


def test_splits_and_dividends_are_null() -> None:
    bars = SampleProvider().fetch("AAPL")

    assert bars.select("split_factor", "dividend").null_count().row(0) == (3270, 3270)
    assert bars.get_column("adj_close").null_count() == 0


def test_a_missing_package_raises_with_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bokeh_sampledata.stocks", None)

    with pytest.raises(SettingsError, match="install stockcast\\[training\\]"):
        SampleProvider().fetch("AAPL")
