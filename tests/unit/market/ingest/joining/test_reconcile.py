"""Reconciliation of fetched with stored bars: new, restated and conflicting sessions."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market.bars import sample_bars, xnys
from support.market.ingest_setup import FRIDAY
from support.market.sample_actions import with_sample_actions

from core.errors import ReconciliationError
from market.bars.adjustments import adjust_bars
from market.bars.contract import PRICES
from market.ingest.joining.reconcile import ReconciledBars, reconcile_bars, replace_bars

TOLERANCE = 0.005


def bars(
    first: int, last: int, *, source: str = "alpha_vantage", scale: float = 1.0
) -> pl.DataFrame:
    """Return AAPL as traded on the sessions `first` to `last`, counted from 2012-06-01."""
    start, end = xnys().offset(FRIDAY, first), xnys().offset(FRIDAY, last)
    sample = with_sample_actions(sample_bars("AAPL", start=start, end=end))
    return sample.with_columns(*(pl.col(name) * scale for name in PRICES), source=pl.lit(source))


def reconcile(stored: pl.DataFrame, fetched: pl.DataFrame) -> ReconciledBars:
    return reconcile_bars(stored, fetched, tolerance=TOLERANCE)


def changed(frame: pl.DataFrame, n: int, **values: float | None) -> pl.DataFrame:
    """Return the frame with new values in session `n`, counted from 2012-06-01."""
    chosen = pl.col("session") == xnys().offset(FRIDAY, n)
    return frame.with_columns(
        pl.when(chosen).then(pl.lit(value)).otherwise(name).cast(frame.schema[name]).alias(name)
        for name, value in values.items()
    )


def without_actions(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        pl.lit(None, dtype=pl.Float64).alias(name) for name in ("split_factor", "dividend")
    )


def test_all_sessions_are_new_without_stored_bars() -> None:
    fetched = bars(-5, 0)

    reconciled = reconcile(fetched.clear(), fetched)

    assert reconciled.bars.equals(fetched)
    assert (len(reconciled.new), reconciled.restated, reconciled.reaches_back) == (6, 0, False)


def test_sessions_before_and_after_the_stored_ones_are_new() -> None:
    reconciled = reconcile(bars(-5, 0), bars(-8, 2))

    assert reconciled.bars.equals(bars(-8, 2))
    expected = [*xnys().between(bars(-8, -6)["session"][0], bars(-6, -6)["session"][0])]
    assert reconciled.new.to_list()[:3] == expected
    assert len(reconciled.new) == 5


def test_correction_by_the_same_provider_replaces_the_stored_bar() -> None:
    reconciled = reconcile(bars(-5, 0), changed(bars(-3, 1), -1, close=580.0, volume=7.0))

    [row] = reconciled.bars.filter(pl.col("volume") == 7).rows(named=True)
    assert (row["close"], reconciled.restated, reconciled.reaches_back) == (580.0, 1, False)


def test_corrected_volume_is_not_a_restatement() -> None:
    reconciled = reconcile(bars(-5, 0), changed(bars(-3, 1), 0, volume=7.0))

    assert reconciled.bars.filter(pl.col("volume") == 7).height == 1
    assert reconciled.restated == 0


def test_float_noise_changes_nothing() -> None:
    reconciled = reconcile(bars(-5, 0), bars(-4, 1, scale=1 + 1e-7))

    assert reconciled.restated == 0
    assert reconciled.bars.head(5).equals(bars(-4, 0))


def test_restated_first_shared_session_reaches_back_if_older_bars_are_stored() -> None:
    restated = changed(bars(-3, 1), -3, close=580.0)

    assert reconcile(bars(-5, 0), restated).reaches_back
    assert not reconcile(bars(-3, 0), restated).reaches_back


def test_other_provider_that_agrees_adds_new_sessions_only() -> None:
    fetched = bars(-4, 2, source="yahoo", scale=1.004)

    reconciled = reconcile(bars(-10, 0), fetched)

    assert reconciled.bars.equals(pl.concat([bars(-4, 0), fetched.tail(2)]))
    assert reconciled.restated == 0


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
def test_other_provider_that_disagrees_raises_with_both_closes_and_a_likely_cause(
    scale: float, reason: str
) -> None:
    with pytest.raises(ReconciliationError, match=reason) as caught:
        reconcile(bars(-10, 0), bars(-4, 2, source="yahoo", scale=scale))

    message = str(caught.value)
    assert "AAPL on 2012-06-01: yahoo has a close of" in message
    assert "but the stored close of alpha_vantage is 560.99" in message
    assert "in 5 of 5 shared sessions" in message


def test_one_conflicting_session_raises() -> None:
    fetched = changed(bars(-4, 2, source="yahoo"), -2, close=600.0, high=601.0)

    with pytest.raises(ReconciliationError, match="in 1 of 5 shared"):
        reconcile(bars(-10, 0), fetched)


def test_two_shared_sessions_are_too_few_unless_no_more_are_stored() -> None:
    with pytest.raises(ReconciliationError, match="at least 3 are required"):
        reconcile(bars(-10, 0), bars(-1, 2, source="yahoo"))

    assert len(reconcile(bars(-1, 0), bars(-1, 2, source="yahoo")).new) == 2


def test_one_shared_session_of_the_same_provider_is_enough() -> None:
    stored = pl.concat([bars(-10, -1), bars(0, 0, source="yahoo")])

    assert len(reconcile(stored, bars(-1, 2)).new) == 2


def test_gap_after_the_stored_bars_raises() -> None:
    with pytest.raises(ReconciliationError, match="one giant return") as caught:
        reconcile(bars(-10, 0), bars(2, 5))

    assert "STOCKCAST_BACKUPS" in str(caught.value)


def test_unknown_actions_come_from_any_provider() -> None:
    stored = without_actions(bars(-10, 0))

    reconciled = reconcile(stored, bars(-4, 2, source="yahoo"))

    assert reconciled.bars.get_column("split_factor").to_list() == [1.0] * 7
    assert reconciled.bars.get_column("source").to_list() == ["alpha_vantage"] * 5 + ["yahoo"] * 2


def test_known_actions_are_kept_if_the_fetched_bars_have_none() -> None:
    reconciled = reconcile(bars(-10, 0), without_actions(bars(-4, 2)))

    assert reconciled.bars.get_column("split_factor").to_list() == [1.0] * 5 + [None] * 2


def test_adj_close_is_scaled_to_the_stored_base() -> None:
    sample = sample_bars("AAPL", start=date(2012, 6, 1), end=date(2012, 12, 31))
    later = sample.with_columns(pl.col("adj_close") * 0.97).filter(
        pl.col("session") >= date(2012, 8, 1)
    )

    stored = sample.filter(pl.col("session") <= date(2012, 8, 8))
    reconciled = reconcile(stored, later)

    assert reconciled.restated == 0
    whole = pl.concat([stored.filter(pl.col("session") < date(2012, 8, 1)), reconciled.bars])
    expected = sample.get_column("adj_close").to_numpy()
    assert whole.get_column("adj_close").to_numpy() == pytest.approx(expected, rel=1e-9)


def test_adj_close_without_stored_base_is_replaced_by_its_splits() -> None:
    """A file continues bars as traded over the split of AAPL on 2005-02-28."""
    sample = sample_bars("AAPL", start=date(2005, 1, 3), end=date(2005, 4, 29))
    stored = with_sample_actions(sample).filter(pl.col("session") <= date(2005, 2, 25))
    fetched = sample.filter(pl.col("session") >= date(2005, 2, 14)).with_columns(
        source=pl.lit("files")
    )

    reconciled = reconcile(stored, fetched)

    older = stored.filter(pl.col("session") < date(2005, 2, 14))
    adjusted = adjust_bars(pl.concat([older, reconciled.bars])).get_column("close")
    expected = sample.get_column("adj_close") * (adjusted[-1] / sample["adj_close"][-1])
    assert adjusted.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-5)


def test_whole_history_adds_adj_close_to_stored_bars() -> None:
    sample = sample_bars("AAPL", end=FRIDAY)
    stored = with_sample_actions(sample).tail(100).with_columns(source=pl.lit("alpha_vantage"))

    reconciled = reconcile(stored, sample)

    assert reconciled.bars.get_column("adj_close").equals(sample.get_column("adj_close"))
    assert reconciled.bars.get_column("source").tail(100).unique().to_list() == ["alpha_vantage"]


def test_replaced_history_keeps_known_actions() -> None:
    fresh = without_actions(bars(-10, 2, source="yahoo", scale=0.5))

    reconciled = replace_bars(bars(-10, 0), fresh, tolerance=TOLERANCE)

    assert reconciled.restated == 11
    assert reconciled.bars.select(PRICES).equals(fresh.select(PRICES))
    assert reconciled.bars.get_column("split_factor").null_count() == 2


def test_replaced_history_must_match_older_stored_bars() -> None:
    small = bars(-4, 2, scale=1.001)

    assert replace_bars(bars(-10, 0), small, tolerance=TOLERANCE).restated == 5
    with pytest.raises(ReconciliationError, match="cannot be fetched again") as caught:
        replace_bars(bars(-10, 0), bars(-4, 2, scale=0.5), tolerance=TOLERANCE)
    assert "a split of 2" in str(caught.value)


@given(
    stored=st.tuples(st.integers(-30, 0), st.integers(0, 20)),
    fetched=st.tuples(st.integers(-40, 40), st.integers(0, 40)),
    source=st.sampled_from(["alpha_vantage", "yahoo"]),
)
def test_reconciled_sessions_have_no_gap_and_no_repetition(
    stored: tuple[int, int], fetched: tuple[int, int], source: str
) -> None:
    first, last = stored[0], stored[0] + stored[1]
    start, end = fetched[0], fetched[0] + fetched[1]
    stored_bars = bars(first, last)

    try:
        reconciled = reconcile(stored_bars, bars(start, end, source=source))
    except ReconciliationError:
        shared = range(max(first, start), min(last, end) + 1)
        assert len(shared) < (3 if source == "yahoo" else 1)
        return

    everything = pl.concat(
        [stored_bars.join(reconciled.bars, on="session", how="anti"), reconciled.bars]
    )
    sessions = everything.get_column("session").sort()
    assert sessions.equals(xnys().between(sessions[0], sessions[-1]))
    assert sessions[0] == min(stored_bars["session"][0], xnys().offset(FRIDAY, start))
    assert set(reconciled.new) == set(reconciled.bars["session"]) - set(stored_bars["session"])
