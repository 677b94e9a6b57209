"""Ingest of one ticker from one provider: requests, stored bars and reports."""

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
    setup_of,
)
from support.providers.in_memory import FakeProvider

from core.errors import TierError


def test_new_ticker_gets_its_whole_history_with_one_request(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, premium)

    report = setup.ingest_ticker()

    assert setup.bars().select(VALUES).equals(as_traded("AAPL", end=FRIDAY))
    assert (report.outcome, report.sessions_behind, report.restated) == ("ingested", 0, 0)
    assert report.sources == {"alpha_vantage": setup.bars().height}
    assert report.actions_through == FRIDAY
    assert premium.calls == [("AAPL", None)]
    assert setup.ticker_states.get("AAPL").has_full_history


def test_up_to_date_ticker_needs_no_request(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    setup.clock.advance(days=2)  # a Sunday

    report = setup.ingest_ticker()

    assert (report.outcome, report.bars, report.sessions_behind) == ("up_to_date", 0, 0)
    assert len(premium.calls) == 1


def test_new_session_is_fetched_with_an_overlap(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    setup.to_evening_of(MONDAY)

    report = setup.ingest_ticker()

    ticker, session_range = premium.calls[-1]
    assert session_range is not None
    assert (ticker, session_range.start, session_range.n_sessions) == ("AAPL", date(2012, 5, 25), 6)
    assert (report.stored.inserted, report.stored.updated) == (1, 0)
    assert setup.bars().select(VALUES).equals(as_traded("AAPL", end=MONDAY))


def test_daily_ingest_equals_one_ingest_of_all_sessions(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    setup, whole = setup_of(tmp_path / "daily", premium), setup_of(tmp_path / "whole", premium)
    sessions = xnys().between(FRIDAY, date(2012, 7, 6))
    for session in sessions:
        setup.to_evening_of(session)
        setup.ingest_ticker()

    whole.ingest_ticker()

    assert setup.store.fingerprint() == whole.store.fingerprint()
    assert len(premium.calls) == 1 + len(sessions)


def test_late_bar_is_fetched_after_three_hours(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    setup.to_evening_of(MONDAY)
    premium.delay = 1

    late = setup.ingest_ticker()

    assert (late.outcome, late.sessions_behind) == ("nothing_new", 1)
    assert setup.due_kind() == "nothing"
    premium.delay = 0
    setup.clock.advance(hours=3)
    assert setup.ingest_ticker().outcome == "ingested"
    assert setup.ticker_states.get("AAPL").stale_responses == 0


def test_response_without_the_newest_session_is_not_retried_at_once(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    setup.to_evening_of(TUESDAY)
    premium.delay = 1

    report = setup.ingest_ticker()

    assert (report.outcome, report.sessions_behind, setup.due_kind()) == ("ingested", 1, "nothing")
    setup.clock.advance(hours=3)
    assert setup.due_kind() == "bars"


def test_limited_tier_fetches_its_reach_with_a_note(tmp_path: Path, free: ClockedProvider) -> None:
    setup = setup_of(tmp_path, free)

    report = setup.ingest_ticker()

    assert setup.bars().height == 100
    assert not setup.ticker_states.get("AAPL").has_full_history
    assert "no more history than the tier of the key reaches back" in report.notes[0]
    assert len(free.calls) == 1  # a refusal by the tier costs no request


def test_incomplete_history_is_completed_after_the_next_session(
    tmp_path: Path, free: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, free)
    setup.ingest_ticker()
    free.reach = None
    assert setup.due_kind() == "actions"
    setup.to_evening_of(MONDAY)

    setup.ingest_ticker()

    assert setup.bars().select(VALUES).equals(as_traded("AAPL", end=MONDAY))
    assert setup.ticker_states.get("AAPL").has_full_history


def test_short_history_of_a_new_listing_is_complete(tmp_path: Path, free: ClockedProvider) -> None:
    setup = setup_of(tmp_path, free)

    report = setup.ingest_ticker("FB")

    assert report.first_session == date(2012, 5, 18)
    assert report.notes == ()
    assert setup.ticker_states.get("FB").has_full_history


def test_gap_within_the_reach_is_filled_with_one_request(
    tmp_path: Path, free: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, free)
    setup.ingest_ticker()
    setup.to_evening_of(xnys().offset(FRIDAY, 97))

    setup.ingest_ticker()

    stored = setup.bars().get_column("session")
    assert stored.equals(xnys().between(stored[0], xnys().offset(FRIDAY, 97)))
    assert len(free.calls) == 2


def test_gap_beyond_the_reach_raises(tmp_path: Path, free: ClockedProvider) -> None:
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
    assert setup.due_kind() == "nothing"  # until the next session
    setup.to_evening_of(xnys().offset(FRIDAY, 99))
    assert setup.due_kind() == "history"


def test_session_in_progress_is_ignored(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)
    premium.delay = -1  # the provider has Monday's bar on Friday

    report = setup.ingest_ticker()

    assert (report.last_session, report.quarantine.height) == (FRIDAY, 0)


def test_provider_without_limits_is_read_whole_each_time(
    tmp_path: Path, evening_clock: MovingClock
) -> None:
    files = FakeProvider({"AAPL": sample_bars("AAPL")}, name="files")
    setup = IngestSetup(tmp_path, evening_clock, files)
    setup.use(files)
    setup.clock.advance(days=400)

    first = setup.ingest_ticker()
    files.bars["AAPL"] = sample_bars("AAPL").with_columns(pl.col("adj_close") / 2)
    second = setup.ingest_ticker()

    assert not setup.ingest.costs_calls
    assert first.outcome == second.outcome == "ingested"
    assert second.stored.updated == first.stored.inserted == sample_bars("AAPL").height
    assert files.calls == [("AAPL", None)] * 2
    assert setup.due_kind() == "history"


def test_wall_clock_that_goes_back_causes_no_request(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()

    setup.clock.set_wall(EVENING - timedelta(days=30))

    assert setup.ingest_ticker().outcome == "up_to_date"
    assert len(premium.calls) == 1
