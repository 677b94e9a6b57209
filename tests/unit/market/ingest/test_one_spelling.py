"""One spelling per ticker: homes of earlier versions, and letters that are no exchange suffix."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars
from support.market.ingest_setup import EVENING, IngestSetup
from support.providers.in_memory import FakeNetworkProvider, FakeProvider

from core.errors import BarsError
from market.calendars.choices import ExchangeChoices
from market.calendars.exchanges import SessionsByTicker
from market.ingest.ticker_ingest import Ingest
from market.providers.failover.chain import ProviderChain
from market.providers.failover.circuit_breaker import CircuitBreakers
from market.providers.files.provider import FilesProvider
from market.providers.yahoo.provider import symbol_of

N_BARS = 609


def bars_of(ticker: str, end: date = date(2012, 6, 1)) -> pl.DataFrame:
    bars = sample_bars("IBM", start=date(2010, 1, 4), end=end)
    return bars.with_columns(ticker=pl.lit(ticker), adj_close=pl.lit(None, pl.Float64))


@pytest.fixture
def old_home(tmp_path: Path) -> IngestSetup:
    """A home with `BRK-B` of Yahoo up to the session before the last closed one."""
    home = IngestSetup(tmp_path, MovingClock(EVENING))
    home.store.upsert(bars_of("BRK-B", end=date(2012, 5, 31)).with_columns(source=pl.lit("yahoo")))
    home.ticker_states.update("BRK-B", has_full_history=True, actions_through=date(2012, 5, 31))
    refused = bars_of("BRK-B").head(1).with_columns(reason=pl.lit("volume is negative"))
    home.quarantine.replace("BRK-B", refused)
    return home


def test_a_home_with_a_dash_before_the_share_class_is_not_ingested_a_second_time(
    old_home: IngestSetup,
) -> None:
    """Regression: `BRK.B` was ingested in addition to the `BRK-B` of an earlier version."""
    yahoo = FakeNetworkProvider({"BRK.B": bars_of("BRK.B")}, name="yahoo")
    old_home.connect(yahoo)

    report = old_home.ingest_ticker("BRK.B")

    ((_, session_range),) = yahoo.calls
    assert session_range is not None  # only the newest sessions
    assert report.notes[0] == "BRK.B: its 608 bars were stored as BRK-B before."
    assert report.stored.inserted == 1
    assert old_home.store.tickers() == ("BRK.B",)
    assert old_home.bars("BRK.B")["close"].equals(bars_of("BRK.B")["close"])
    assert old_home.quarantine.read(["BRK.B"])["ticker"].to_list() == ["BRK.B"]
    assert not old_home.quarantine.path_of("BRK-B").exists()
    assert set(old_home.ticker_states.read()) == {"BRK.B"}
    assert old_home.ingest_ticker("BRK.B").notes == ()


def test_a_killed_rename_is_completed_by_the_next_ingest(
    old_home: IngestSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_home.connect(FakeNetworkProvider({"BRK.B": bars_of("BRK.B")}, name="yahoo"))
    monkeypatch.setattr(old_home.store, "rename", _killed)
    with pytest.raises(KeyboardInterrupt):
        old_home.ingest_ticker("BRK.B")
    monkeypatch.undo()

    old_home.ingest_ticker("BRK.B")

    assert old_home.store.tickers() == ("BRK.B",)
    assert old_home.quarantine.read(["BRK.B"]).height == 1


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_ticker_that_is_stored_in_both_spellings_keeps_its_bars(old_home: IngestSetup) -> None:
    old_home.store.upsert(bars_of("BRK.B").with_columns(source=pl.lit("yahoo")))
    old_home.connect(FakeNetworkProvider({"BRK.B": bars_of("BRK.B")}, name="yahoo"))

    assert old_home.ingest_ticker("BRK.B").notes == ()
    assert old_home.bars("BRK.B").height == N_BARS
    with pytest.raises(BarsError, match=r"BRK\.B has stored bars already"):
        old_home.store.rename("BRK-B", "BRK.B")


def test_the_first_ingest_from_a_backup_shows_the_exchange_that_others_are_asked_for(
    tmp_path: Path,
) -> None:
    """Regression: McCormick's voting shares kept Toronto's calendar for the whole first ingest."""
    home, clock = tmp_path / "home", MovingClock(EVENING)
    bars_of("MKC.V").write_csv(tmp_path / "MKC.V.csv")
    sessions_of = SessionsByTicker("XNYS", ExchangeChoices(home / "market.sqlite"))
    asked: list[str] = []

    class Yahoo(FakeNetworkProvider):
        def fetch(self, ticker: str, *args: object, **kwargs: object) -> pl.DataFrame:
            asked.append(symbol_of(ticker, sessions_of(ticker).exchange))
            return FakeProvider.fetch(self, ticker, *args, **kwargs)  # type: ignore[arg-type]

    setup = IngestSetup(home, clock)
    chain = ProviderChain(
        [Yahoo({}, name="yahoo"), FilesProvider(str(tmp_path / "*.csv"), sessions_of)],
        CircuitBreakers(home / "market.sqlite", clock),
    )
    ingest = Ingest(
        provider=chain,
        store=setup.store,
        quarantine=setup.quarantine,
        ticker_states=setup.ticker_states,
        sessions_of=sessions_of,
        join_tolerance=0.005,
        clock=clock,
    )

    report = ingest.ingest_ticker("MKC.V")

    assert report.bars == N_BARS
    assert report.quarantine.is_empty()
    clock.advance(days=3)
    ingest.ingest_ticker("MKC.V")
    assert asked == ["MKC.V", "MKC-V"]
