"""Splits that no source lists: real ones of the sample, synthetic ones with noise, and crashes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.market.bars import sample_bars, synthetic_bars

from market.quality.moves import add_moves
from market.quality.report import unusable_tickers
from market.quality.unlisted_splits import find_unlisted_splits

PRICES = ("open", "high", "low", "close")
N = 120
RATIOS = [Fraction(3, 2), *map(Fraction, [2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 40, 50])]
ALL_RATIOS = [*RATIOS, *(1 / ratio for ratio in RATIOS)]


def without_actions(bars: pl.DataFrame, **changes: pl.Expr) -> pl.DataFrame:
    """Return bars as in a file without columns for splits and adjusted closes."""
    unknown = pl.lit(None, pl.Float64)
    return bars.with_columns(
        adj_close=unknown, split_factor=unknown, dividend=unknown, source=pl.lit("files")
    ).with_columns(**changes)


def found(bars: pl.DataFrame, real_moves: Collection[str] = ()) -> list[tuple[str, date, float]]:
    index = pl.int_range(pl.len(), dtype=pl.Int64).over("ticker")
    findings = find_unlisted_splits(add_moves(bars.with_columns(session_index=index)), real_moves)
    return findings.select("ticker", "first_session", "split_factor").rows()


def split(
    bars: pl.DataFrame,
    row: int,
    ratio: float,
    *,
    volume: float | None = None,
    jump: float = 1.0,
    day_volume: float = 1.0,
) -> pl.DataFrame:
    """Return bars with a split on `row` that they do not list.

    `volume` is the change of volume from then on (by default the ratio), `day_volume` a further
    factor on that session, and `jump` a change of the level besides the split.
    """
    after = pl.int_range(pl.len()).over("ticker") >= row
    is_day = pl.int_range(pl.len()).over("ticker") == row
    shares = pl.col("volume") * (ratio if volume is None else volume)
    return without_actions(bars).with_columns(
        *(pl.when(after).then(pl.col(name) * jump / ratio).otherwise(name) for name in PRICES),
        pl.when(after)
        .then(shares * pl.when(is_day).then(day_volume).otherwise(1.0))
        .otherwise(pl.col("volume").cast(pl.Float64))
        .cast(pl.Int64)
        .alias("volume"),
    )


def test_sample_has_no_unlisted_split() -> None:
    assert found(sample_bars()) == []
    assert unusable_tickers(sample_bars()) == {}


def test_exactly_the_real_splits_of_the_sample_are_found_without_their_list() -> None:
    # AAPL fell by 51.9 % on 2000-09-29 with 24 times its usual volume, which is no split.
    assert found(without_actions(sample_bars())) == [
        ("AAPL", date(2000, 6, 21), 2.0),
        ("AAPL", date(2005, 2, 28), 2.0),
        ("MSFT", date(2003, 2, 18), 2.0),
    ]


@given(
    ratio=st.sampled_from(ALL_RATIOS),
    row=st.integers(7, N - 1),
    seed=st.integers(0, 20),
    jump=st.floats(0.97, 1.03),
    day_volume=st.floats(0.3, 3.5),
    is_adjusted=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_split_of_any_usual_ratio_is_found(
    ratio: Fraction, row: int, seed: int, jump: float, day_volume: float, *, is_adjusted: bool
) -> None:
    bars = synthetic_bars(("AAA", "BBB"), n_sessions=N, seed=seed)
    bars = bars.with_columns(volume=pl.lit(1_000_000, pl.Int64))
    overnight = pl.col("open") / pl.col("close").shift(1) - 1
    # A larger return of the same night hides the ratio.
    at_row = bars.filter(pl.int_range(pl.len()).over("ticker").is_between(row - 1, row))
    assume(at_row.select(overnight.over("ticker").abs().max()).item() < 0.025)
    volume = 1.0 if is_adjusted else None
    changed = split(bars, row, float(ratio), volume=volume, jump=jump, day_volume=day_volume)
    session = bars["session"][row]

    assert found(without_actions(bars)) == []
    assert found(changed) == [
        ("AAA", session, pytest.approx(float(ratio))),
        ("BBB", session, pytest.approx(float(ratio))),
    ]


@pytest.mark.parametrize("ratio", [9, 12, 35, 60, 75, 150, 200, 250])
def test_split_of_a_rare_ratio_has_exactly_this_factor(ratio: int) -> None:
    bars = synthetic_bars(("AAA",), n_sessions=N)

    for factor in (ratio, 1 / ratio):
        assert found(split(bars, 60, factor)) == [
            ("AAA", bars["session"][60], pytest.approx(factor))
        ]


def test_usual_volume_is_the_median_of_exactly_21_sessions() -> None:
    row, quiet, busy = 60, 100_000, 1_000_000
    bars = split(synthetic_bars(("AAA",), n_sessions=N), row, 2.0)
    # Of the 21 sessions before, 11 are busy. One session more or less would halve the median.
    is_busy = [False, True, *[True, False] * 10]
    volume = [*[quiet] * (row - 22), *[busy if b else quiet for b in is_busy], 7 * busy]
    volume += [2 * busy] * (N - len(volume))

    assert found(bars.with_columns(pl.Series("volume", volume))) == [
        ("AAA", bars["session"][row], 2.0)
    ]


@pytest.mark.parametrize("row", [40, N - 1])
@pytest.mark.parametrize("factor", [0.55, 0.5, 0.48, 1 / 3, 0.25])
def test_crash_with_high_volume_is_data(row: int, factor: float) -> None:
    times = 12 / factor
    crash = split(synthetic_bars(n_sessions=N), row, 1 / factor, volume=1.0, day_volume=times)

    assert found(crash) == []


def test_crash_with_a_wide_range_is_data() -> None:
    crash = split(synthetic_bars(n_sessions=N), 60, 2.0, volume=1.0)
    is_day = pl.int_range(pl.len()).over("ticker") == 60
    crash = crash.with_columns(pl.when(is_day).then(pl.col("high") * 1.2).otherwise("high"))

    assert found(crash) == []


@pytest.mark.parametrize("ratio", [1 / 0.545, 2.4, 1 / 1.7])
def test_spin_off_between_the_ratios_is_an_unlisted_event(ratio: float) -> None:
    """Regression: a fall of 45 % over a night of usual volume was trained on as a return."""
    bars = split(synthetic_bars(("AAA",), n_sessions=N), 60, ratio, volume=1.0)

    assert found(bars) == [("AAA", bars["session"][60], None)]
    (reason,) = unusable_tickers(bars).values()
    assert "like a spin-off or another event: close " in reason
    assert "set `dividend` to its value per share on that session in your files" in reason


def test_spin_off_with_its_value_as_a_dividend_is_listed() -> None:
    bars = split(synthetic_bars(("AAA",), n_sessions=N), 60, 1 / 0.545, volume=1.0)
    value = bars["close"][59] - bars["open"][60]
    is_day = pl.int_range(pl.len()) == 60

    assert found(bars.with_columns(dividend=pl.when(is_day).then(value))) == []


@pytest.mark.parametrize("change", [0.75, 1.35])
def test_smaller_move_over_night_is_data(change: float) -> None:
    bars = split(synthetic_bars(n_sessions=N), 60, 1 / change, volume=1.0)

    assert found(bars) == []


def test_price_of_a_few_steps_does_not_split() -> None:
    bars = without_actions(synthetic_bars(("AAA",), n_sessions=N))
    is_late = pl.int_range(pl.len()) % 40 == 39
    price = pl.when(is_late).then(0.02).otherwise(0.01)

    assert found(bars.with_columns(price.alias(name) for name in PRICES)) == []


@pytest.mark.parametrize("ticker", ["^GSPC", "EURUSD=X"])
def test_indices_and_currencies_do_not_split(ticker: str) -> None:
    bars = split(synthetic_bars(("AAA",), n_sessions=N), 60, 2.0)

    assert found(bars.with_columns(ticker=pl.lit(ticker))) == []


def test_listed_split_is_no_unlisted_one() -> None:
    bars = split(synthetic_bars(("AAA",), n_sessions=N), 60, 4.0)
    listed = pl.when(pl.int_range(pl.len()) == 60).then(4.0)

    assert found(bars.with_columns(split_factor=listed)) == []


def test_real_move_is_confirmed_by_a_setting_or_in_the_file() -> None:
    bars = split(synthetic_bars(("AAA",), n_sessions=N), 60, 4.0)
    session = bars["session"][60]
    confirmed = bars.with_columns(split_factor=pl.when(pl.int_range(pl.len()) == 60).then(1.0))

    assert len(found(bars)) == 1
    assert found(bars, [f"AAA:{session}"]) == []
    assert found(confirmed) == []
    # Other sources write 1 in every row without a listed split.
    assert len(found(confirmed.with_columns(source=pl.lit("yahoo")))) == 1


def test_reason_names_session_factor_and_both_ways_out() -> None:
    bars = split(synthetic_bars(("AAA", "BBB"), n_sessions=N), 60, 0.05)
    bars = bars.filter((pl.col("ticker") == "AAA") | (pl.col("session") < bars["session"][60]))

    (reason,) = unusable_tickers(bars).values()

    assert reason.startswith("it moved on 2010-03-31 like a split of 1:20: close ")
    assert "set `split_factor` to 0.05 on that session in your files" in reason
    assert "add AAA:2010-03-31 to STOCKCAST_REAL_MOVES" in reason
