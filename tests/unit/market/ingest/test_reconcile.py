"""How an answer fits to what is stored: what is new, what was restated, what is refused."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market.bars import sample_bars, xnys
from support.market.sample_actions import with_sample_actions

from core.errors import ReconciliationError
from market.bars.adjustments import adjust_bars
from market.ingest.reconcile import ReconciledBars, reconcile_bars, replace_bars

FRIDAY = date(2012, 6, 1)
PRICES = ("open", "high", "low", "close")
TOLERANCE = 0.005


def bars(
    first: int, last: int, *, source: str = "alpha_vantage", scale: float = 1.0
) -> pl.DataFrame:
    """AAPL as traded on the sessions from `first` to `last`, counted from 2012-06-01."""
    start, end = xnys().offset(FRIDAY, first), xnys().offset(FRIDAY, last)
    sample = with_sample_actions(sample_bars("AAPL", start=start, end=end))
    return sample.with_columns(*(pl.col(name) * scale for name in PRICES), source=pl.lit(source))


def join(stored: pl.DataFrame, answer: pl.DataFrame) -> ReconciledBars:
    return reconcile_bars(stored, answer, tolerance=TOLERANCE)


def changed(frame: pl.DataFrame, n: int, **values: float | None) -> pl.DataFrame:
    """The frame with other values in the bar of a session counted from 2012-06-01."""
    chosen = pl.col("session") == xnys().offset(FRIDAY, n)
    return frame.with_columns(
        pl.when(chosen).then(pl.lit(value)).otherwise(name).cast(frame.schema[name]).alias(name)
        for name, value in values.items()
    )


def unknown_actions(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        pl.lit(None, dtype=pl.Float64).alias(name) for name in ("split_factor", "dividend")
    )


def test_all_of_an_answer_is_new_when_nothing_is_stored() -> None:
    answer = bars(-5, 0)

    joined = join(answer.clear(), answer)

    assert joined.bars.equals(answer)
    assert (len(joined.new), joined.restated, joined.reaches_back) == (6, 0, False)


def test_sessions_after_and_before_the_stored_ones_are_new() -> None:
    joined = join(bars(-5, 0), bars(-8, 2))

    assert joined.bars.equals(bars(-8, 2))
    expected = [*xnys().between(bars(-8, -6)["session"][0], bars(-6, -6)["session"][0])]
    assert joined.new.to_list()[:3] == expected
    assert len(joined.new) == 5


def test_a_correction_by_the_same_provider_replaces_the_stored_bar() -> None:
    joined = join(bars(-5, 0), changed(bars(-3, 1), -1, close=580.0, volume=7.0))

    [row] = joined.bars.filter(pl.col("volume") == 7).rows(named=True)
    assert (row["close"], joined.restated, joined.reaches_back) == (580.0, 1, False)


def test_late_volume_is_taken_over_without_being_news() -> None:
    joined = join(bars(-5, 0), changed(bars(-3, 1), 0, volume=7.0))

    assert joined.bars.filter(pl.col("volume") == 7).height == 1
    assert joined.restated == 0


def test_noise_of_floats_changes_nothing() -> None:
    joined = join(bars(-5, 0), bars(-4, 1, scale=1 + 1e-7))

    assert joined.restated == 0
    assert joined.bars.head(5).equals(bars(-4, 0))


def test_a_change_of_the_first_shared_session_reaches_back_where_older_bars_are_stored() -> None:
    restated = changed(bars(-3, 1), -3, close=580.0)

    assert join(bars(-5, 0), restated).reaches_back
    assert not join(bars(-3, 0), restated).reaches_back


def test_another_provider_that_agrees_adds_its_new_sessions_and_leaves_the_stored_bars() -> None:
    answer = bars(-4, 2, source="yahoo", scale=1.004)

    joined = join(bars(-10, 0), answer)

    assert joined.bars.equals(pl.concat([bars(-4, 0), answer.tail(2)]))
    assert joined.restated == 0


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        (0.5, "a split of 2 that"),
        (2.0, "a split of 2 that"),
        (1 / 7, "a split of 7 that"),
        (1.5, "a split of 1.5 that"),
        (100.0, "pence against pounds"),
        (0.01, "pence against pounds"),
        (1.006, "adjusted for dividends"),
        (1.37, "adjusted for dividends"),
    ],
)
def test_another_provider_that_disagrees_is_refused_with_both_values_and_a_likely_reason(
    scale: float, reason: str
) -> None:
    with pytest.raises(ReconciliationError, match=reason) as caught:
        join(bars(-10, 0), bars(-4, 2, source="yahoo", scale=scale))

    message = str(caught.value)
    assert "AAPL on 2012-06-01: yahoo has a close of" in message
    assert "but 560.99 of alpha_vantage is stored" in message
    assert "disagree on 5 of 5 shared sessions" in message


def test_one_session_of_disagreement_is_enough() -> None:
    answer = changed(bars(-4, 2, source="yahoo"), -2, close=600.0, high=601.0)

    with pytest.raises(ReconciliationError, match="on 1 of 5 shared"):
        join(bars(-10, 0), answer)


def test_two_shared_sessions_are_too_few_unless_there_are_no_more() -> None:
    with pytest.raises(ReconciliationError, match="3 are needed"):
        join(bars(-10, 0), bars(-1, 2, source="yahoo"))

    assert len(join(bars(-1, 0), bars(-1, 2, source="yahoo")).new) == 2


def test_one_stored_bar_of_the_same_provider_vouches_for_an_answer() -> None:
    stored = pl.concat([bars(-10, -1), bars(0, 0, source="yahoo")])

    assert len(join(stored, bars(-1, 2)).new) == 2


def test_an_answer_that_begins_after_the_stored_bars_would_leave_a_hole() -> None:
    with pytest.raises(ReconciliationError, match="one giant return") as caught:
        join(bars(-10, 0), bars(2, 5))

    assert "STOCKCAST_BACKUPS" in str(caught.value)


def test_actions_that_were_not_known_come_from_whoever_tells_them() -> None:
    stored = unknown_actions(bars(-10, 0))

    joined = join(stored, bars(-4, 2, source="yahoo"))

    assert joined.bars.get_column("split_factor").to_list() == [1.0] * 7
    assert joined.bars.get_column("source").to_list() == ["alpha_vantage"] * 5 + ["yahoo"] * 2


def test_actions_that_are_known_survive_an_answer_without_them() -> None:
    joined = join(bars(-10, 0), unknown_actions(bars(-4, 2)))

    assert joined.bars.get_column("split_factor").to_list() == [1.0] * 5 + [None] * 2


def test_adjusted_closes_of_a_later_base_are_brought_to_the_stored_one() -> None:
    sample = sample_bars("AAPL", start=date(2012, 6, 1), end=date(2012, 12, 31))
    later = sample.with_columns(pl.col("adj_close") * 0.97).filter(
        pl.col("session") >= date(2012, 8, 1)
    )

    stored = sample.filter(pl.col("session") <= date(2012, 8, 8))
    joined = join(stored, later)

    assert joined.restated == 0
    whole = pl.concat([stored.filter(pl.col("session") < date(2012, 8, 1)), joined.bars])
    expected = sample.get_column("adj_close").to_numpy()
    assert whole.get_column("adj_close").to_numpy() == pytest.approx(expected, rel=1e-9)


def test_adjusted_closes_without_a_stored_base_leave_their_splits_and_go() -> None:
    """A file continues bars as traded, over AAPL's split of 2005-02-28."""
    sample = sample_bars("AAPL", start=date(2005, 1, 3), end=date(2005, 4, 29))
    stored = with_sample_actions(sample).filter(pl.col("session") <= date(2005, 2, 25))
    answer = sample.filter(pl.col("session") >= date(2005, 2, 14)).with_columns(
        source=pl.lit("files")
    )

    joined = join(stored, answer)

    kept = stored.filter(pl.col("session") < date(2005, 2, 14))
    adjusted = adjust_bars(pl.concat([kept, joined.bars])).get_column("close")
    expected = sample.get_column("adj_close") * (adjusted[-1] / sample["adj_close"][-1])
    assert adjusted.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-5)


