"""One faulty ticker: every other ticker still gets a forecast, and the faulty one is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars
from support.market.calendars import end_calendar
from support.providers.in_memory import FakeProvider

from core.errors import BarsError
from core.settings import load_settings
from forecasting.features.feature_set import feature_set
from forecasting.snapshot import Snapshot, read_snapshot
from market.bars import contract
from market.bars.quarantine import Quarantine
from market.calendars.exchanges import SessionsByTicker
from market.calendars.sessions import Sessions
from market.store import BarStore
from pipelines.assets import features
from pipelines.assets.features import feature_table
from pipelines.assets.market_data import build_daily_bars
from pipelines.assets.snapshot import feature_snapshot
from pipelines.checks import bar_quality, few_refused_rows, quality
from pipelines.partitions import all_partitions, follow_universe
from pipelines.resources import build_resources
from pipelines.settings import PipelineSettings
from pipelines.stages import feature_table as feature_stage

pytestmark = pytest.mark.slow

START, LAST = date(2012, 3, 1), date(2013, 3, 1)
FRIDAY_NIGHT = datetime(2013, 3, 1, 22, tzinfo=UTC)
HEALTHY = ("IBM", "MSFT")
BAD, BUGGY = "600999.SS", "601888.SS"
# An error that the code foresees, and one that it does not.
FAULTS = {BAD: BarsError("broken on purpose"), BUGGY: RuntimeError("a bug on purpose")}


@dataclass
class OneFault:
    """Bars of three tickers, of which a test spoils one, and a run over them."""

    home: Path
    instance: dg.DagsterInstance
    bars: dict[str, Any]
    clock: MovingClock

    def run(self) -> tuple[Snapshot, str]:
        """Run all steps up to the snapshot; return it, and all messages of the run."""
        follow_universe(self.instance, tuple(sorted(self.bars)))
        settings = load_settings(PipelineSettings, home=self.home)
        resources = {
            **build_resources(settings, self.clock),
            "provider": FakeProvider(self.bars),
        }
        result = dg.materialize(
            [
                build_daily_bars(settings),
                few_refused_rows,
                bar_quality,
                feature_table,
                feature_snapshot,
            ],
            instance=self.instance,
            tags=all_partitions(self.instance),
            resources=resources,
            raise_on_error=False,
        )
        assert result.success, [
            event.step_failure_data.error for event in result.get_step_failure_events()
        ]
        checks = [str(check.description) for check in result.get_asset_check_evaluations()]
        return read_snapshot(self.home / "snapshot", feature_set().hash), " ".join(checks)


def bars_of(ticker: str, exchange: str = "XNYS") -> pl.DataFrame:
    """Return real prices under a name, on the sessions of an exchange."""
    days = Sessions(exchange).between(START, LAST)
    bars = sample_bars("AAPL").tail(len(days))
    return bars.with_columns(ticker=pl.lit(ticker), session=days, source=pl.lit("fake"))


@pytest.fixture
def fault(tmp_path: Path) -> Iterator[OneFault]:
    bars: dict[str, Any] = {
        ticker: sample_bars(ticker, start=START, end=LAST) for ticker in HEALTHY
    }
    bars[BAD] = bars_of(BAD, "XSHG")
    with dg.DagsterInstance.ephemeral() as instance:
        yield OneFault(tmp_path, instance, bars, MovingClock(FRIDAY_NIGHT))


def raise_for_faulty(
    function: Callable[..., Any], find: Callable[..., str | None]
) -> Callable[..., Any]:
    def wrapper(*args: Any, **options: Any) -> Any:  # noqa: ANN401
        if faulty := find(*args):
            raise FAULTS[faulty]
        return function(*args, **options)

    return wrapper


def faulty_in(frame: pl.DataFrame, *_: object) -> str | None:
    return next((ticker for ticker in FAULTS if ticker in frame["ticker"]), None)


def faulty_among(_: object, tickers: str | list[str] | None = None, *__: object) -> str | None:
    named = [tickers] if isinstance(tickers, str) else tickers or ()
    return next((ticker for ticker in FAULTS if ticker in named), None)


STEPS: dict[str, tuple[object, str, Callable[..., str | None]]] = {
    "calendar": (SessionsByTicker, "__call__", faulty_among),
    "fetch": (FakeProvider, "fetch", faulty_among),
    "quarantine write": (Quarantine, "replace", faulty_among),
    "quarantine read": (Quarantine, "read", faulty_among),
    "store read": (BarStore, "read_in_parts", faulty_among),
    "quality": (quality, "examine_bars", faulty_in),
    "level changes": (feature_stage, "unusable_tickers", faulty_in),
    "adjustment": (feature_stage, "adjust_bars", faulty_in),
    "features": (feature_stage, "compute_features", faulty_in),
}
PROBES = {
    "level changes": "unusable_tickers",
    "adjustment": "adjust_bars",
    "features": "compute_features",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_fault_of_some_tickers_at_any_step_spares_the_others(
    fault: OneFault, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Regression: one ticker whose calendar, bars or quarantine failed stopped every other."""
    fault.bars[BUGGY] = bars_of(BUGGY, "XSHG")
    owner, name, find = STEPS[step]
    monkeypatch.setattr(owner, name, raise_for_faulty(getattr(owner, name), find))
    if probe := PROBES.get(step):
        monkeypatch.setattr(features, probe, raise_for_faulty(getattr(features, probe), find))

    snapshot, messages = fault.run()

    assert set(snapshot.tickers) >= set(HEALTHY)
    if step == "quality":  # the check only reports
        assert all(f"{ticker}: " in messages for ticker in FAULTS)
        assert "Not examined: " in messages
        return
    assert snapshot.tickers == HEALTHY
    assert snapshot.skipped.keys() == FAULTS.keys()
    for ticker, error in FAULTS.items():
        assert str(error) in messages + snapshot.skipped[ticker]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (
            date(2013, 3, 15),
            "got 21 sessions from 2013-03-01; install a newer `exchange-calendars`",
        ),
        (date(2013, 2, 28), "no bar of it is stored yet"),
    ],
)
def test_a_calendar_that_ends_leaves_out_its_tickers_only(
    fault: OneFault, monkeypatch: pytest.MonkeyPatch, end: date, reason: str
) -> None:
    """Regression: the end of the XSHG calendar left every ticker without a forecast."""
    end_calendar(monkeypatch, "XSHG", end)

    snapshot, messages = fault.run()

    assert snapshot.tickers == HEALTHY
    assert reason in snapshot.skipped[BAD]
    if end < LAST:
        assert f"{BAD}: `now` must be within the XSHG calendar" in messages


