"""The `sample` provider: real daily bars of five US stocks, 2000 to 2013, without an account."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import polars as pl

from core.errors import SettingsError
from core.tickers import unknown_ticker
from market.bars.contract import conform_bars
from market.providers.protocol import SessionRange

TICKERS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


class SampleProvider:
    """Bars of `bokeh_sampledata.stocks` (public domain).

    AAPL, IBM and MSFT start on 2000-03-01, GOOG on 2004-08-19 and FB on 2012-05-18. All end on
    2013-03-01. Prices and volume are as traded. `adj_close` includes splits and dividends up to
    today, so that later ones only change its scale. `split_factor` and `dividend` are null.
    """

    name = "sample"

    def tickers(self) -> tuple[str, ...]:
        """Return the five tickers."""
        return TICKERS

    def fetch(self, ticker: str, session_range: SessionRange | None = None) -> pl.DataFrame:
        """Return the bars of one of the five tickers; see `Provider.fetch`.

        Raises
        ------
        UnknownTickerError
            If `ticker` is not one of the five.
        SettingsError
            If the package `bokeh-sampledata` is not installed.
        """
        if ticker not in TICKERS:
            raise unknown_ticker(ticker, f"the {self.name} provider", TICKERS)
        raw = pl.DataFrame(getattr(_stocks(), ticker))
        bars = conform_bars(
            raw.with_columns(
                pl.col("date").str.to_date("%Y-%m-%d").alias("session"),
                pl.lit(ticker).alias("ticker"),
                pl.lit(self.name).alias("source"),
            )
        )
        return (
            bars if session_range is None else bars.filter(pl.col("session") >= session_range.start)
        )

    def source_version(self) -> str:
        """Return a constant, because the sample never changes."""
        return self.name


def _stocks() -> ModuleType:
    try:
        return import_module("bokeh_sampledata.stocks")
    except ImportError:
        msg = (
            "`provider` is 'sample', but bokeh-sampledata is not installed; "
            "install stockcast[training], or set STOCKCAST_PROVIDER=files."
        )
        raise SettingsError(msg) from None
