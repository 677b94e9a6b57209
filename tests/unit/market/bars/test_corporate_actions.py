"""Adding splits and dividends to bars, and detection of jumps without a known split."""

from datetime import date

import polars as pl
import pytest
from support.market.bars import sample_bars, xnys
from support.market.ingest_setup import raw_bars
from support.market.sample_actions import sample_actions, with_sample_actions

from market.bars.corporate_actions import actions_known_through, add_actions, find_unexplained_jump
from market.providers.protocol import ACTIONS_SCHEMA

SPLIT = date(2005, 2, 28)
CRASH = date(2000, 9, 29)


def actions(*rows: tuple[date, float, float]) -> pl.DataFrame:
    events = [("AAPL", *row) for row in rows]
    return pl.DataFrame(events, ACTIONS_SCHEMA, orient="row")


def around(session: date, *, before: int = 10, after: int = 10) -> pl.DataFrame:
    """Return bars of AAPL as traded, on the sessions around `session`."""
    start, end = xnys().offset(session, -before), xnys().offset(session, after)
    return raw_bars("AAPL").filter(pl.col("session").is_between(start, end))


def jump_of(bars: pl.DataFrame) -> date | None:
    return find_unexplained_jump(bars, bars.get_column("session"))


def events(bars: pl.DataFrame) -> list[tuple[date, float, float]]:
    happened = (pl.col("split_factor") != 1.0) | (pl.col("dividend") != 0.0)
    return bars.filter(happened).select("session", "split_factor", "dividend").rows()


@pytest.mark.parametrize("ticker", ["AAPL", "GOOG", "IBM", "MSFT"])
def test_separate_actions_give_the_same_bars_as_actions_with_bars(ticker: str) -> None:
    bars_with_actions = add_actions(raw_bars(ticker), sample_actions(ticker))

    assert bars_with_actions.equals(with_sample_actions(sample_bars(ticker)))


def test_splits_and_crashes_are_unexplained_until_actions_are_added() -> None:
    bars = raw_bars("AAPL").filter(pl.col("session") > date(2000, 7, 1))

    assert jump_of(bars) == CRASH
    assert jump_of(bars.filter(pl.col("session") > CRASH)) == SPLIT
    assert jump_of(add_actions(raw_bars("AAPL"), sample_actions("AAPL"))) is None
    assert jump_of(raw_bars("IBM")) is None


def test_only_the_given_sessions_are_searched() -> None:
    bars = around(SPLIT)
    session = bars.get_column("session")

    assert find_unexplained_jump(bars, session.filter(session > SPLIT)) is None
    assert find_unexplained_jump(bars, session.filter(session >= SPLIT)) == SPLIT


def test_reverse_split_is_a_jump() -> None:
    prices = [pl.when(pl.col("session") >= SPLIT).then(pl.col("close") * 20).otherwise("close")]

    assert jump_of(around(SPLIT).with_columns(prices)) == SPLIT


def test_bars_of_files_and_bars_with_adj_close_have_no_unexplained_jump() -> None:
    bars = around(SPLIT)

    assert jump_of(bars.with_columns(source=pl.lit("files"))) is None
    assert jump_of(sample_bars("AAPL")) is None


def test_ex_date_without_session_moves_to_the_next_bar() -> None:
    # 2012-11-10 was a Saturday.
    bars = raw_bars("AAPL").filter(pl.col("session") > date(2012, 10, 1))

    assert events(add_actions(bars, actions((date(2012, 11, 10), 1.0, 2.65)))) == [
        (date(2012, 11, 12), 1.0, 2.65)
    ]


def test_events_of_one_session_are_combined() -> None:
    bars = raw_bars("AAPL").filter(pl.col("session") > date(2012, 10, 1))
    listed = actions((date(2012, 11, 10), 1.0, 2.65), (date(2012, 11, 12), 1.1, 0.35))

    assert events(add_actions(bars, listed)) == [(date(2012, 11, 12), 1.1, 3.0)]


def test_events_outside_the_bars_are_ignored() -> None:
    bars = around(date(2012, 6, 1), after=0)
    listed = actions((date(2005, 2, 28), 2.0, 0.0), (date(2012, 8, 9), 1.0, 2.65))

    filled = add_actions(bars, listed)

    assert events(filled) == []
    assert filled.get_column("split_factor").null_count() == 0
    assert actions_known_through(filled) == date(2012, 6, 1)


@pytest.mark.parametrize("days_off", [-3, -1, 1, 3])
def test_misdated_split_moves_to_its_jump(days_off: int) -> None:
    listed = actions((xnys().offset(SPLIT, days_off), 2.0, 0.0))

    assert events(add_actions(around(SPLIT), listed)) == [(SPLIT, 2.0, 0.0)]


def test_split_without_a_jump_stays_at_its_ex_date() -> None:
    calm = date(2012, 5, 10)

    bars_with_actions = add_actions(around(calm), actions((calm, 3.0, 0.0), (calm, 1.05, 0.0)))

    assert events(bars_with_actions) == [(calm, pytest.approx(3.15), 0.0)]


def test_bars_of_files_and_bars_with_adj_close_stay_unchanged() -> None:
    split = actions((SPLIT, 2.0, 0.0))
    of_files = around(SPLIT).with_columns(source=pl.lit("files"))
    adjusted = sample_bars("AAPL")

    assert add_actions(of_files, split).equals(of_files)
    assert add_actions(adjusted, split).equals(adjusted)


def test_incomplete_list_removes_no_event() -> None:
    known = with_sample_actions(sample_bars("AAPL"))

    assert add_actions(known, actions()).equals(known)


def test_no_bars() -> None:
    nothing = raw_bars("AAPL").clear()

    assert add_actions(nothing, sample_actions("AAPL")).is_empty()
    assert actions_known_through(nothing) is None


def test_actions_are_known_up_to_the_first_unknown_bar() -> None:
    known, later = with_sample_actions(sample_bars("AAPL")), date(2012, 6, 1)
    tail = [
        pl.when(pl.col("session") <= later).then(name).alias(name)
        for name in ("split_factor", "dividend")
    ]

    assert actions_known_through(known) == date(2013, 3, 1)
    assert actions_known_through(known.with_columns(tail)) == later
    assert actions_known_through(raw_bars("AAPL")) is None
