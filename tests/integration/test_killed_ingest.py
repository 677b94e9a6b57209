"""An ingest over HTTP that is killed repeatedly requests no stored data again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.alpha_vantage.emulator import FREE_KEY, AlphaVantageEmulator
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars
from support.market.ingest_setup import EVENING
from support.market.sample_actions import sample_actions
from support.programs import killed_ingest

from market.bars.corporate_actions import actions_known_through
from market.ingest.ticker_state import TickerStateStore
from market.store import BarStore

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
TICKERS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
# Each run continues from the state that the previous one left.
DEATHS = (
    "connect:20",  # while the ledger records a request
    "AlphaVantageClient._validate:2",  # a request is counted, its response not parsed
    "BarStore.upsert:1",  # a response is parsed, not stored
    "TickerStateStore.update:1",  # bars are stored, the ticker state is not
    "Writer.upsert:2",  # in the middle of an upsert
    "fetchone:200",
    "AlphaVantageClient._validate:4",  # splits are requested, dividends are not
    "TickerStateStore.update:2",  # splits and dividends are stored, the ticker state is not
)


@pytest.fixture
def emulator() -> Iterator[AlphaVantageEmulator]:
    with AlphaVantageEmulator(
        sample_bars(*TICKERS),
        MovingClock(EVENING),
        actions=sample_actions(*TICKERS),
        # The client keeps a free key's rate limit on its own clock, not on the emulator's.
        keys={FREE_KEY: "premium_1200"},
    ) as service:
        yield service


def run(home: Path, url: str, boot: int, death: str = "never") -> int:
    command = [sys.executable, killed_ingest.__file__, str(home), url, str(boot), death, *TICKERS]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr.decode()
    return done.returncode


def stored_requests(home: Path) -> set[tuple[str, str]]:
    """Return the ticker and function of every request whose data is stored."""
    store = BarStore(home / "bars")
    requests = set()
    for ticker in store.tickers():
        bars = store.read([ticker])
        requests.add((ticker, "TIME_SERIES_DAILY"))
        if actions_known_through(bars) == bars["session"][-1]:
            requests |= {(ticker, "SPLITS"), (ticker, "DIVIDENDS")}
    return requests


def test_a_killed_ingest_reaches_the_same_store_and_requests_no_stored_data_again(
    tmp_path: Path, emulator: AlphaVantageEmulator
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    assert run(undisturbed, emulator.url, 0) == 0
    n_calls = len(emulator.calls)
    assert n_calls == 3 * len(TICKERS)

    for boot, death in enumerate((*DEATHS, "never")):
        already, made = stored_requests(killed), len(emulator.calls)
        emulator.clock.sleep(10)
        expected = 0 if death == "never" else -signal.SIGKILL
        assert run(killed, emulator.url, boot, death) == expected, death
        again = already & {(call.symbol, call.function) for call in emulator.calls[made:]}
        assert not again, f"{death}: {again}"

    whole, store = BarStore(undisturbed / "bars"), BarStore(killed / "bars")
    assert store.fingerprint() == whole.fingerprint()
    assert store.read().equals(whole.read())
    assert whole.read().get_column("split_factor").null_count() == 0
    records, expected_records = (
        TickerStateStore(home / "market.sqlite").read() for home in (killed, undisturbed)
    )
    for ticker, record in records.items():
        assert record.actions_through == expected_records[ticker].actions_through
    # A kill wastes the current request, and both requests of a pair if it hits the second.
    calls = Counter(call.outcome for call in emulator.calls)
    assert calls["served"] == len(emulator.calls) <= 2 * n_calls + len(DEATHS) + 1
