"""Resolution of new bars that jump like a split, before they are stored.

`market.bars.corporate_actions` detects jumps and applies events; `market.ingest.planning` decides
on retries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from core.errors import StockcastError
from market.bars.contract import KEY
from market.bars.corporate_actions import (
    actions_known_through,
    add_actions,
    find_unexplained_jump,
    split_factor_on,
)
from market.ingest.joining.reconcile import ReconciledBars
from market.ingest.ticker_state import TickerState
from market.providers.protocol import ActionsProvider


@dataclass(frozen=True)
class ResolvedBars:
    """Bars that may be stored.

    Attributes
    ----------
    bars
        Bars to store.
    history
        All bars of the ticker after `bars` are stored, sorted by session.
    new
        Sessions of `bars` that are not stored yet.
    withheld_from
        First session that is not stored because of an unexplained jump, or None.
    unconfirmed_jump
        Session of a stored jump for which the provider lists no split, or None.
    has_fetched_actions
        Whether splits and dividends were fetched.
    notes
        Sentences on unusual events.
    """

    bars: pl.DataFrame
    history: pl.DataFrame
    new: pl.Series
    withheld_from: date | None = None
    unconfirmed_jump: date | None = None
    has_fetched_actions: bool = False
    notes: tuple[str, ...] = ()

    def state_changes(
        self, state: TickerState, *, closed: date, responded_at: datetime
    ) -> dict[str, object]:
        """Return the fields of a ticker's state that these bars change.

        Parameters
        ----------
        closed
            Last closed session.
        responded_at
            Time of the response in UTC.
        """
        last, through = self.history["session"].max(), actions_known_through(self.history)
        has_news = len(self.new) or self.withheld_from
        stale_responses = 1 if has_news else state.stale_responses + 1
        came_with_bars = through == last and through != state.actions_through
        has_actions = self.has_fetched_actions or came_with_bars
        return {
            "actions_through": through,
            "actions_at": responded_at if has_actions else state.actions_at,
            "stale_responses": 0 if last == closed else stale_responses,
            "withheld_from": self.withheld_from,
            "unconfirmed_jump": self.unconfirmed_jump or state.unconfirmed_jump,
        }


def resolve_split_jumps(
    ticker: str, stored: pl.DataFrame, reconciled: ReconciledBars, provider: ActionsProvider
) -> ResolvedBars:
    """Fetch splits and dividends if a new bar jumps like a split and its split factor is unknown.

    If they cannot be fetched, the bar and all later bars are withheld: models would learn from a
    split that is stored as a fall by half. A provider with separate actions needs two calls.

    Parameters
    ----------
    stored
        All stored bars of the ticker, sorted by session.
    reconciled
        The fetched bars, reconciled with `stored`.
    """
    history = _overlay(stored, reconciled.bars)
    jump = find_unexplained_jump(history, reconciled.new)
    if jump is None:
        return ResolvedBars(reconciled.bars, history, reconciled.new)
    try:
        actions = provider.fetch_actions(ticker)
    except StockcastError as error:
        return _withhold(ticker, stored, reconciled, jump, error)
    history = add_actions(history, actions)
    factor = split_factor_on(history, jump)
    note = f"{ticker}: a split of {factor:g} on {jump}."
    if factor == 1.0:
        note = f"{ticker}: the close of {jump} jumps like a split, but no split is listed: stored."
    return ResolvedBars(
        history,
        history,
        reconciled.new,
        unconfirmed_jump=jump if factor == 1.0 else None,
        has_fetched_actions=True,
        notes=(note,),
    )


def _withhold(
    ticker: str,
    stored: pl.DataFrame,
    reconciled: ReconciledBars,
    jump: date,
    error: StockcastError,
) -> ResolvedBars:
    """Return the bars without the new sessions from `jump` on."""
    withheld = reconciled.new.filter(reconciled.new >= jump)
    bars = reconciled.bars.filter(~pl.col("session").is_in(withheld.implode()))
    note = (
        f"{ticker}: the bars from {jump} on are withheld, because the close jumps like a split and "
        f"splits could not be fetched. {error}"
    )
    return ResolvedBars(
        bars,
        _overlay(stored, bars),
        reconciled.new.filter(reconciled.new < jump),
        withheld_from=jump,
        notes=(note,),
    )


def _overlay(stored: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Return the stored bars with `bars` added or replaced by key."""
    return pl.concat([stored.join(bars, on=KEY, how="anti"), bars]).sort(KEY)