def test_a_ticker_whose_calendar_ended_after_its_ingest_is_left_out(
    fault: OneFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault.run()
    end_calendar(monkeypatch, "XSHG", LAST)
    fault.clock.move_to(datetime(2013, 3, 4, 22, tzinfo=UTC))

    snapshot, messages = fault.run()

    assert snapshot.tickers == HEALTHY
    assert "`n` must be within the XSHG calendar" in snapshot.skipped[BAD]
    assert f"Not examined: {BAD}: `now` must be within the XSHG calendar" in messages


def test_empty_volumes_leave_out_one_ticker_with_reason_count_file_and_setting(
    fault: OneFault,
) -> None:
    """Regression: 1.1 % empty volumes of one ticker stopped the run and named no ticker."""
    is_empty = pl.int_range(pl.len()).is_between(100, 105)
    fault.bars[BAD] = fault.bars[BAD].with_columns(volume=pl.when(~is_empty).then(pl.col("volume")))

    snapshot, messages = fault.run()

    assert snapshot.tickers == HEALTHY
    expected = re.compile(
        r"6 of \d+ rows \(\d\.\d+%\) were refused, most often because volume is missing "
        r"\(6 rows\); see .*/quarantine/600999%2ESS\.parquet; .*STOCKCAST_REFUSED_SHARE"
    )
    assert expected.search(snapshot.skipped[BAD])
    assert f"1 ticker is left out. {BAD}: " in messages

    fault.bars[BAD] = bars_of(BAD, "XSHG")
    snapshot, _ = fault.run()
    assert BAD in snapshot.tickers


def test_null_rows_on_holidays_and_rows_before_the_calendar_are_no_faults(
    fault: OneFault,
) -> None:
    """Regression: 42 null rows on US holidays, or bars of 1967, stopped every ticker."""
    ibm = fault.bars["IBM"]
    holidays = pl.date_range(START, LAST, eager=True).alias("session")
    nulls = pl.DataFrame(holidays).filter(~pl.col("session").is_in(ibm["session"].implode()))
    old = ibm.head(150).with_columns(session=pl.col("session").dt.offset_by("-45y"))
    empty = nulls.select(
        ticker=pl.lit("IBM"),
        session="session",
        **{
            name: pl.lit(None, dtype)
            for name, dtype in contract.BAR_SCHEMA.items()
            if name not in ("ticker", "session")
        },
    )
    fault.bars["IBM"] = pl.concat([old, ibm, empty])

    snapshot, _ = fault.run()

    assert "IBM" in snapshot.tickers
    assert BarStore(fault.home / "bars").read(["IBM"]).equals(ibm)
    assert Quarantine(fault.home / "quarantine").read(["IBM"]).is_empty()


def test_a_crypto_and_a_currency_pair_are_forecast_on_their_own_calendars(
    fault: OneFault,
) -> None:
    """Regression: the weekends of BTC-USD stopped every ticker."""
    days = pl.date_range(date(2012, 4, 1), LAST, eager=True)
    weekdays = days.filter(days.dt.weekday() <= 5)
    for ticker, sessions in (("BTC-USD", days), ("EURUSD=X", weekdays)):
        bars = sample_bars("AAPL").tail(len(sessions))
        fault.bars[ticker] = bars.with_columns(ticker=pl.lit(ticker), session=sessions)
    fault.clock.move_to(datetime(2013, 3, 2, 0, 30, tzinfo=UTC))

    snapshot, _ = fault.run()

    exchanges = dict(zip(snapshot.tickers, snapshot.exchanges, strict=True))
    assert exchanges["BTC-USD"] == "24/7"
    assert exchanges["EURUSD=X"] == "24/5"
    assert exchanges["IBM"] == "XNYS"
    targets = dict(zip(snapshot.tickers, snapshot.target_sessions[1], strict=True))
    assert targets["BTC-USD"] == date(2013, 3, 2)
    assert targets["EURUSD=X"] == date(2013, 3, 4)


def test_an_infinite_feature_leaves_out_its_ticker(
    fault: OneFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = feature_stage.compute_features

    def with_infinity(*args: Any) -> pl.DataFrame:  # noqa: ANN401
        table = compute(*args)
        value = pl.when(ticker=BAD).then(float("inf")).otherwise("log_return_past_1")
        return table.with_columns(value.alias("log_return_past_1"))

    monkeypatch.setattr(feature_stage, "compute_features", with_infinity)

    snapshot, _ = fault.run()

    assert snapshot.tickers == HEALTHY
    assert "is infinite" in snapshot.skipped[BAD]
