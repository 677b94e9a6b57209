"""Share classes among own files: their exchange is that of their bars."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
from support.market.bars import xnys
from support.market.file_formats import NAMES

from core.settings import load_settings
from market.bars.quarantine import Quarantine
from market.calendars.exchanges import SessionsByTicker
from market.ingest.ticker_ingest import Ingest
from market.ingest.ticker_state import TickerStateStore
from market.providers.factory import make_provider
from market.providers.files.provider import FilesProvider
from market.settings import MarketSettings
from market.store import BarStore


def test_a_share_class_like_a_suffix_follows_its_bars(tmp_path: Path) -> None:
    sessions = xnys().between(date(2023, 1, 1), date(2024, 12, 31))
    prices = {name: [10.0] * len(sessions) for name in NAMES}
    for ticker in ("MKC.V", "WFC.PR.L", "BRK-B"):
        pl.DataFrame({"Date": sessions, **prices}).write_csv(tmp_path / f"{ticker}.csv")
    settings = load_settings(
        MarketSettings, provider="files", bars=str(tmp_path), home=tmp_path / "home"
    )
    files = make_provider(settings)
    assert isinstance(files, FilesProvider)

    ingest = Ingest(
        provider=files,
        store=BarStore(tmp_path / "home" / "bars"),
        quarantine=Quarantine(tmp_path / "home" / "quarantine"),
        ticker_states=TickerStateStore(tmp_path / "home" / "market.sqlite"),
        sessions_of=SessionsByTicker.of_home(settings),
        join_tolerance=0.005,
    )

    reports = [ingest.ingest_ticker(ticker) for ticker in files.tickers()]

    assert [report.ticker for report in reports] == ["BRK.B", "MKC.V", "WFC.PR.L"]
    assert [report.bars for report in reports] == [len(sessions)] * 3
    assert [report.quarantine.height for report in reports] == [0] * 3
    (note,) = files.notes()
    assert note.startswith("MKC.V: 10 of its 502 sessions are not in the calendar of XTSE")
