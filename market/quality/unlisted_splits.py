"""Detection of splits and other events that the source of the bars does not list.

An unlisted split is a false return: 4:1 looks like a fall by 75 %. So is an unlisted spin-off,
which takes a part of the price without a usual ratio. A real crash looks different: it comes with
far more volume, or with a far wider range, than usual.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl

from market.bars.corporate_actions import FILES_SOURCE
from market.quality.findings import format_price, single_sessions
from market.quality.moves import WITHOUT_VOLUME

# Sessions that define the usual volume, range and move, and the number of them that is required.
USUAL_SESSIONS = 21
MIN_SESSIONS = 5
# Usual ratios of splits and reverse splits, the more usual first where two are near. Smaller ones,
# such as 4:3 and 5:4, are as large as ordinary crashes of 20 or 25 %.
HALF = 1.5
RATIOS = (
    HALF,
    *range(2, 9),
    10,
    9,
    12,
    15,
    20,
    25,
    30,
    35,
    40,
    50,
    60,
    75,
    100,
    120,
    150,
    200,
    250,
)
# Relative differences of the overnight change, and of the change of the close, from the ratio.
# Overnight returns are smaller: AAPL rose by 9.9 % on 2000-06-21, the session of its 2:1 split, but
# opened within 0.3 % of the ratio.
GAP_TOLERANCE = 0.06
CLOSE_TOLERANCE = 0.15
# Volume relative to the usual one and to the effect of the split. Sources with prices as traded may
# have volumes that are adjusted, so both are valid. AAPL had 24 times its usual volume when it fell
# by 51.9 % on 2000-09-29, and a 2:1 split allows 8.
VOLUME_NOISE = 4.0
# Range (high / low) and move relative to their usual values.
MAX_RANGE = 3.0
MIN_MOVE = 8.0
# Three times this range, 6 %, is usual even after quiet sessions; crashes have more.
_LEAST_RANGE = 0.02
# The jump must be larger than this many price steps: 0.01 to 0.02 is one step.
_MIN_STEPS = 3


def find_unlisted_splits(moves: pl.DataFrame, real_moves: Collection[str] = ()) -> pl.DataFrame:
    """Return the sessions with a bar that jumps like a split or spin-off that is not listed.

    A jump is an unlisted event if all of these hold:

    - the open is `HALF` times the previous close or more, or that part of it or less, after listed
      splits and dividends, and the close is within `CLOSE_TOLERANCE` of the same change. It is a
      split if the open is within `GAP_TOLERANCE` of one of the usual `RATIOS`, and another event
      otherwise;
    - volume is between a quarter and four times the usual volume, for a split also that times the
      ratio;
    - the range of the session is at most `MAX_RANGE` times the usual one;
    - the move is at least `MIN_MOVE` times the usual one, and more than three price steps.

    Usual values are medians of the `USUAL_SESSIONS` bars before, so later bars change nothing.
    Without volume, as for indices and currency pairs, nothing is found.

    A move is confirmed as real by its entry in `real_moves`, or in files by a `split_factor` of 1
    in its row. Other sources write 1 wherever they list no split.

    Parameters
    ----------
    moves
        Result of `market.quality.moves.add_moves`.
    real_moves
        Confirmed moves, as ``TICKER:YYYY-MM-DD``.

    Returns
    -------
    pl.DataFrame
        Findings, `FINDING_SCHEMA`, and the likely `split_factor`, null for other events.
    """
    rows = _event_like_rows(moves).filter(
        ~_key().is_in(list(real_moves)) & ~pl.col("is_level_change")
    )
    kind = pl.when("is_split").then(pl.format("a split of {}", _ratio_name()))
    detail = pl.format(
        "like {}: close {} after {}, volume {} times the usual",
        kind.otherwise(pl.lit("a spin-off or another event")),
        format_price("close"),
        format_price("close_before"),
        pl.col("times_volume").round_sig_figs(2),
    )
    size = pl.max_horizontal("ratio", 1 / pl.col("ratio"))
    findings = single_sessions(rows, "unlisted_split", size=size, detail=detail)
    split_factor = rows.select(pl.when("is_split").then("ratio")).to_series()
    return findings.with_columns(split_factor.alias("split_factor"))


def describe_unlisted_split(finding: dict[str, Any]) -> str:
    """Return a sentence on a finding of `find_unlisted_splits`, with the ways out."""
    session, factor = finding["first_session"], finding["split_factor"]
    remedy = "If it is a spin-off, set `dividend` to its value per share"
    if factor is not None:
        remedy = f"If it is a split, set `split_factor` to {factor:.6g}"
    return (
        f"it moved on {session} {finding['detail']}, and no {'split' if factor else 'event'} is "
        f"listed. {remedy} on that session in your files; if the move is real, add "
        f"{finding['ticker']}:{session} to STOCKCAST_REAL_MOVES."
    )


def _event_like_rows(moves: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that jump like an event and are not confirmed in their file.

    Adds `ratio` (old over new price), `is_split`, `times_volume` and `close_before`.
    """
    size = pl.max_horizontal("gap", 1 / pl.col("gap"))
    usual = pl.coalesce(
        pl.when((size / n).log().abs() <= GAP_TOLERANCE).then(pl.lit(float(n))) for n in RATIOS
    )
    ratio = pl.coalesce(usual, pl.when(size >= HALF).then(size))
    rows = moves.with_columns(
        ratio=pl.when(pl.col("gap") < 1).then(ratio).otherwise(1 / ratio),
        is_split=usual.is_not_null(),
        close_before=pl.col("close").shift(1).over("ticker"),
        times_volume=pl.col("shares") / _usual(pl.when(pl.col("shares") > 0).then("shares")),
    )
    factor, times_volume = pl.col("factor") * pl.col("ratio"), pl.col("times_volume")
    # Only a split changes the number of shares.
    shares = pl.when("is_split").then("ratio").otherwise(1.0)
    spread, step = (pl.col("high") / pl.col("low")).log(), pl.col("close").diff().abs()
    jump = step.over("ticker")
    smallest_step = pl.when(step > 0).then(step).rolling_min(USUAL_SESSIONS, min_samples=1)
    is_confirmed = pl.col("source").eq_missing(pl.lit(FILES_SOURCE)) & pl.col(
        "split_factor"
    ).eq_missing(1.0)
    return rows.filter(
        pl.col("ratio").is_not_null()
        & (factor.log().abs() <= CLOSE_TOLERANCE)
        & (times_volume >= pl.min_horizontal(1.0, shares) / VOLUME_NOISE)
        & (times_volume <= pl.max_horizontal(1.0, shares) * VOLUME_NOISE)
        & (spread <= MAX_RANGE * pl.max_horizontal(_usual(spread), pl.lit(_LEAST_RANGE)))
        & (pl.col("factor").log().abs() >= MIN_MOVE * _usual(pl.col("factor").log().abs()))
        & (jump > _MIN_STEPS * smallest_step.over("ticker"))
        & ~pl.col("ticker").str.contains(WITHOUT_VOLUME)
        & ~is_confirmed
    )


def _usual(value: pl.Expr) -> pl.Expr:
    """Return the median of the previous bars of the ticker."""
    median = value.rolling_median(USUAL_SESSIONS, min_samples=MIN_SESSIONS)
    return median.shift(1).over("ticker")


def _key() -> pl.Expr:
    return pl.format("{}:{}", "ticker", "session")


def _ratio_name() -> pl.Expr:
    size = pl.max_horizontal("ratio", 1 / pl.col("ratio"))
    is_half = size.round(9) == HALF
    new = pl.when(is_half).then(3).otherwise(size.round().cast(pl.Int64))
    old = pl.when(is_half).then(2).otherwise(1)
    forward = pl.format("{}:{}", new, old)
    return pl.when(pl.col("ratio") > 1).then(forward).otherwise(pl.format("{}:{}", old, new))
