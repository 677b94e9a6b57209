"""The number of tickers that the calls of a key suffice for."""

from datetime import date, timedelta

import pytest
from support.market.bars import xnys
from support.market.ingest_setup import FRIDAY

from market.ingest.planning.capacity import estimate_capacity
from market.ingest.planning.plan import plan_tasks
from market.ingest.ticker_state import TickerState
from market.providers.alpha_vantage.tiers import tier_limits


def test_free_key_keeps_22_tickers_up_to_date() -> None:
    capacity = estimate_capacity(22, tier_limits("free"))

    assert (capacity.max_tickers, capacity.sessions_behind, capacity.keeps_up) == (22, 0, True)
    assert capacity.calls_per_session == pytest.approx(22 + 44 / 21)
    assert capacity.summary == (
        "22 tickers need 24.1 calls per session; the key can follow up to 22 tickers."
    )


def test_free_key_with_60_tickers_runs_behind() -> None:
    capacity = estimate_capacity(60, tier_limits("free"))

    assert (capacity.max_tickers, capacity.sessions_behind, capacity.keeps_up) == (22, 2, False)
    assert capacity.summary == (
        "60 tickers need 65.7 calls per session, but the key can follow 22 tickers: bars would be "
        "up to 2 sessions behind. Either follow 22 tickers or fewer, or get a premium key and set "
        "STOCKCAST_ALPHA_VANTAGE_TIER=premium_75, or accept the delay: the tickers that are most "
        "behind always come first."
    )


def test_delay_beyond_the_reach_is_not_advised() -> None:
    capacity = estimate_capacity(5_000, tier_limits("free"))

    assert capacity.sessions_behind > 100
    assert "accept the delay" not in capacity.summary


def test_premium_key_keeps_5000_tickers_up_to_date() -> None:
    assert estimate_capacity(5_000, tier_limits("premium_75")).keeps_up
    assert estimate_capacity(5_000, tier_limits("premium_75")).calls_per_session == 5_000


@pytest.mark.parametrize("n_tickers", [22, 23, 40, 60])
def test_estimated_capacity_equals_a_simulation(n_tickers: int) -> None:
    """Execute the plan over forty sessions with 25 calls each."""
    tickers = tuple(f"T{n:02}" for n in range(n_tickers))
    last: dict[str, date] = {}
    states: dict[str, TickerState] = {}
    worst = 0
    for session in xnys().between(FRIDAY, date(2012, 7, 27)):
        now, left = xnys().close_time(session) + timedelta(hours=2), 25
        for task in plan_tasks(
            tickers, last, states, lambda _: xnys(), now, has_separate_actions=True
        ):
            left -= {"bars": 1, "history": 1, "actions": 2, "nothing": 0}[task.kind]
            if left < 0:
                break
            state = states.get(task.ticker, TickerState(task.ticker))
            if task.kind == "actions":
                values = {"actions_through": last[task.ticker], "actions_at": now}
            else:
                last[task.ticker], values = session, {"has_full_history": True}
            states[task.ticker] = TickerState(**{**vars(state), **values})
        if len(last) == n_tickers:
            behind = [len(xnys().between(at, session)) - 1 for at in last.values()]
            worst = max(worst, *behind)

    # With 23 tickers the calls just suffice for bars, and actions are late instead.
    assert worst == (
        estimate_capacity(n_tickers, tier_limits("free")).sessions_behind if n_tickers > 23 else 0
    )
    assert all(state.actions_through for state in states.values())
