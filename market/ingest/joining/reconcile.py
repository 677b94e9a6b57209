"""Reconciliation of fetched bars with stored bars: new, corrected and conflicting sessions.

`market.ingest.fetch` fetches the bars; `market.bars.adjustments` adjusts prices.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from market.bars.adjustments import infer_split
from market.bars.contract import BAR_SCHEMA, PRICES
from market.bars.corporate_actions import FILES_SOURCE
from market.ingest.joining.mismatch import refuse_disagreement, refuse_gap, refuse_mismatch

# Relative difference of prices that were stored as 32-bit floats. Corrections are larger.
_NOISE = 1e-6
_ACTIONS = ("split_factor", "dividend")


@dataclass(frozen=True)
class ReconciledBars:
    """Fetched bars after reconciliation with the stored bars.

    Attributes
    ----------
    bars
        Bars to store: the fetched sessions, with stored values where these take precedence.
    new
        Fetched sessions that are not stored.
    restated
        Number of stored sessions with prices that change.
    reaches_back
        Whether the earliest shared session is restated although older sessions are stored, which
        may be restated too.
    """

    bars: pl.DataFrame
    new: pl.Series
    restated: int
    reaches_back: bool


def reconcile_bars(
    stored: pl.DataFrame, fetched: pl.DataFrame, *, tolerance: float
) -> ReconciledBars:
    """Reconcile fetched bars with the stored bars of the same ticker.

    A fetched bar of a stored session is a correction if it comes from the provider of the stored
    bar, and replaces its prices and volume. If it comes from another provider it is a check: the
    closes must agree, and the stored values stay, except for splits and dividends that were
    unknown. Sessions that are not stored are added.

    `adj_close` of new sessions is scaled to the base of the stored values if both have one. If that
    is impossible, splits are inferred from it and it is dropped, because two bases in one history
    would look like a jump.

    Parameters
    ----------
    stored
        All stored bars of the ticker, sorted by session; may be empty.
    fetched
        Validated bars of the same ticker, sorted by session.
    tolerance
        Maximum relative difference between the closes of two providers.

    Raises
    ------
    ReconciliationError
        If the closes of two providers disagree, if they share too few sessions to check, or if the
        fetched bars start after the last stored session, which would leave a gap.
    """
    if stored.is_empty() or fetched.is_empty():
        return ReconciledBars(fetched, fetched.get_column("session"), 0, reaches_back=False)
    merged = _merge(stored, fetched)
    shared = merged.filter("is_shared")
    refuse_gap(stored, fetched, shared)
    refuse_disagreement(stored, shared, tolerance)
    restated = shared.filter(pl.col("is_same_source") & has_other_prices())
    first_shared, first_stored = shared["session"][0], stored["session"][0]
    bars = _rebase_adj_close(
        _resolve_values(merged), is_whole=fetched["session"][0] <= first_stored
    )
    return ReconciledBars(
        bars=bars.select(BAR_SCHEMA.names()),
        new=merged.filter(~pl.col("is_shared")).get_column("session"),
        restated=restated.height,
        reaches_back=first_shared != first_stored and first_shared in restated["session"],
    )


def replace_bars(
    stored: pl.DataFrame, fetched: pl.DataFrame, *, tolerance: float
) -> ReconciledBars:
    """Replace stored bars by a history that was fetched again after a restatement.

    Stored splits and dividends stay where the fetched ones are unknown.

    Parameters
    ----------
    stored, fetched, tolerance
        See `reconcile_bars`.

    Raises
    ------
    ReconciliationError
        If older stored bars remain and the fetched bars do not match them.
    """
    merged = _merge(stored, fetched)
    bars = merged.with_columns(pl.coalesce(name, f"{name}_stored") for name in _ACTIONS)
    refuse_mismatch(stored, merged, tolerance)
    return ReconciledBars(
        bars=bars.select(BAR_SCHEMA.names()),
        new=merged.filter(~pl.col("is_shared")).get_column("session"),
        restated=merged.filter(pl.col("is_shared") & has_other_prices()).height,
        reaches_back=False,
    )


def _merge(stored: pl.DataFrame, fetched: pl.DataFrame) -> pl.DataFrame:
    """Return the fetched rows with the stored values of the same session as extra columns."""
    return fetched.join(
        stored.drop("ticker").with_columns(is_shared=pl.lit(value=True)),
        on="session",
        how="left",
        suffix="_stored",
        maintain_order="left",
    ).with_columns(
        pl.col("is_shared").fill_null(value=False),
        is_same_source=pl.col("is_shared") & pl.col("source").eq_missing(pl.col("source_stored")),
    )


def _resolve_values(merged: pl.DataFrame) -> pl.DataFrame:
    """Choose between fetched and stored values of prices, volume, actions and source."""
    is_corrected = pl.col("is_same_source") & (has_other_prices() | _has_other_volume())
    values = [
        pl.when(~pl.col("is_shared") | is_corrected)
        .then(name)
        .otherwise(f"{name}_stored")
        .alias(name)
        for name in (*PRICES, "volume")
    ]
    # The prices of own files may be adjusted for the events that another provider lists.
    is_from_files = pl.col("source_stored").eq_missing(pl.lit(FILES_SOURCE))
    actions = [
        pl.when(is_from_files & ~pl.col("is_same_source"))
        .then(f"{name}_stored")
        .when("is_same_source")
        .then(pl.coalesce(name, f"{name}_stored"))
        .otherwise(pl.coalesce(f"{name}_stored", name))
        .alias(name)
        for name in _ACTIONS
    ]
    source = pl.when("is_shared").then("source_stored").otherwise("source").alias("source")
    return merged.with_columns(*values, *actions, source)


def has_other_prices() -> pl.Expr:
    """Return whether a price differs from the stored one in the column with `_stored`."""
    return pl.any_horizontal(
        (pl.col(name) / pl.col(f"{name}_stored") - 1).abs() > _NOISE for name in PRICES
    )


def _has_other_volume() -> pl.Expr:
    return pl.col("volume") != pl.col("volume_stored")


def _rebase_adj_close(merged: pl.DataFrame, *, is_whole: bool) -> pl.DataFrame:
    """Scale `adj_close` to the base of the stored values, or drop it if there is no common base.

    Without any stored base, `adj_close` of a whole history (`is_whole`) is kept as it is.
    """
    if merged.get_column("adj_close").null_count() == merged.height:
        return merged.with_columns(adj_close=pl.col("adj_close_stored"))
    both = merged.filter(
        pl.col("adj_close").is_not_null() & pl.col("adj_close_stored").is_not_null()
    )
    if not both.is_empty():
        fetched_base, stored_base = both.select("adj_close", "adj_close_stored").row(-1)
        scaled = pl.col("adj_close") * (stored_base / fetched_base)
        return merged.with_columns(
            adj_close=pl.when("is_shared").then("adj_close_stored").otherwise(scaled)
        )
    if is_whole and merged.get_column("adj_close_stored").null_count() == merged.height:
        return merged
    return merged.with_columns(
        adj_close=pl.col("adj_close_stored"),
        split_factor=pl.coalesce(
            "split_factor", infer_split(pl.col("adj_close") / pl.col("close"))
        ),
    )
