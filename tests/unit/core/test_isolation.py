"""Isolation of tickers: the faulty ones are found, and the others are processed together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BarsError
from core.isolation import find_faulty, reason_of, run_isolated

TICKERS = ["AAPL", "GOOG", "IBM", "MSFT"]


@given(st.sets(st.sampled_from(TICKERS), max_size=3))
def test_any_faulty_tickers_are_left_out_with_their_reasons(bad: set[str]) -> None:
    def work(tickers: Sequence[str], _: Mapping[str, str]) -> list[str]:
        for ticker in tickers:
            if ticker in bad:
                msg = f"{ticker} is broken"
                raise BarsError(msg)
        return list(tickers)

    result, faulty = run_isolated(TICKERS, work)

    assert result == [ticker for ticker in TICKERS if ticker not in bad]
    assert faulty == {ticker: f"{ticker} is broken" for ticker in bad}


def test_without_a_fault_the_work_is_done_once() -> None:
    calls = []
    assert run_isolated(TICKERS, lambda tickers, _: calls.append([*tickers])) == (None, {})
    assert calls == [TICKERS]


@pytest.mark.parametrize("n_bad", [0, 4])
def test_a_fault_of_no_single_ticker_or_of_all_is_raised(n_bad: int) -> None:
    def work(tickers: Sequence[str], _: Mapping[str, str]) -> None:
        if len(tickers) > 1 or n_bad:
            msg = "the disk is full"
            raise OSError(msg)

    with pytest.raises(OSError, match="the disk is full"):
        run_isolated(TICKERS, work)


def test_a_stop_by_a_person_is_not_isolated() -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_faulty(TICKERS, stop)


def test_the_reason_of_a_bug_has_its_type() -> None:
    assert reason_of(BarsError("two\n lines")) == "two lines"
    assert reason_of(ZeroDivisionError("division by zero")) == "ZeroDivisionError: division by zero"
