"""In a real run over real bars: what the quality checks say, warn of, and let through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from support.market.bars import sample_bars, xnys
from support.providers.in_memory import FakeProvider

from core.clock import SystemClock
from core.settings import load_settings
from market.calendars.sessions import Sessions
from market.store import BarStore
from pipelines.assets.market_data import DAILY_BARS, build_daily_bars
from pipelines.checks import bar_quality, few_refused_rows
from pipelines.partitions import all_partitions, follow_universe
from pipelines.resources import build_resources
from pipelines.settings import PipelineSettings

START = date(2011, 8, 1)
QUALITY = {
    "quality",
    "staleness",
    "level_changes",
    "missing_sessions",
    "stuck_prices",
    "outliers",
    "zero_volume",
}
PRICES = ("open", "high", "low", "close", "adj_close")


@dg.asset(deps=[DAILY_BARS])
def behind() -> None:
    """Whatever is made from the bars."""


@dataclass(frozen=True)
class Desk:
    """Runs that take bars in, check them, and make something from them."""

    home: Path
    instance: dg.DagsterInstance

    @property
    def store(self) -> BarStore:
        return BarStore(self.home / "bars")

    def run(self, bars: pl.DataFrame) -> Checked:
        by_ticker = {
            str(key[0]): part for key, part in bars.partition_by("ticker", as_dict=True).items()
        }
        follow_universe(self.instance, tuple(by_ticker))
        settings = load_settings(PipelineSettings, home=self.home)
        result = dg.materialize(
            [build_daily_bars(settings), few_refused_rows, bar_quality, behind],
            instance=self.instance,
            tags=all_partitions(self.instance),
            resources={**build_resources(settings), "provider": FakeProvider(by_ticker)},
            raise_on_error=False,
        )
        return Checked(result)

    def check(self) -> dict[str | None, dg.AssetCheckResult]:
        """Check what is stored, by itself."""
        context = dg.build_asset_check_context(instance=self.instance)
        settings = load_settings(PipelineSettings, home=self.home)
        results = bar_quality(context, settings=settings, bar_store=self.store, clock=SystemClock())
        return {result.check_name: result for result in results}


@dataclass(frozen=True)
class Checked:
    """What a run's checks said."""

    run: dg.ExecuteInProcessResult

    def __getitem__(self, name: str) -> dg.AssetCheckEvaluation:
        (found,) = (e for e in self.run.get_asset_check_evaluations() if e.check_name == name)
        return found

    def noticed(self) -> set[str]:
        return {e.check_name for e in self.run.get_asset_check_evaluations() if not e.passed}

    def metadata(self, name: str, key: str) -> object:
        return self[name].metadata[key].value

    @property
    def went_on(self) -> bool:
        return bool(self.run.asset_materializations_for_node("behind"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(tmp_path, instance)


@pytest.fixture(scope="module")
def of_sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, Checked]]:
    with dg.DagsterInstance.ephemeral() as instance:
        desk = Desk(tmp_path_factory.mktemp("sample"), instance)
        yield desk, desk.run(sample_bars())


def behind_by(last: date) -> int:
    sessions = xnys()
    return len(sessions.between(last, sessions.last_closed(datetime.now(UTC)))) - 1


def rows(first: int, length: int) -> pl.Expr:
    return pl.int_range(pl.len()).is_between(first, first + length - 1)


def test_the_sample_is_old_and_has_outliers_and_goes_through(
    of_sample: tuple[Desk, Checked],
) -> None:
    _, checked = of_sample

    assert checked.run.success
    assert checked.went_on
    assert checked.noticed() == {"quality", "staleness", "outliers"}
    severities = {e.severity for e in checked.run.get_asset_check_evaluations() if not e.passed}
    assert severities == {dg.AssetCheckSeverity.WARN}
    assert checked["quality"].description == (
        "12,154 bars of 5 tickers: staleness, outliers to look at."
    )


def test_the_fall_of_apple_is_listed_and_stays_in_the_store(
    of_sample: tuple[Desk, Checked],
) -> None:
    desk, checked = of_sample

    listed = "| AAPL | 2000-09-29 | 2000-09-29 | 1 | -51.9 %, 20.4 times its usual move |"
    assert listed in str(checked.metadata("outliers", "found"))
    assert checked.metadata("outliers", "sessions") == 6
    assert checked.metadata("outliers", "tickers") == 4
    assert desk.store.read().equals(sample_bars())


def test_staleness_is_told_in_sessions(of_sample: tuple[Desk, Checked]) -> None:
    _, checked = of_sample

    n = behind_by(date(2013, 3, 1))
    assert checked["staleness"].description == (
        f"All 5 tickers end on 2013-03-01, {n:,} sessions behind."
    )
    table = str(checked.metadata("staleness", "by_ticker"))
    assert f"| AAPL | XNYS | 2013-03-01 | {n:,} |" in table


def test_the_overview_shows_a_picture_and_every_ticker(of_sample: tuple[Desk, Checked]) -> None:
    _, checked = of_sample

    assert str(checked.metadata("quality", "map")).startswith("![quality of the daily bars](data:")
    table = str(checked.metadata("quality", "by_ticker"))
    assert all(f"\n| {ticker} | XNYS |" in table for ticker in ("AAPL", "FB", "GOOG"))


