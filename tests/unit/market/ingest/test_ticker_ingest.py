"""What an ingest asks for, and what it stores: one provider, day by day."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars, xnys
from support.market.ingest_setup import (
    EVENING,
    FRIDAY,
    MONDAY,
    TUESDAY,
    VALUES,
    ClockedProvider,
    IngestSetup,
    as_traded,
    free_key,
    premium_key,
    setup_of,
)
from support.providers.in_memory import FakeProvider

from core.errors import TierError


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(EVENING)


@pytest.fixture
def premium(clock: MovingClock) -> ClockedProvider:
    return premium_key(clock, "AAPL", "FB", "IBM")


@pytest.fixture
def free(clock: MovingClock) -> ClockedProvider:
    return free_key(clock, "AAPL", "FB", "IBM")


def test_a_new_ticker_is_read_whole_once(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)

    report = setup.ingest_ticker()

    assert setup.bars().select(VALUES).equals(as_traded("AAPL", end=FRIDAY))
    assert (report.outcome, report.sessions_behind, report.restated) == ("ingested", 0, 0)
    assert report.sources == {"alpha_vantage": setup.bars().height}
    assert report.actions_through == FRIDAY
    assert premium.calls == [("AAPL", None)]
    assert setup.ticker_states.get("AAPL").has_full_history


def test_what_is_up_to_date_is_not_asked_for(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    setup.clock.advance(days=2)  # a Sunday

    report = setup.ingest_ticker()

    assert (report.outcome, report.bars, report.sessions_behind) == ("up_to_date", 0, 0)
    assert len(premium.calls) == 1


def test_a_new_session_is_asked_for_with_a_short_overlap(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    setup.to_evening_of(MONDAY)

    report = setup.ingest_ticker()

    ticker, span = premium.calls[-1]
    assert span is not None
    assert (ticker, span.start, span.n_sessions) == ("AAPL", date(2012, 5, 25), 6)
    assert (report.stored.inserted, report.stored.updated) == (1, 0)
    assert setup.bars().select(VALUES).equals(as_traded("AAPL", end=MONDAY))


def test_day_by_day_gives_what_one_reading_gives(tmp_path: Path, premium: ClockedProvider) -> None:
    setup, whole = setup_of(tmp_path / "daily", premium), setup_of(tmp_path / "whole", premium)
    sessions = xnys().between(FRIDAY, date(2012, 7, 6))
    for session in sessions:
        setup.to_evening_of(session)
        setup.ingest_ticker()

    whole.ingest_ticker()

    assert setup.store.fingerprint() == whole.store.fingerprint()
    assert len(premium.calls) == 1 + len(sessions)


def test_a_provider_that_publishes_late_is_asked_again_and_nothing_is_wrong(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    setup.to_evening_of(MONDAY)
    premium.delay = 1

    late = setup.ingest_ticker()

    assert (late.outcome, late.sessions_behind) == ("nothing_new", 1)
    assert setup.wants() == "nothing"
    premium.delay = 0
    setup.clock.advance(hours=3)
    assert setup.ingest_ticker().outcome == "ingested"
    assert setup.ticker_states.get("AAPL").stale_responses == 0


def test_an_answer_that_lacks_the_newest_session_alone_is_not_asked_again_at_once(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    setup.to_evening_of(TUESDAY)
    premium.delay = 1

    report = setup.ingest_ticker()

    assert (report.outcome, report.sessions_behind, setup.wants()) == ("ingested", 1, "nothing")
    setup.clock.advance(hours=3)
    assert setup.wants() == "bars"


def test_a_tier_that_has_no_history_gives_what_it_reaches_and_says_what_to_do(
    tmp_path: Path, free: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, free)

    report = setup.ingest_ticker()

    assert setup.bars().height == 100
    assert not setup.ticker_states.get("AAPL").has_full_history
    assert "no more history than our tier reaches back" in report.notes[0]
    assert len(free.calls) == 1  # what the tier refuses is not asked


def test_a_short_history_is_completed_as_soon_as_somebody_has_it(
    tmp_path: Path, free: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, free)
    setup.ingest_ticker()
    free.reach = None
    assert setup.wants() == "actions"
    setup.to_evening_of(MONDAY)

    setup.ingest_ticker()

    assert setup.bars().select(VALUES).equals(as_traded("AAPL", end=MONDAY))
    assert setup.ticker_states.get("AAPL").has_full_history


def test_a_young_listing_is_complete_although_it_is_short(
    tmp_path: Path, free: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, free)

    report = setup.ingest_ticker("FB")

    assert report.first_session == date(2012, 5, 18)
    assert report.notes == ()
    assert setup.ticker_states.get("FB").has_full_history


def test_a_gap_within_the_reach_is_filled_by_one_call(
    tmp_path: Path, free: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, free)
    setup.ingest_ticker()
    setup.to_evening_of(xnys().offset(FRIDAY, 97))

    setup.ingest_ticker()

    stored = setup.bars().get_column("session")
    assert stored.equals(xnys().between(stored[0], xnys().offset(FRIDAY, 97)))
    assert len(free.calls) == 2


def test_a_gap_longer_than_the_reach_is_never_left_as_a_hole(
    tmp_path: Path, free: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, free)
    setup.ingest_ticker()
    before = setup.store.fingerprint()
    setup.to_evening_of(xnys().offset(FRIDAY, 98))

    with pytest.raises(TierError, match="STOCKCAST_BACKUPS") as caught:
        setup.ingest_ticker()

    assert "98 sessions after 2012-06-01" in str(caught.value)
    assert "giant return" in str(caught.value)
    assert setup.store.fingerprint() == before
    assert len(free.calls) == 1
    assert setup.wants() == "nothing"  # until the next session
    setup.to_evening_of(xnys().offset(FRIDAY, 99))
    assert setup.wants() == "history"


def test_a_session_that_goes_on_is_not_taken_in(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)
    premium.delay = -1  # Monday's bar is there although it is Friday

    report = setup.ingest_ticker()

    assert (report.last_session, report.quarantine.height) == (FRIDAY, 0)


def test_a_provider_that_costs_nothing_is_read_whole_each_time(
    tmp_path: Path, clock: MovingClock
) -> None:
    files = FakeProvider({"AAPL": sample_bars("AAPL")}, name="files")
    setup = IngestSetup(tmp_path, clock, files)
    setup.take_from(files)
    setup.clock.advance(days=400)

    first = setup.ingest_ticker()
    files.bars["AAPL"] = sample_bars("AAPL").with_columns(pl.col("adj_close") / 2)
    second = setup.ingest_ticker()

    assert not setup.ingest.costs_calls
    assert first.outcome == second.outcome == "ingested"
    assert second.stored.updated == first.stored.inserted == sample_bars("AAPL").height
    assert files.calls == [("AAPL", None)] * 2
    assert setup.wants() == "history"


def test_no_clock_makes_it_ask_twice(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()

    setup.clock.set_wall(EVENING - timedelta(days=30))

    assert setup.ingest_ticker().outcome == "up_to_date"
    assert len(premium.calls) == 1
