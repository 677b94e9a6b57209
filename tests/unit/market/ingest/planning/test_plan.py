"""Due tasks and their order."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market.bars import xnys
from support.market.ingest_setup import EVENING, FRIDAY, MONDAY

from market.calendars.exchanges import SessionsByTicker
from market.calendars.sessions import Sessions
from market.ingest.planning.plan import plan_tasks
from market.ingest.planning.ticker_plan import IngestTask
from market.ingest.ticker_state import TickerState

# After the close.
MONDAY_EVENING = datetime(2012, 6, 4, 22, tzinfo=UTC)


def new_york(_: str) -> Sessions:
    return xnys()


def state_of(ticker: str = "AAPL", **values: object) -> TickerState:
    defaults = {"has_full_history": True, "actions_through": FRIDAY, "actions_at": EVENING}
    return TickerState(ticker, **{**defaults, **values})


def planned(
    last: Mapping[str, date],
    *known_states: TickerState,
    now: datetime = EVENING,
    tickers: tuple[str, ...] = ("AAPL",),
    separate: bool = False,
) -> list[IngestTask]:
    states = {state.ticker: state for state in known_states}
    return plan_tasks(tickers, last, states, new_york, now, has_separate_actions=separate)


def due_kind(last: date | None, state: TickerState, now: datetime = EVENING) -> str:
    stored = {} if last is None else {"AAPL": last}
    return planned(stored, state, now=now)[0].kind


def test_nothing_is_due_after_the_last_closed_session() -> None:
    [task] = planned({"AAPL": FRIDAY}, state_of())

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
def test_bars_are_due_from_the_close_of_a_session(now: datetime, due: str) -> None:
    assert due_kind(FRIDAY, state_of(), now) == due


def test_bars_are_due_from_an_early_close() -> None:
    # 2012-11-23, the day after Thanksgiving, closed at 13:00 in New York.
    wednesday = date(2012, 11, 21)

    assert due_kind(wednesday, state_of(), datetime(2012, 11, 23, 17, 59, tzinfo=UTC)) == "nothing"
    assert due_kind(wednesday, state_of(), datetime(2012, 11, 23, 18, 0, tzinfo=UTC)) == "bars"


def test_each_ticker_has_its_own_calendar() -> None:
    # London was closed on 2012-06-04 and 2012-06-05; New York was open.
    tasks = plan_tasks(
        ["AZN.L", "AAPL"],
        {"AZN.L": FRIDAY, "AAPL": FRIDAY},
        {t: state_of(t) for t in ("AZN.L", "AAPL")},
        SessionsByTicker("XNYS"),
        MONDAY_EVENING,
        has_separate_actions=False,
    )

    assert [(task.ticker, task.kind) for task in tasks] == [("AAPL", "bars"), ("AZN.L", "nothing")]


def test_history_of_a_new_ticker_is_due() -> None:
    [task] = planned({}, separate=True)

    assert (task.kind, task.sessions_behind) == ("history", None)


def test_incomplete_history_is_fetched_again_after_the_next_session() -> None:
    short = state_of(has_full_history=False)

    assert due_kind(FRIDAY, short) == "nothing"
    assert due_kind(FRIDAY, short, MONDAY_EVENING) == "history"


def test_tickers_most_behind_come_first_and_actions_last() -> None:
    tasks = planned(
        {
            "LATE": date(2012, 5, 30),
            "LATER": date(2012, 5, 29),
            "JUMP": date(2012, 5, 29),
            "OLD": FRIDAY,
            "NEVER": FRIDAY,
            "DONE": FRIDAY,
        },
        state_of("LATE"),
        state_of("LATER"),
        state_of("JUMP", withheld_from=date(2012, 5, 30)),
        state_of("OLD", actions_through=date(2012, 4, 2), actions_at=EVENING - timedelta(60)),
        state_of("NEVER", actions_through=None, actions_at=None),
        state_of("DONE"),
        tickers=("DONE", "OLD", "NEVER", "JUMP", "LATE", "LATER", "NEW"),
        separate=True,
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


def test_ticker_with_due_bars_and_actions_has_two_tasks() -> None:
    never = state_of(actions_through=None, actions_at=None)

    tasks = planned({"AAPL": date(2012, 5, 31)}, never, separate=True)

    assert [task.kind for task in tasks] == ["bars", "actions"]


def test_actions_are_fetched_every_21_sessions() -> None:
    fetched = xnys().offset(FRIDAY, -20), datetime(2012, 5, 2, 22, tzinfo=UTC)
    assert fetched[0] == date(2012, 5, 3)
    fresh = state_of(actions_through=fetched[0], actions_at=fetched[1] + timedelta(1))
    stale = state_of(actions_through=date(2012, 5, 2), actions_at=fetched[1])

    assert planned({"AAPL": FRIDAY}, fresh, separate=True)[0].kind == "nothing"
    assert planned({"AAPL": FRIDAY}, stale, separate=True)[0].kind == "actions"
    assert planned({"AAPL": FRIDAY}, stale)[0].kind == "nothing"


def test_failed_actions_are_retried_after_five_sessions() -> None:
    failed = state_of(actions_through=None, actions_at=EVENING)

    later = EVENING + timedelta(7)

    assert planned({"AAPL": FRIDAY}, failed, separate=True)[0].kind == "nothing"
    assert (
        planned({"AAPL": date(2012, 6, 8)}, failed, now=later, separate=True)[0].kind == "actions"
    )


def test_first_stale_response_is_retried_after_three_hours() -> None:
    late = state_of(stale_responses=1, responded_at=MONDAY_EVENING)

    assert due_kind(FRIDAY, late, MONDAY_EVENING + timedelta(hours=2)) == "nothing"
    assert due_kind(FRIDAY, late, MONDAY_EVENING + timedelta(hours=3)) == "bars"
    assert due_kind(FRIDAY, late, MONDAY_EVENING + timedelta(days=1)) == "bars"


@pytest.mark.parametrize(("stale", "wait"), [(2, 1), (3, 2), (4, 5), (5, 10), (6, 21), (60, 21)])
def test_stale_responses_back_off(stale: int, wait: int) -> None:
    halted = state_of(stale_responses=stale, responded_at=MONDAY_EVENING)
    again = xnys().close_time(xnys().offset(MONDAY, wait))

    assert due_kind(FRIDAY, halted, again - timedelta(seconds=1)) == "nothing"
    assert due_kind(FRIDAY, halted, again) == "bars"


@pytest.mark.parametrize(("failures", "wait"), [(1, 1), (2, 2), (3, 5), (4, 10), (9, 21)])
def test_permanent_failures_back_off(failures: int, wait: int) -> None:
    failed = TickerState(
        "AAPL",
        failed_at=EVENING,
        is_permanent=True,
        permanent_failures=failures,
        last_error="No.",
    )
    again = xnys().close_time(xnys().offset(FRIDAY, wait))

    assert due_kind(None, failed, again - timedelta(seconds=1)) == "nothing"
    assert due_kind(None, failed, again) == "history"


def test_transient_failure_does_not_back_off() -> None:
    down = state_of(failed_at=MONDAY_EVENING, last_error="It is down.")

    assert due_kind(FRIDAY, down, MONDAY_EVENING) == "bars"


def test_instants_in_the_future_do_not_defer_tasks() -> None:
    ahead = datetime(2013, 6, 4, 22, tzinfo=UTC)

    assert (
        due_kind(FRIDAY, state_of(stale_responses=6, responded_at=ahead), MONDAY_EVENING) == "bars"
    )
    assert (
        due_kind(FRIDAY, state_of(stale_responses=1, responded_at=ahead), MONDAY_EVENING) == "bars"
    )


@given(
    behind=st.integers(0, 300),
    stale_responses=st.integers(0, 9),
    permanent_failures=st.integers(0, 9),
    sessions_ago=st.integers(0, 60),
    kind=st.sampled_from(["bars", "history"]),
)
def test_stored_sessions_are_never_due_and_backoff_ends_after_21_sessions(
    behind: int, stale_responses: int, permanent_failures: int, sessions_ago: int, kind: str
) -> None:
    requested_at = xnys().close_time(xnys().offset(FRIDAY, -sessions_ago)) + timedelta(hours=1)
    state = state_of(
        stale_responses=stale_responses,
        responded_at=requested_at,
        failed_at=requested_at,
        permanent_failures=permanent_failures,
        is_permanent=permanent_failures > 0,
        has_full_history=kind == "bars",
    )

    due = due_kind(xnys().offset(FRIDAY, -behind), state)

    if behind == 0:
        assert due == "nothing"
    elif sessions_ago >= 21:
        assert due == kind
