"""A provider's answer beside the stored bars: what is new, what was restated, what does not fit.

Asking providers is `ingest`, adjusting prices `adjustments`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from core.errors import ReconciliationError
from market.bars.adjustments import infer_split
from market.bars.contract import BAR_SCHEMA, PRICES

# A provider that did not deliver the stored bars must agree with them on so many sessions.
MIN_SHARED = 3
# Prices that went through 32-bit floats differ by less; nobody restates by so little.
_NOISE = 1e-6
_PENCE = 100
_NEAR = 0.02
_SPLITS = (1.25, 1.5, *range(2, 51))
# What a person can do for sessions that nobody delivers.
FILL = (
    "name a provider that has them in STOCKCAST_BACKUPS (yahoo, or files with STOCKCAST_BARS), or "
    "set STOCKCAST_ALPHA_VANTAGE_TIER if your key is premium"
)
_ACTIONS = ("split_factor", "dividend")


@dataclass(frozen=True)
class ReconciledBars:
    """How an answer fits.

    Attributes
    ----------
    bars
        What is to be stored: the answer's sessions, stored values where they stay.
    new
        The sessions that were not stored.
    restated
        How many stored sessions have other prices now.
    reaches_back
        Whether the earliest session shared is restated while older ones are stored, so that these
        may be out of date too.
    """

    bars: pl.DataFrame
    new: pl.Series
    restated: int
    reaches_back: bool


def reconcile_bars(
    stored: pl.DataFrame, answer: pl.DataFrame, *, tolerance: float
) -> ReconciledBars:
    """Fit an answer to the stored bars of its ticker.

    Where both have a session, the word of the provider that delivered the stored bar is a
    correction and replaces it; another provider's is a check: closes must agree, and the stored
    bar stays, but for actions that were not known. Sessions that are not stored are added.

    An `adj_close` of new sessions is brought to the base of the stored ones where both have one;
    where it cannot be, splits are read from it and it is left out: two bases in one history would
    be a jump.

    Parameters
    ----------
    stored
        All stored bars of the ticker, or none, sorted by session.
    answer
        Validated bars of the same ticker, sorted by session.
    tolerance
        How far (relative) closes of two providers may differ.

    Raises
    ------
    ReconciliationError
        When closes of two providers disagree, when too few sessions are shared to tell, and when
        the answer begins after the stored bars end, so that joining would leave a hole.
    """
    if stored.is_empty() or answer.is_empty():
        return ReconciledBars(answer, answer.get_column("session"), 0, reaches_back=False)
    both = _side_by_side(stored, answer)
    shared = both.filter("is_shared")
    _refuse_hole(stored, answer, shared)
    _refuse_disagreement(stored, shared, tolerance)
    is_corrected = pl.col("is_same_source") & (_has_other_prices() | _has_other_volume())
    values = [
        pl.when(~pl.col("is_shared") | is_corrected).then(name).otherwise(f"{name}_stored")
        for name in (*PRICES, "volume")
    ]
    actions = [
        pl.when("is_same_source")
        .then(pl.coalesce(name, f"{name}_stored"))
        .otherwise(pl.coalesce(f"{name}_stored", name))
        for name in _ACTIONS
    ]
    source = pl.when("is_shared").then("source_stored").otherwise("source")
    bars = _on_one_base(
        both.with_columns(
            *(value.alias(name) for name, value in zip((*PRICES, "volume"), values, strict=True)),
            *(value.alias(name) for name, value in zip(_ACTIONS, actions, strict=True)),
            source.alias("source"),
        ),
        is_whole=answer["session"][0] <= stored["session"][0],
    )
    restated = shared.filter(pl.col("is_same_source") & _has_other_prices())
    first_shared, first_stored = shared["session"][0], stored["session"][0]
    return ReconciledBars(
        bars=bars.select(BAR_SCHEMA.names()),
        new=both.filter(~pl.col("is_shared")).get_column("session"),
        restated=restated.height,
        reaches_back=first_shared != first_stored and first_shared in restated["session"],
    )


def replace_bars(stored: pl.DataFrame, answer: pl.DataFrame, *, tolerance: float) -> ReconciledBars:
    """Let an answer replace the stored bars of its sessions, but for actions that it leaves open.

    For a history that was restated and read anew.

    Raises
    ------
    ReconciliationError
        When the answer leaves older stored bars as they are and does not fit to them.
    """
    both = _side_by_side(stored, answer)
    bars = both.with_columns(pl.coalesce(name, f"{name}_stored") for name in _ACTIONS)
    _refuse_tear(stored, both, tolerance)
    return ReconciledBars(
        bars=bars.select(BAR_SCHEMA.names()),
        new=both.filter(~pl.col("is_shared")).get_column("session"),
        restated=both.filter(pl.col("is_shared") & _has_other_prices()).height,
        reaches_back=False,
    )


def _side_by_side(stored: pl.DataFrame, answer: pl.DataFrame) -> pl.DataFrame:
    """Return the answer's rows with the stored values of the same session."""
    return answer.join(
        stored.drop("ticker").with_columns(is_shared=pl.lit(value=True)),
        on="session",
        how="left",
        suffix="_stored",
        maintain_order="left",
    ).with_columns(
        pl.col("is_shared").fill_null(value=False),
        is_same_source=pl.col("is_shared") & pl.col("source").eq_missing(pl.col("source_stored")),
    )