def test_a_history_with_adjusted_closes_gives_them_to_bars_that_had_none() -> None:
    sample = sample_bars("AAPL", end=FRIDAY)
    stored = with_sample_actions(sample).tail(100).with_columns(source=pl.lit("alpha_vantage"))

    joined = join(stored, sample)

    assert joined.bars.get_column("adj_close").equals(sample.get_column("adj_close"))
    assert joined.bars.get_column("source").tail(100).unique().to_list() == ["alpha_vantage"]


def test_a_history_read_anew_replaces_all_but_actions() -> None:
    fresh = unknown_actions(bars(-10, 2, source="yahoo", scale=0.5))

    joined = replace_bars(bars(-10, 0), fresh, tolerance=TOLERANCE)

    assert joined.restated == 11
    assert joined.bars.select(PRICES).equals(fresh.select(PRICES))
    assert joined.bars.get_column("split_factor").null_count() == 2


def test_a_history_read_anew_that_leaves_older_bars_must_fit_to_them() -> None:
    small = bars(-4, 2, scale=1.001)

    assert replace_bars(bars(-10, 0), small, tolerance=TOLERANCE).restated == 5
    with pytest.raises(ReconciliationError, match="cannot be read anew") as caught:
        replace_bars(bars(-10, 0), bars(-4, 2, scale=0.5), tolerance=TOLERANCE)
    assert "a split of 2" in str(caught.value)


@given(
    stored=st.tuples(st.integers(-30, 0), st.integers(0, 20)),
    answer=st.tuples(st.integers(-40, 40), st.integers(0, 40)),
    source=st.sampled_from(["alpha_vantage", "yahoo"]),
)
def test_a_join_never_leaves_a_hole_nor_loses_or_doubles_a_session(
    stored: tuple[int, int], answer: tuple[int, int], source: str
) -> None:
    first, last = stored[0], stored[0] + stored[1]
    begins, ends = answer[0], answer[0] + answer[1]
    kept = bars(first, last)

    try:
        joined = join(kept, bars(begins, ends, source=source))
    except ReconciliationError:
        shared = range(max(first, begins), min(last, ends) + 1)
        assert len(shared) < (3 if source == "yahoo" else 1)
        return

    everything = pl.concat([kept.join(joined.bars, on="session", how="anti"), joined.bars])
    sessions = everything.get_column("session").sort()
    assert sessions.equals(xnys().between(sessions[0], sessions[-1]))
    assert sessions[0] == min(kept["session"][0], xnys().offset(FRIDAY, begins))
    assert set(joined.new) == set(joined.bars["session"]) - set(kept["session"])
