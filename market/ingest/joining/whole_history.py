"""Replacement of a ticker's stored bars by the whole history of a local provider.

`market.ingest.joining.reconcile` joins the bars of remote providers, which are fetched in parts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import polars as pl

from core.errors import ReconciliationError
from market.bars.adjustments import infer_split
from market.bars.contract import BAR_SCHEMA
from market.calendars.sessions import Sessions
from market.ingest.joining.reconcile import has_other_prices
from market.providers.catalog import local_providers

# Shared sessions at each end that show the price level; their median allows single corrections.
_LEVEL_SESSIONS = 5
# Sessions that may be missing between the bars of two providers.
_MAX_HOLE = 5


@dataclass(frozen=True)
class WholeHistory:
    """All bars of a ticker, to replace its stored bars.

    Attributes
    ----------
    bars
        The delivered bars, and the stored bars of remote providers in other sessions.
    restated
        Number of stored sessions with prices that change.
    """

    bars: pl.DataFrame
    restated: int


def replace_history(
    stored: pl.DataFrame,
    delivered: pl.DataFrame,
    sessions: Sessions,
    *,
    tolerance: float,
    kept: Collection[str] = (),
) -> WholeHistory:
    """Replace the stored bars of local providers by a delivered whole history.

    A local provider (`files`, `sample`) is read whole each time, so its newest delivery is the
    truth: stored bars of local providers that it does not contain are dropped, because they were
    removed or belong to another local provider. Stored bars of remote providers are kept in the
    sessions that it does not contain, if the two fit together. Their `adj_close` is scaled to the
    base of the delivered bars.

    Parameters
    ----------
    stored
        All stored bars of the ticker, sorted by session; may be empty.
    delivered
        Validated bars of the same ticker, sorted by session, not empty.
    sessions
        Calendar of the ticker's exchange.
    tolerance
        Maximum relative difference of the price level, as in `reconcile_bars`.
    kept
        Local providers that belong to the same chain; their bars stay like those of remote ones.

    Raises
    ------
    ReconciliationError
        If bars of remote providers are stored in other sessions, and the delivered bars have
        another price level, share no session with the stored bars, or leave a gap of more than
        five sessions.
    """
    shared = delivered.join(stored.drop("ticker"), on="session", suffix="_stored")
    restated = shared.filter(has_other_prices()).height
    local = {*local_providers()} - {*kept} | {*delivered.get_column("source").drop_nulls()}
    is_local = pl.col("source").is_in(list(local)).fill_null(value=False)
    others = stored.filter(~is_local).join(delivered, on="session", how="anti")
    if others.is_empty():
        return WholeHistory(delivered, restated)
    for problem in (
        _other_level(shared, delivered, others, tolerance),
        _hole(delivered, others, sessions),
    ):
        if problem is not None:
            raise ReconciliationError(_refusal(delivered, others, problem))
    others = _rebase_adj_close(others, shared)
    bars = pl.concat([delivered, others.select(BAR_SCHEMA.names())]).sort("session")
    return WholeHistory(bars, restated)


def follow_backup(
    stored: pl.DataFrame,
    delivered: pl.DataFrame,
    sessions: Sessions,
    *,
    tolerance: float,
    source: str,
) -> WholeHistory:
    """Let the stored bars of a local backup follow its data; keep the bars of other providers.

    The stored bars of `source` are replaced by the delivered bars between the adjoining bars of
    other providers, in the sessions that these lack. Without later bars of others, no session after
    the last stored one is added: it is fetched when it is due. If nothing is delivered there, all
    stored bars stay, as if the local data were gone.

    `adj_close` that was dropped when the bars were joined stays null, see `reconcile_bars`.

    Parameters
    ----------
    stored, delivered, sessions, tolerance
        As in `replace_history`; `delivered` may be empty.
    source
        Name of the backup; at least one stored bar must be from it.

    Raises
    ------
    ReconciliationError
        See `replace_history`.
    """
    rows = backup_rows(stored, delivered, source)
    if rows.is_empty():
        return WholeHistory(stored, 0)
    own = stored.filter(source=source)
    was_dropped = own.get_column("adj_close").null_count() == own.height
    if was_dropped:
        inferred = infer_split(pl.col("adj_close") / pl.col("close"))
        rows = rows.with_columns(
            split_factor=pl.coalesce("split_factor", inferred), adj_close=pl.lit(None, pl.Float64)
        )
    kept = [name for name in local_providers() if name != source]
    return replace_history(stored, rows, sessions, tolerance=tolerance, kept=kept)


def backup_rows(stored: pl.DataFrame, delivered: pl.DataFrame, source: str) -> pl.DataFrame:
    """Return the rows of a local backup that its stored bars follow, see `follow_backup`."""
    session, is_own = pl.col("session"), pl.col("source").eq_missing(pl.lit(source))
    first, last = _ends(stored.filter(is_own))
    others = stored.filter(~is_own).get_column("session")
    before, after = others.filter(others < first), others.filter(others > last)
    rows = delivered.filter(session < after[0] if len(after) else session <= last)
    if len(before):
        rows = rows.filter(session > before[-1])
    return rows.filter(~session.is_in(others.implode()))


def _other_level(
    shared: pl.DataFrame, delivered: pl.DataFrame, others: pl.DataFrame, tolerance: float
) -> str | None:
    """Describe another price level at an end of `delivered` that others adjoin, if any."""
    if shared.is_empty():
        return "they share no session, so that their price levels cannot be compared"
    first, last = _ends(delivered)
    first_other, last_other = _ends(others)
    ends = []
    if first_other < last:
        ends.append(shared.head(_LEVEL_SESSIONS))
    if last_other > first:
        ends.append(shared.tail(_LEVEL_SESSIONS))
    for end in ends:
        ratio = float(end.select((pl.col("close") / pl.col("close_stored")).median()).item())
        if abs(ratio - 1) > tolerance:
            from_, to = _ends(end)
            return (
                f"from {from_} to {to} the closes are now {ratio:g} times the stored ones, so "
                f"that joining them would create a false return"
            )
    return None


def _hole(delivered: pl.DataFrame, others: pl.DataFrame, sessions: Sessions) -> str | None:
    """Describe a gap between `delivered` and the others before or after it, if any."""
    first, last = _ends(delivered)
    before = others.filter(pl.col("session") < first).get_column("session")
    after = others.filter(pl.col("session") > last).get_column("session")
    gaps = []
    if len(before):
        gaps.append((before[-1], first))
    if len(after):
        gaps.append((last, after[0]))
    for start, end in gaps:
        missing = len(sessions.between(start, end)) - 2
        if missing > _MAX_HOLE:
            return f"the {missing} sessions between {start} and {end} are missing"
    return None


def _refusal(delivered: pl.DataFrame, others: pl.DataFrame, problem: str) -> str:
    ticker, source = delivered.select("ticker", "source").row(0)
    names = " and ".join(others.get_column("source").fill_null("unknown").unique().sort())
    first, last = _ends(others)
    return (
        f"{ticker}: the bars of {source} do not fit the stored bars of {names} "
        f"({first} to {last}): {problem}. Nothing was changed; correct the bars of {source}, or "
        f"use another home (--home), which starts without the bars of {names}."
    )


def _rebase_adj_close(others: pl.DataFrame, shared: pl.DataFrame) -> pl.DataFrame:
    """Scale `adj_close` to the base of the delivered bars, or drop it without a common base."""
    if shared.get_column("adj_close").null_count() == shared.height:
        return others
    ratio = shared.select((pl.col("adj_close") / pl.col("adj_close_stored")).median()).item()
    if ratio is not None:
        return others.with_columns(pl.col("adj_close") * ratio)
    factor = pl.col("adj_close") / pl.col("close")
    return others.with_columns(
        adj_close=pl.lit(None, pl.Float64),
        split_factor=pl.coalesce("split_factor", infer_split(factor)),
    )


def _ends(bars: pl.DataFrame) -> tuple[date, date]:
    """Return the first and the last session of sorted bars."""
    sessions = bars.get_column("session")
    return sessions[0], sessions[-1]
