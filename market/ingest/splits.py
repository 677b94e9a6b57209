"""New bars that jump like a split: settled before they are stored, or held back.

What jumps and what an event does to bars is `actions`; when it is tried again `planning`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from core.errors import StockcastError
from market.bars.contract import KEY
from market.bars.corporate_actions import add_actions, find_unexplained_jump, split_factor_on
from market.ingest.reconcile import ReconciledBars
from market.providers.protocol import ActionsProvider


@dataclass(frozen=True)
class ResolvedBars:
    """Bars that may be stored.

    Attributes
    ----------
    bars
        What is to be stored.
    history
        All bars of the ticker once that is done.
    new
        The sessions among them that were not stored.
    held
        The session from which on new bars are held back, or None.
    unconfirmed_jump
        The session of a jump for which no split was told, or None.
    asked
        Whether splits and dividends were asked for and told.
    notes
        Sentences on what was out of the ordinary.
    """

    bars: pl.DataFrame
    history: pl.DataFrame
    new: pl.Series
    held: date | None = None
    unconfirmed_jump: date | None = None
    asked: bool = False
    notes: tuple[str, ...] = ()


def resolve_split_jumps(
    ticker: str, stored: pl.DataFrame, joined: ReconciledBars, provider: ActionsProvider
) -> ResolvedBars:
    """Ask for splits and dividends when a new bar jumps like a split and nobody said whether it is.

    Where they cannot be had the bar and all later ones are held back: a split that is stored as a
    fall of half would be learnt from. Two calls to a provider that tells actions apart.

    Parameters
    ----------
    stored
        All stored bars of the ticker, sorted by session.
    joined
        How the new ones fit to them.
    """
    history = _laid_over(stored, joined.bars)
    jump = find_unexplained_jump(history, joined.new)
    if jump is None:
        return ResolvedBars(joined.bars, history, joined.new)
    try:
        actions = provider.fetch_actions(ticker)
    except StockcastError as error:
        new = joined.new.filter(joined.new < jump)
        held = joined.new.filter(joined.new >= jump)
        bars = joined.bars.filter(~pl.col("session").is_in(held.implode()))
        note = (
            f"{ticker}: the bars from {jump} on are held back, since the close jumps like a split "
            f"and splits could not be asked for. {error}"
        )
        return ResolvedBars(bars, _laid_over(stored, bars), new, held=jump, notes=(note,))
    history = add_actions(history, actions)
    factor = split_factor_on(history, jump)
    note = f"{ticker}: a split of {factor:g} on {jump}."
    if factor == 1.0:
        note = (
            f"{ticker}: the close of {jump} jumps like a split, but there was none: it is stored."
        )
    unconfirmed_jump = jump if factor == 1.0 else None
    return ResolvedBars(
        history, history, joined.new, unconfirmed_jump=unconfirmed_jump, asked=True, notes=(note,)
    )


def _laid_over(stored: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([stored.join(bars, on=KEY, how="anti"), bars]).sort(KEY)
