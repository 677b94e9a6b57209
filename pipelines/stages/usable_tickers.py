"""The tickers that features are computed from, and the reasons for leaving out the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import polars as pl

from core.isolation import find_faulty
from market.bars.quarantine import QUARANTINE_SCHEMA, Quarantine
from market.calendars.exchanges import SessionsByTicker
from market.quality.refusals import count_refused, find_date_shift, find_refused
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
    tickers: Sequence[str], settings: MarketSettings, bar_store: BarStore, quarantine: Quarantine
) -> Refusals:
    """Read the refused rows of `tickers`; a ticker with unreadable files is left out."""
    frames = [QUARANTINE_SCHEMA.to_frame()]

    def read_quarantine(ticker: str) -> None:
        frames.append(quarantine.read([ticker]).with_columns(ticker=pl.lit(ticker)))

    unreadable = find_faulty(tickers, read_quarantine)
    rows = pl.concat(frames)
    sessions_of = SessionsByTicker.of_home(settings)
    n_bars: dict[str, int] = {}
    shifts: dict[str, str | None] = {}

    def compare_with_stored(ticker: str) -> None:
        stored, refused = bar_store.read([ticker])["session"], rows.filter(ticker=ticker)
        n_bars[ticker] = len(stored)
        shifts[ticker] = find_date_shift(refused, stored, sessions_of(ticker))

    unreadable |= find_faulty(
        sorted({*bar_store.tickers()} & {*rows["ticker"]}), compare_with_stored
    )
    counts = count_refused(rows.filter(~pl.col("ticker").is_in(list(unreadable))), n_bars)
    too_many = find_refused(counts, quarantine.path_of, shifts, limit=settings.refused_share)
    return Refusals(rows, counts, unreadable | too_many)


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
    refusals = read_refusals(followed, settings, bar_store, quarantine)
    return left_out | refusals.left_out


def list_left_out(left_out: Mapping[str, str], most: int = 8) -> str:
    """Return one sentence per ticker that is left out, in one line."""
    listed = [f"{ticker}: {reason}" for ticker, reason in sorted(left_out.items())]
    more = [f"And {len(listed) - most:,} more."] if listed[most:] else []
    return " ".join(listed[:most] + more)
