"""The tickers that features are computed from, and the reasons for leaving out the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import polars as pl

from core.isolation import find_faulty
from market.bars.quarantine import QUARANTINE_SCHEMA, Quarantine
from market.quality.refusals import count_refused, find_refused
from market.settings import MarketSettings
from market.store import BarStore

NO_BARS = "no bar of it is stored yet; `stockcast ingest` shows the outcome of its ingest."


@dataclass(frozen=True)
class Refusals:
    """The refused rows of some tickers.

    Attributes
    ----------
    rows
        Refused rows, `market.bars.quarantine.QUARANTINE_SCHEMA`.
    counts
        Result of `market.quality.refusals.count_refused`.
    left_out
        Tickers with too many refused rows, or with unreadable bars or quarantine, and the reasons.
    """

    rows: pl.DataFrame
    counts: pl.DataFrame
    left_out: dict[str, str]


def read_refusals(
    tickers: Sequence[str], bar_store: BarStore, quarantine: Quarantine, *, limit: float
) -> Refusals:
    """Read the refused rows of `tickers`; a ticker whose files cannot be read is left out."""
    frames = [QUARANTINE_SCHEMA.to_frame()]

    def read_quarantine(ticker: str) -> None:
        frames.append(quarantine.read([ticker]).with_columns(ticker=pl.lit(ticker)))

    unreadable = find_faulty(tickers, read_quarantine)
    rows = pl.concat(frames)
    stored, n_bars = set(bar_store.tickers()), {}

    def count_bars(ticker: str) -> None:
        n_bars[ticker] = bar_store.read([ticker]).height

    unreadable |= find_faulty(sorted(stored & {*rows["ticker"]}), count_bars)
    counts = count_refused(rows.filter(~pl.col("ticker").is_in(list(unreadable))), n_bars)
    return Refusals(
        rows, counts, unreadable | find_refused(counts, quarantine.path_of, limit=limit)
    )


def find_unusable(
    instance: dg.DagsterInstance,
    settings: MarketSettings,
    bar_store: BarStore,
    quarantine: Quarantine,
) -> dict[str, str]:
    """Return the followed tickers without usable bars, with the reasons."""
    followed = instance.get_dynamic_partitions("tickers")
    stored = set(bar_store.tickers())
    left_out = {ticker: NO_BARS for ticker in followed if ticker not in stored}
    refusals = read_refusals(followed, bar_store, quarantine, limit=settings.refused_share)
    return left_out | refusals.left_out


def list_left_out(left_out: Mapping[str, str], most: int = 8) -> str:
    """Return one sentence per ticker that is left out, in one line."""
    listed = [f"{ticker}: {reason}" for ticker, reason in sorted(left_out.items())]
    more = [f"And {len(listed) - most:,} more."] if listed[most:] else []
    return " ".join(listed[:most] + more)
