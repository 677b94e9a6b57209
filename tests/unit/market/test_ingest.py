"""What an ingest asks for, and what it stores: one provider, day by day."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.bars import sample_bars, xnys
from support.ingests import EVENING, FRIDAY, ClockedProvider, Desk, raw_bars
from support.moving_clock import MovingClock
from support.providers import FakeProvider
from support.sample_actions import with_sample_actions

from market.errors import JoinRefusedError, ProviderDownError, TierError, UnknownTickerError

MONDAY, TUESDAY = date(2012, 6, 4), date(2012, 6, 5)
VALUES = ["session", "open", "high", "low", "close", "volume"]


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(EVENING)


@pytest.fixture
def premium(clock: MovingClock) -> ClockedProvider:
    bars = {ticker: sample_with_events(ticker) for ticker in ("AAPL", "FB", "IBM")}
    return ClockedProvider(bars, clock, actions_apart=False)


@pytest.fixture
def free(clock: MovingClock) -> ClockedProvider:
    bars = {ticker: raw_bars(ticker) for ticker in ("AAPL", "FB", "IBM")}
    return ClockedProvider(bars, clock, reach=100)


def sample_with_events(ticker: str) -> pl.DataFrame:
    return with_sample_actions(sample_bars(ticker))


def desk_of(tmp_path: Path, provider: ClockedProvider) -> Desk:
    return Desk(tmp_path, provider.clock, provider)


def as_traded(ticker: str, *, end: date, start: date = date(2000, 3, 1)) -> pl.DataFrame:
    return sample_bars(ticker, start=start, end=end).select(VALUES)


def test_a_new_ticker_is_read_whole_once(tmp_path: Path, premium: ClockedProvider) -> None:
    desk = desk_of(tmp_path, premium)

    report = desk.take_in()

    assert desk.bars().select(VALUES).equals(as_traded("AAPL", end=FRIDAY))
    assert (report.outcome, report.sessions_behind, report.restated) == ("taken_in", 0, 0)
    assert report.sources == {"alpha_vantage": desk.bars().height}
    assert report.actions_through == FRIDAY
    assert premium.calls == [("AAPL", None)]
    assert desk.records.of("AAPL").complete


def test_what_is_up_to_date_is_not_asked_for(tmp_path: Path, premium: ClockedProvider) -> None:
    desk = desk_of(tmp_path, premium)
    desk.take_in()
    desk.clock.advance(days=2)  # a Sunday

    report = desk.take_in()

    assert (report.outcome, report.bars, report.sessions_behind) == ("up_to_date", 0, 0)
    assert len(premium.calls) == 1


def test_a_new_session_is_asked_for_with_a_short_overlap(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, premium)
    desk.take_in()
    desk.to_evening_of(MONDAY)

    report = desk.take_in()

    ticker, span = premium.calls[-1]
    assert span is not None
    assert (ticker, span.since, span.sessions) == ("AAPL", date(2012, 5, 25), 6)
    assert (report.stored.inserted, report.stored.updated) == (1, 0)
    assert desk.bars().select(VALUES).equals(as_traded("AAPL", end=MONDAY))


def test_day_by_day_gives_what_one_reading_gives(tmp_path: Path, premium: ClockedProvider) -> None:
    desk, whole = desk_of(tmp_path / "daily", premium), desk_of(tmp_path / "whole", premium)
    sessions = xnys().between(FRIDAY, date(2012, 7, 6))
    for session in sessions:
        desk.to_evening_of(session)
        desk.take_in()

    whole.take_in()

    assert desk.store.fingerprint() == whole.store.fingerprint()
    assert len(premium.calls) == 1 + len(sessions)


def test_a_provider_that_publishes_late_is_asked_again_and_nothing_is_wrong(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, premium)
    desk.take_in()
    desk.to_evening_of(MONDAY)
    premium.delay = 1

    late = desk.take_in()

    assert (late.outcome, late.sessions_behind) == ("nothing_new", 1)
    assert desk.wants() == "nothing"
    premium.delay = 0
    desk.clock.advance(hours=3)
    assert desk.take_in().outcome == "taken_in"
    assert desk.records.of("AAPL").quiet == 0


def test_an_answer_that_lacks_the_newest_session_alone_is_not_asked_again_at_once(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, premium)
    desk.take_in()
    desk.to_evening_of(TUESDAY)
    premium.delay = 1

    report = desk.take_in()

    assert (report.outcome, report.sessions_behind, desk.wants()) == ("taken_in", 1, "nothing")
    desk.clock.advance(hours=3)
    assert desk.wants() == "bars"


def test_a_ticker_that_stops_trading_costs_fewer_and_fewer_calls(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    premium.bars["AAPL"] = sample_with_events("AAPL").filter(pl.col("session") <= FRIDAY)
    desk = desk_of(tmp_path, premium)
    sessions = xnys().between(FRIDAY, date(2013, 2, 28))

    for session in sessions:
        desk.to_evening_of(session)
        desk.take_in()

    # One for its history; then after 1, 2, 3, 5, 10, 20, 41, 62, ... sessions.
    assert len(sessions) == 186
    assert len(premium.calls) == 14
    assert desk.records.of("AAPL").quiet == 13
    assert "asked every 21 sessions" in desk.take_in().notes[0]


def test_a_ticker_that_trades_again_is_asked_every_session_again(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    whole = sample_with_events("AAPL")
    premium.bars["AAPL"] = whole.filter(pl.col("session") <= FRIDAY)
    desk = desk_of(tmp_path, premium)
    desk.take_in()
    for _ in range(10):
        desk.clock.advance(days=1)
        desk.take_in()

    # Halted for two weeks: those sessions have no bars.
    premium.bars["AAPL"] = whole.filter(
        (pl.col("session") <= FRIDAY) | (pl.col("session") > date(2012, 6, 15))
    )
    while desk.take_in().sessions_behind:
        desk.clock.advance(days=1)

    assert desk.records.of("AAPL").quiet == 0
    assert desk.bars().filter(pl.col("session") > FRIDAY).height >= 1


def test_a_ticker_that_nobody_knows_does_not_burn_a_call_a_day(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, premium)

    with pytest.raises(UnknownTickerError):
        desk.take_in("APPL")
    assert desk.take_in("APPL").notes[0].startswith("APPL: not asked for a while")
    for session in xnys().between(MONDAY, date(2012, 7, 31)):
        desk.to_evening_of(session)
        if desk.wants("APPL") != "nothing":
            with pytest.raises(UnknownTickerError):
                desk.take_in("APPL")

    assert len(premium.calls) == 1 + 5  # after 1, 3, 8, 18, 39 sessions


def test_a_person_who_insists_does_not_wait(tmp_path: Path, premium: ClockedProvider) -> None:
    desk = desk_of(tmp_path, premium)
    with pytest.raises(UnknownTickerError):
        desk.take_in("MSFT")
    premium.bars["MSFT"] = sample_with_events("MSFT")

    assert desk.take_in("MSFT").outcome == "nothing_new"
    assert desk.ingest.take_in("MSFT", insist=True).outcome == "taken_in"
    assert desk.records.of("MSFT").failures == 0


def test_a_provider_that_is_down_is_remembered_but_not_waited_for(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, premium)
    premium.fail()

    with pytest.raises(ProviderDownError):
        desk.take_in()

    record = desk.records.of("AAPL")
    assert (record.permanent, record.failures, desk.wants()) == (False, 0, "history")
    assert record.failure == "alpha_vantage does not answer."
    premium.recover()
    assert desk.take_in().outcome == "taken_in"
    assert desk.records.of("AAPL").failure is None


def test_a_tier_that_has_no_history_gives_what_it_reaches_and_says_what_to_do(
    tmp_path: Path, free: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, free)

    report = desk.take_in()

    assert desk.bars().height == 100
    assert not desk.records.of("AAPL").complete
    assert "no more history than our tier reaches back" in report.notes[0]
    assert len(free.calls) == 1  # what the tier refuses is not asked


def test_a_short_history_is_completed_as_soon_as_somebody_has_it(
    tmp_path: Path, free: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, free)
    desk.take_in()
    free.reach = None
    assert desk.wants() == "actions"
    desk.to_evening_of(MONDAY)

    desk.take_in()

    assert desk.bars().select(VALUES).equals(as_traded("AAPL", end=MONDAY))
    assert desk.records.of("AAPL").complete


def test_a_young_listing_is_complete_although_it_is_short(
    tmp_path: Path, free: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, free)

    report = desk.take_in("FB")

    assert report.first_session == date(2012, 5, 18)
    assert report.notes == ()
    assert desk.records.of("FB").complete


def test_a_gap_within_the_reach_is_filled_by_one_call(
    tmp_path: Path, free: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, free)
    desk.take_in()
    desk.to_evening_of(xnys().offset(FRIDAY, 97))

    desk.take_in()

    stored = desk.bars().get_column("session")
    assert stored.equals(xnys().between(stored[0], xnys().offset(FRIDAY, 97)))
    assert len(free.calls) == 2


def test_a_gap_longer_than_the_reach_is_never_left_as_a_hole(
    tmp_path: Path, free: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, free)
    desk.take_in()
    before = desk.store.fingerprint()
    desk.to_evening_of(xnys().offset(FRIDAY, 98))

    with pytest.raises(TierError, match="STOCKCAST_BACKUPS") as caught:
        desk.take_in()

    assert "98 sessions after 2012-06-01" in str(caught.value)
    assert "giant return" in str(caught.value)
    assert desk.store.fingerprint() == before
    assert len(free.calls) == 1
    assert desk.wants() == "nothing"  # until the next session
    desk.to_evening_of(xnys().offset(FRIDAY, 99))
    assert desk.wants() == "history"


def test_a_correction_is_taken_over_and_told(tmp_path: Path, premium: ClockedProvider) -> None:
    desk = desk_of(tmp_path, premium)
    desk.take_in()
    premium.correct("AAPL", FRIDAY, close=561.5, volume=1.0)
    premium.correct("AAPL", date(2012, 5, 31), volume=2.0)
    desk.to_evening_of(MONDAY)

    report = desk.take_in()

    assert (report.restated, report.stored.updated, report.stored.inserted) == (1, 2, 1)
    [friday] = desk.bars().filter(pl.col("session") == FRIDAY).select("close", "volume").rows()
    assert friday == (561.5, 1)
    assert len(premium.calls) == 2


def test_a_history_restated_further_back_is_read_anew(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, premium)
    desk.take_in()
    # The provider begins to tell prices adjusted for a split of 2.
    halved = [pl.col(name) / 2 for name in ("open", "high", "low", "close")]
    premium.bars["AAPL"] = sample_with_events("AAPL").with_columns(halved)
    desk.to_evening_of(MONDAY)

    report = desk.take_in()

    stored = as_traded("AAPL", end=MONDAY)
    assert report.restated == stored.height - 1
    assert desk.bars().get_column("close").equals(stored.get_column("close") / 2)
    assert [span is None for _, span in premium.calls] == [True, False, True]
    assert "read anew" in report.notes[-1]


def test_a_restated_history_that_cannot_be_read_anew_is_refused(
    tmp_path: Path, free: ClockedProvider
) -> None:
    desk = desk_of(tmp_path, free)
    desk.take_in()
    desk.to_evening_of(xnys().offset(FRIDAY, 20))
    desk.take_in()
    before = desk.store.fingerprint()
    halved = [pl.col(name) / 2 for name in ("open", "high", "low", "close")]
    free.bars["AAPL"] = raw_bars("AAPL").with_columns(halved)
    desk.to_evening_of(xnys().offset(FRIDAY, 21))

    with pytest.raises(JoinRefusedError, match="looks like a split of 2") as caught:
        desk.take_in()

    assert "STOCKCAST_BACKUPS" in str(caught.value)
    assert desk.store.fingerprint() == before


def test_refused_rows_of_older_answers_are_kept(tmp_path: Path, premium: ClockedProvider) -> None:
    premium.correct("AAPL", date(2005, 3, 1), high=0.01)
    desk = desk_of(tmp_path, premium)

    first = desk.take_in()
    desk.to_evening_of(MONDAY)
    premium.correct("AAPL", MONDAY, low=1e6)
    second = desk.take_in()

    assert (first.quarantine.height, second.quarantine.height) == (1, 1)
    assert (second.outcome, second.sessions_behind) == ("nothing_new", 1)
    assert desk.quarantine.read(["AAPL"]).get_column("session").to_list() == [
        date(2005, 3, 1),
        MONDAY,
    ]


def test_a_session_that_goes_on_is_not_taken_in(tmp_path: Path, premium: ClockedProvider) -> None:
    desk = desk_of(tmp_path, premium)
    premium.delay = -1  # Monday's bar is there although it is Friday

    report = desk.take_in()

    assert (report.last_session, report.quarantine.height) == (FRIDAY, 0)


def test_a_provider_that_costs_nothing_is_read_whole_each_time(
    tmp_path: Path, clock: MovingClock
) -> None:
    files = FakeProvider({"AAPL": sample_bars("AAPL")}, name="files")
    desk = Desk(tmp_path, clock, files)
    desk.take_from(files)
    desk.clock.advance(days=400)

    first = desk.take_in()
    files.bars["AAPL"] = sample_bars("AAPL").with_columns(pl.col("adj_close") / 2)
    second = desk.take_in()

    assert not desk.ingest.costs_calls
    assert first.outcome == second.outcome == "taken_in"
    assert second.stored.updated == first.stored.inserted == sample_bars("AAPL").height
    assert files.calls == [("AAPL", None)] * 2
    assert desk.wants() == "history"


def test_no_clock_makes_it_ask_twice(tmp_path: Path, premium: ClockedProvider) -> None:
    desk = desk_of(tmp_path, premium)
    desk.take_in()

    desk.clock.set_wall(EVENING - timedelta(days=30))

    assert desk.take_in().outcome == "up_to_date"
    assert len(premium.calls) == 1