def test_one_step_answers_all_quality_checks_of_a_partitioned_asset(
    of_sample: tuple[Desk, Checked],
) -> None:
    _, checked = of_sample

    named = {e.check_name for e in checked.run.get_asset_check_evaluations()}
    assert named == QUALITY | {"few_refused_rows", "every_ticker_answered"}
    assert {e.step_key for e in checked.run.get_step_success_events()} == {
        "daily_bars",
        "daily_bars_few_refused_rows",
        "daily_bars_quality",
        "behind",
    }


def test_the_worst_ticker_behind_comes_first(desk: Desk) -> None:
    gone = sample_bars("IBM", start=START).head(50).with_columns(ticker=pl.lit("GONE"))
    checked = desk.run(pl.concat([sample_bars("IBM", start=START), gone]))

    last = gone["session"][-1]
    n = behind_by(last)
    assert checked["staleness"].description == (
        f"2 of 2 tickers are behind, at worst GONE: {n:,} sessions behind, "
        f"its last bar is of {last}."
    )
    assert checked.metadata("staleness", "sessions_behind") == n
    table = str(checked.metadata("staleness", "by_ticker"))
    assert table.index("| GONE |") < table.index("| IBM |")


def test_bars_up_to_the_last_session_are_not_stale(desk: Desk) -> None:
    sessions = xnys()
    due = sessions.last_closed(datetime.now(UTC))
    days = sessions.between(sessions.offset(due, -60), sessions.offset(due, -1))
    recent = sample_bars("IBM", start=START).head(len(days)).with_columns(days)

    checked = desk.run(recent)

    assert checked["staleness"].passed
    assert checked["staleness"].description == "Every ticker is up to date with its exchange."


def test_a_ticker_without_bars_is_named(desk: Desk) -> None:
    follow_universe(desk.instance, ("IBM", "NEVER"))
    desk.store.upsert(sample_bars("IBM", start=START))

    said = desk.check()["staleness"].description

    assert str(said).endswith("Followed, but without bars yet: NEVER.")


def test_a_ticker_that_is_no_longer_followed_is_not_judged(desk: Desk) -> None:
    follow_universe(desk.instance, ("IBM",))
    desk.store.upsert(sample_bars("AAPL", "IBM", start=START))

    assert str(desk.check()["quality"].description).startswith("398 bars of 1 tickers")


def test_a_ticker_follows_the_calendar_of_its_own_exchange(desk: Desk) -> None:
    # Boxing Day is a session in New York and none in London.
    bars = sample_bars("IBM", start=START).filter(pl.col("session") != date(2012, 12, 26))
    london = bars.with_columns(ticker=pl.lit("IBM.L")).filter(
        pl.col("session").is_in(Sessions("XLON").between(START, date(2013, 3, 1)).implode())
    )
    follow_universe(desk.instance, ("IBM", "IBM.L"))
    desk.store.upsert(pl.concat([bars, london]))

    found = str(desk.check()["missing_sessions"].metadata["found"].value)

    assert "| IBM | 2012-12-26 | 2012-12-26 | 1 |" in found
    assert "| IBM.L | 2012-12-26 |" not in found


def test_an_empty_store_has_nothing_to_look_at(desk: Desk) -> None:
    results = desk.check()

    assert results.keys() == QUALITY
    assert all(result.passed for result in results.values())
    assert "map" not in results["quality"].metadata


def faulty() -> pl.DataFrame:
    """Calm bars of IBM with a hole, a stuck stretch and sessions without volume."""
    bars = sample_bars("IBM", start=START)
    stuck, untraded = rows(100, 6), rows(300, 2)
    return bars.with_columns(
        *(pl.when(stuck).then(pl.col(n).get(100)).otherwise(pl.col(n)).alias(n) for n in PRICES),
        volume=pl.when(untraded).then(0).otherwise("volume"),
    ).filter(~rows(200, 3))


def test_faults_are_counted_and_listed_and_stop_nothing(desk: Desk) -> None:
    bars = faulty()
    checked = desk.run(bars)

    assert checked.went_on
    assert checked.noticed() == QUALITY - {"level_changes", "outliers"}
    assert checked["missing_sessions"].description == (
        "3 sessions in 1 of 1 tickers, first of all IBM 2012-05-16 to 2012-05-18, 3 sessions."
    )
    assert "| IBM | 3 | 0.007595 |" in str(checked.metadata("missing_sessions", "by_ticker"))
    assert checked.metadata("stuck_prices", "sessions") == 6
    assert checked.metadata("zero_volume", "sessions") == 2
    assert desk.store.read().equals(bars)


def pence(ticker: str) -> pl.DataFrame:
    """Real bars whose last fifty are given in another unit."""
    bars = sample_bars(ticker, start=START)
    late = rows(bars.height - 50, 50)
    return bars.with_columns(
        pl.when(late).then(pl.col(name) * 100).otherwise(pl.col(name)).alias(name)
        for name in PRICES
    )


def test_a_change_of_level_is_an_error_that_holds_up_no_other_ticker(desk: Desk) -> None:
    bars = pl.concat([pence("IBM"), sample_bars("MSFT", start=START)])
    checked = desk.run(bars)

    assert checked.went_on
    assert checked["level_changes"].severity == dg.AssetCheckSeverity.ERROR
    assert not checked["level_changes"].passed
    assert checked["level_changes"].description == (
        "1 session in 1 of 2 tickers, first of all IBM 2012-12-18 (close 19569 after 193.62, "
        "split unknown). Mend the bars or record the split: until then the "
        "ticker is left out."
    )
    assert desk.store.read().equals(bars)
