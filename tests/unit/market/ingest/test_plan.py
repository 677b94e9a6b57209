"""What is due, in which order, and whether a key can keep up."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market.bars import xnys

from market.calendars.exchanges import SessionsByTicker
from market.calendars.sessions import Sessions
from market.ingest.capacity import estimate_capacity
from market.ingest.plan import IngestTask, plan
from market.ingest.ticker_state import TickerState
from market.providers.alpha_vantage.tiers import tier_limits

FRIDAY, MONDAY = date(2012, 6, 1), date(2012, 6, 4)
# After the close of Friday 2012-06-01, and of the Monday after it.
EVENING = datetime(2012, 6, 1, 22, tzinfo=UTC)
MONDAY_EVENING = datetime(2012, 6, 4, 22, tzinfo=UTC)


def usual(_: str) -> Sessions:
    return xnys()


def record(ticker: str = "AAPL", **values: object) -> TickerState:
    known = {"has_full_history": True, "actions_through": FRIDAY, "actions_at": EVENING}
    return TickerState(ticker, **{**known, **values})


def planned(
    last: Mapping[str, date],
    *records: TickerState,
    now: datetime = EVENING,
    tickers: tuple[str, ...] = ("AAPL",),
    apart: bool = False,
) -> list[IngestTask]:
    remembered = {record.ticker: record for record in records}
    return plan(tickers, last, remembered, usual, now, has_separate_actions=apart)


def wants(last: date | None, remembered: TickerState, now: datetime = EVENING) -> str:
    stored = {} if last is None else {"AAPL": last}
    return planned(stored, remembered, now=now)[0].kind


def test_nothing_is_due_when_the_last_closed_session_is_stored() -> None:
    [task] = planned({"AAPL": FRIDAY}, record())

    assert (task.kind, task.sessions_behind) == ("nothing", 0)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        # Saturday to Monday before the close: no session has closed since Friday.
        (datetime(2012, 6, 2, 12, tzinfo=UTC), "nothing"),
        (datetime(2012, 6, 4, 19, 59, tzinfo=UTC), "nothing"),
        (datetime(2012, 6, 4, 20, 0, tzinfo=UTC), "bars"),
    ],
)
def test_weekends_and_open_sessions_make_nothing_due(now: datetime, due: str) -> None:
    assert wants(FRIDAY, record(), now) == due


def test_a_half_day_is_due_from_its_early_close() -> None:
    # 2012-11-23, the day after Thanksgiving, closed at 13:00 in New York.
    wednesday = date(2012, 11, 21)

    assert wants(wednesday, record(), datetime(2012, 11, 23, 17, 59, tzinfo=UTC)) == "nothing"
    assert wants(wednesday, record(), datetime(2012, 11, 23, 18, 0, tzinfo=UTC)) == "bars"


def test_each_ticker_follows_its_own_calendar() -> None:
    # London kept 2012-06-04 and 05 free for a jubilee; New York traded.
    tasks = plan(
        ["AZN.L", "AAPL"],
        {"AZN.L": FRIDAY, "AAPL": FRIDAY},
        {t: record(t) for t in ("AZN.L", "AAPL")},
        SessionsByTicker("XNYS"),
        MONDAY_EVENING,
        has_separate_actions=False,
    )

    assert [(task.ticker, task.kind) for task in tasks] == [("AAPL", "bars"), ("AZN.L", "nothing")]


def test_a_new_ticker_wants_its_history_and_is_behind_by_no_number() -> None:
    [task] = planned({}, apart=True)

    assert (task.kind, task.sessions_behind) == ("history", None)


def test_a_history_that_was_cut_short_is_asked_for_again_with_the_next_session_alone() -> None:
    short = record(has_full_history=False)

    assert wants(FRIDAY, short) == "nothing"
    assert wants(FRIDAY, short, MONDAY_EVENING) == "history"


def test_the_tickers_most_behind_come_first_and_actions_last() -> None:
    tasks = planned(
        {
            "LATE": date(2012, 5, 30),
            "LATER": date(2012, 5, 29),
            "JUMP": date(2012, 5, 29),
            "OLD": FRIDAY,
            "NEVER": FRIDAY,
            "DONE": FRIDAY,
        },
        record("LATE"),
        record("LATER"),
        record("JUMP", withheld_from=date(2012, 5, 30)),
        record("OLD", actions_through=date(2012, 4, 2), actions_at=EVENING - timedelta(60)),
        record("NEVER", actions_through=None, actions_at=None),
        record("DONE"),
        tickers=("DONE", "OLD", "NEVER", "JUMP", "LATE", "LATER", "NEW"),
        apart=True,
    )

    assert [(task.ticker, task.kind) for task in tasks] == [
        ("NEW", "history"),
        ("JUMP", "bars"),
        ("LATER", "bars"),
        ("LATE", "bars"),
        ("NEVER", "actions"),
        ("OLD", "actions"),
        ("DONE", "nothing"),
    ]


def test_a_ticker_can_be_due_for_bars_and_then_for_actions() -> None:
    never = record(actions_through=None, actions_at=None)

    tasks = planned({"AAPL": date(2012, 5, 31)}, never, apart=True)

    assert [task.kind for task in tasks] == ["bars", "actions"]


def test_actions_are_asked_for_anew_after_a_month_of_sessions() -> None:
    told = xnys().offset(FRIDAY, -20), datetime(2012, 5, 2, 22, tzinfo=UTC)
    assert told[0] == date(2012, 5, 3)
    fresh = record(actions_through=told[0], actions_at=told[1] + timedelta(1))
    stale = record(actions_through=date(2012, 5, 2), actions_at=told[1])

    assert planned({"AAPL": FRIDAY}, fresh, apart=True)[0].kind == "nothing"
    assert planned({"AAPL": FRIDAY}, stale, apart=True)[0].kind == "actions"
    assert planned({"AAPL": FRIDAY}, stale)[0].kind == "nothing"


def test_actions_that_could_not_be_had_wait_for_some_sessions() -> None:
    vain = record(actions_through=None, actions_at=EVENING)

    later = EVENING + timedelta(7)

    assert planned({"AAPL": FRIDAY}, vain, apart=True)[0].kind == "nothing"
    assert planned({"AAPL": date(2012, 6, 8)}, vain, now=later, apart=True)[0].kind == "actions"


def test_one_late_answer_is_asked_again_the_same_night() -> None:
    late = record(stale_responses=1, responded_at=MONDAY_EVENING)

    assert wants(FRIDAY, late, MONDAY_EVENING + timedelta(hours=2)) == "nothing"
    assert wants(FRIDAY, late, MONDAY_EVENING + timedelta(hours=3)) == "bars"
    assert wants(FRIDAY, late, MONDAY_EVENING + timedelta(days=1)) == "bars"


@pytest.mark.parametrize(("stale", "wait"), [(2, 1), (3, 2), (4, 5), (5, 10), (6, 21), (60, 21)])
def test_a_ticker_that_does_not_trade_is_asked_less_and_less_often(stale: int, wait: int) -> None:
    silent = record(stale_responses=stale, responded_at=MONDAY_EVENING)
    again = xnys().close_time(xnys().offset(MONDAY, wait))

    assert wants(FRIDAY, silent, again - timedelta(seconds=1)) == "nothing"
    assert wants(FRIDAY, silent, again) == "bars"


@pytest.mark.parametrize(("failures", "wait"), [(1, 1), (2, 2), (3, 5), (4, 10), (9, 21)])
def test_a_ticker_that_nobody_knows_burns_fewer_and_fewer_calls(failures: int, wait: int) -> None:
    bad = TickerState(
        "AAPL",
        failed_at=EVENING,
        is_permanent=True,
        permanent_failures=failures,
        last_error="No.",
    )
    again = xnys().close_time(xnys().offset(FRIDAY, wait))

    assert wants(None, bad, again - timedelta(seconds=1)) == "nothing"
    assert wants(None, bad, again) == "history"


def test_a_failure_that_passes_is_not_waited_for() -> None:
    down = record(failed_at=MONDAY_EVENING, last_error="It is down.")

    assert wants(FRIDAY, down, MONDAY_EVENING) == "bars"


def test_a_wall_clock_that_was_ahead_stops_nothing() -> None:
    ahead = datetime(2013, 6, 4, 22, tzinfo=UTC)

    assert wants(FRIDAY, record(stale_responses=6, responded_at=ahead), MONDAY_EVENING) == "bars"
    assert wants(FRIDAY, record(stale_responses=1, responded_at=ahead), MONDAY_EVENING) == "bars"


@given(
    behind=st.integers(0, 300),
    stale_responses=st.integers(0, 9),
    permanent_failures=st.integers(0, 9),
    asked_ago=st.integers(0, 60),
    kind=st.sampled_from(["bars", "history"]),
)
def test_what_is_stored_is_never_asked_for_again_and_what_trades_never_forgotten(
    behind: int, stale_responses: int, permanent_failures: int, asked_ago: int, kind: str
) -> None:
    asked = xnys().close_time(xnys().offset(FRIDAY, -asked_ago)) + timedelta(hours=1)
    remembered = record(
        stale_responses=stale_responses,
        responded_at=asked,
        failed_at=asked,
        permanent_failures=permanent_failures,
        is_permanent=permanent_failures > 0,
        has_full_history=kind == "bars",
    )

    due = wants(xnys().offset(FRIDAY, -behind), remembered)

    if behind == 0:
        assert due == "nothing"
    elif asked_ago >= 21:
        assert due == kind


def test_a_free_key_follows_22_tickers() -> None:
    seen = estimate_capacity(22, tier_limits("free"))

    assert (seen.max_tickers, seen.sessions_behind, seen.keeps_up) == (22, 0, True)
    assert seen.calls_per_session == pytest.approx(22 + 44 / 21)
    assert seen.summary == (
        "22 tickers need 24.1 calls a session; the key can follow up to 22 tickers."
    )


def test_with_60_tickers_it_says_how_far_a_free_key_runs_behind_and_what_to_do() -> None:
    seen = estimate_capacity(60, tier_limits("free"))

    assert (seen.max_tickers, seen.sessions_behind, seen.keeps_up) == (22, 2, False)
    assert seen.summary == (
        "60 tickers need 65.7 calls a session, but the key can follow 22 tickers: bars would run "
        "up to 2 sessions behind. Either follow 22 tickers or fewer, or get a premium key and set "
        "STOCKCAST_ALPHA_VANTAGE_TIER=premium_75, or leave it so: the tickers that are most behind "
        "always come first."
    )


def test_running_behind_is_no_advice_where_the_reach_would_be_passed() -> None:
    seen = estimate_capacity(5_000, tier_limits("free"))

    assert seen.sessions_behind > 100
    assert "leave it so" not in seen.summary


def test_premium_keys_follow_thousands() -> None:
    assert estimate_capacity(5_000, tier_limits("premium_75")).keeps_up
    assert estimate_capacity(5_000, tier_limits("premium_75")).calls_per_session == 5_000


@pytest.mark.parametrize("n_tickers", [22, 23, 40, 60])
def test_the_outlook_holds_when_the_plan_is_carried_out(n_tickers: int) -> None:
    """Forty sessions with 25 calls each, and none made between them."""
    tickers = tuple(f"T{n:02}" for n in range(n_tickers))
    last: dict[str, date] = {}
    remembered: dict[str, TickerState] = {}
    worst = 0
    for session in xnys().between(FRIDAY, date(2012, 7, 27)):
        now, left = xnys().close_time(session) + timedelta(hours=2), 25
        for task in plan(tickers, last, remembered, usual, now, has_separate_actions=True):
            left -= {"bars": 1, "history": 1, "actions": 2, "nothing": 0}[task.kind]
            if left < 0:
                break
            known = remembered.get(task.ticker, TickerState(task.ticker))
            if task.kind == "actions":
                values = {"actions_through": last[task.ticker], "actions_at": now}
            else:
                last[task.ticker], values = session, {"has_full_history": True}
            remembered[task.ticker] = TickerState(**{**vars(known), **values})
        if len(last) == n_tickers:
            waiting = [len(xnys().between(at, session)) - 1 for at in last.values()]
            worst = max(worst, *waiting)

    # With 23 the calls for bars just suffice, and actions come late instead.
    assert worst == (
        estimate_capacity(n_tickers, tier_limits("free")).sessions_behind if n_tickers > 23 else 0
    )
    assert all(known.actions_through for known in remembered.values())
