"""The published snapshot follows the calendar of the exchange of every ticker."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from support.market.bars import sample_bars

from forecasting.features.feature_set import feature_set
from forecasting.price_history import SESSIONS, unpack_prices
from forecasting.snapshot import Snapshot, read_snapshot
from market.bars.quarantine import Quarantine
from market.calendars.sessions import Sessions
from market.store import BarStore
from pipelines.assets.features import feature_table
from pipelines.assets.monitoring import drift_report
from pipelines.assets.snapshot import feature_snapshot
from pipelines.settings import PipelineSettings
from pipelines.stages.store import StageStore

BOXING_DAY = date(2012, 12, 26)


def publish(home: Path, bars: pl.DataFrame) -> Snapshot:
    assert run(home, bars).success
    return read_snapshot(home / "snapshot", feature_set().hash)


def run(home: Path, bars: pl.DataFrame) -> dg.ExecuteInProcessResult:
    store, stages = BarStore(home / "bars"), StageStore(home / "stages")
    store.upsert(bars)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("tickers", store.tickers())
        return dg.materialize(
            [feature_table, feature_snapshot, drift_report],
            instance=instance,
            resources={
                "settings": PipelineSettings(home=home),
                "bar_store": store,
                "quarantine": Quarantine(home / "quarantine"),
                "stages": stages,
                "io_manager": stages,
            },
        )


def bars_until(ticker: str, last: date, exchange: str) -> pl.DataFrame:
    """Return real prices of IBM under another name, on the sessions of `exchange`."""
    bars = sample_bars("IBM", start=date(2012, 1, 3)).filter(pl.col("session") <= last)
    sessions = Sessions(exchange).between(date(2012, 1, 3), last).implode()
    return bars.filter(pl.col("session").is_in(sessions)).with_columns(ticker=pl.lit(ticker))


def test_target_sessions_follow_the_exchange_of_each_ticker(tmp_path: Path) -> None:
    """Regression: a session of only one exchange prevented the publication."""
    last = date(2013, 1, 21)  # Martin Luther King's day: New York is closed, London trades
    new_york = bars_until("IBM", date(2013, 1, 18), "XNYS")
    london = bars_until("AZN.L", date(2013, 1, 18), "XLON")
    monday = london.tail(1).with_columns(session=pl.lit(last))

    snapshot = publish(tmp_path, pl.concat([new_york, london, monday]))

    assert snapshot.tickers == ("AZN.L", "IBM")
    assert snapshot.exchanges == ("XLON", "XNYS")
    assert snapshot.as_of == (last, date(2013, 1, 18))
    assert snapshot.target_sessions[1] == (date(2013, 1, 22), date(2013, 1, 22))
    assert snapshot.target_sessions[5] == (date(2013, 1, 28), date(2013, 1, 28))
    assert snapshot.target_sessions[21] == (date(2013, 2, 19), date(2013, 2, 20))


def test_the_published_prices_are_the_adjusted_closes_up_to_each_window(tmp_path: Path) -> None:
    bars = pl.concat(
        [bars_until("IBM", BOXING_DAY, "XNYS"), bars_until("AZN.L", BOXING_DAY, "XLON")]
    )

    snapshot = publish(tmp_path, bars)

    assert snapshot.prices is not None
    for place, ticker in enumerate(snapshot.tickers):
        series = unpack_prices(snapshot.prices[place])
        expected = bars.filter(ticker=ticker).tail(SESSIONS)
        assert series.sessions.tolist() == expected["session"].to_list()
        assert series.sessions[-1] == np.datetime64(snapshot.as_of[place])
        assert series.closes[-1] == pytest.approx(snapshot.close[place], rel=1e-6)
        adjusted = expected["adj_close"].to_numpy()
        np.testing.assert_allclose(
            np.diff(np.log(series.closes)), np.diff(np.log(adjusted)), atol=1e-6
        )


def test_bars_of_another_calendar_affect_no_other_ticker(tmp_path: Path) -> None:
    off_calendar = bars_until("VOD.L", BOXING_DAY, "XNYS")

    snapshot = publish(tmp_path, pl.concat([bars_until("IBM", BOXING_DAY, "XNYS"), off_calendar]))

    assert snapshot.tickers == ("IBM",)
    assert "2012-12-26, which is not a session of XLON" in snapshot.skipped["VOD.L"]


def test_a_history_too_short_for_a_window_or_for_drift_fails_no_run(tmp_path: Path) -> None:
    """A free key starts with 100 bars. Its runs must succeed until there are enough."""
    hundred = sample_bars("IBM", "MSFT").group_by("ticker", maintain_order=True).tail(100)

    result = run(tmp_path, hundred)

    assert result.success
    made = {e.asset_key.to_user_string() for e in result.get_asset_materialization_events()}
    assert made == {"feature_table"}
    assert not (tmp_path / "snapshot").exists()