def _has_other_prices() -> pl.Expr:
    return pl.any_horizontal(
        (pl.col(name) / pl.col(f"{name}_stored") - 1).abs() > _NOISE for name in PRICES
    )


def _has_other_volume() -> pl.Expr:
    return pl.col("volume") != pl.col("volume_stored")


def _refuse_hole(stored: pl.DataFrame, answer: pl.DataFrame, shared: pl.DataFrame) -> None:
    if not shared.is_empty():
        return
    ticker, last = stored.select("ticker", "session").row(-1)
    first, source = answer.sort("session").select("session", "source").row(0)
    msg = (
        f"{ticker}: the bars of {source} begin on {first} and share no session with the stored "
        f"ones, which end on {last}; a hole would look like one giant return. To fill it, {FILL}."
    )
    raise ReconciliationError(msg)


def _refuse_disagreement(stored: pl.DataFrame, shared: pl.DataFrame, tolerance: float) -> None:
    others = shared.filter(~pl.col("is_same_source"))
    ratio = pl.col("close") / pl.col("close_stored")
    apart = others.filter((ratio - 1).abs() > tolerance)
    if not apart.is_empty():
        ticker, session, close, source, kept, kept_source = apart.select(
            "ticker", "session", "close", "source", "close_stored", "source_stored"
        ).row(-1)
        msg = (
            f"{ticker} on {session}: {source} has a close of {close:g}, but {kept:g} of "
            f"{kept_source} is stored; they disagree on {apart.height} of {others.height} shared "
            f"sessions by more than {tolerance:g} (STOCKCAST_JOIN_TOLERANCE), and joined they "
            f"would make a return that never was. {_reason(close / kept)}"
        )
        raise ReconciliationError(msg)
    if shared.height == others.height < min(MIN_SHARED, stored.height):
        ticker, source = shared.select("ticker", "source").row(0)
        msg = (
            f"{ticker}: {source} shares {shared.height} sessions with the stored bars of other "
            f"providers; {MIN_SHARED} are needed to see whether they agree."
        )
        raise ReconciliationError(msg)


def _refuse_tear(stored: pl.DataFrame, both: pl.DataFrame, tolerance: float) -> None:
    first = both.filter("is_shared").head(1)
    if first.is_empty() or first["session"][0] == stored["session"][0]:
        return
    ticker, session, close, source, kept = first.select(
        "ticker", "session", "close", "source", "close_stored"
    ).row(0)
    if abs(close / kept - 1) > tolerance:
        msg = (
            f"{ticker}: {source} has restated its history, back to {session} or earlier (a close "
            f"of {close:g} instead of {kept:g}); older bars are stored and cannot be read anew, so "
            f"there would be a return that never was. To read them, {FILL}. {_reason(close / kept)}"
        )
        raise ReconciliationError(msg)


def _reason(ratio: float) -> str:
    size = max(ratio, 1 / ratio)
    if abs(size / _PENCE - 1) < _NEAR:
        return "It looks like pence against pounds."
    split = min(_SPLITS, key=lambda factor: abs(size / factor - 1))
    if abs(size / split - 1) < _NEAR:
        return f"It looks like a split of {split:g} that one of them has not applied."
    return "One of them may be adjusted for dividends, in another currency, or wrong."


def _on_one_base(both: pl.DataFrame, *, is_whole: bool) -> pl.DataFrame:
    """Bring `adj_close` to one base: that of the stored bars where there is one."""
    if both.get_column("adj_close").null_count() == both.height:
        return both.with_columns(adj_close=pl.col("adj_close_stored"))
    known = both.filter(
        pl.col("adj_close").is_not_null() & pl.col("adj_close_stored").is_not_null()
    )
    if not known.is_empty():
        told, kept = known.select("adj_close", "adj_close_stored").row(-1)
        scaled = pl.col("adj_close") * (kept / told)
        return both.with_columns(
            adj_close=pl.when("is_shared").then("adj_close_stored").otherwise(scaled)
        )
    if is_whole and both.get_column("adj_close_stored").null_count() == both.height:
        return both
    return both.with_columns(
        adj_close=pl.col("adj_close_stored"),
        split_factor=pl.coalesce(
            "split_factor", infer_split(pl.col("adj_close") / pl.col("close"))
        ),
    )
