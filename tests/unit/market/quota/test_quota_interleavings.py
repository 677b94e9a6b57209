"""Random interleavings of callers, kills, reboots and clock steps never exceed a limit.

Saturated callers use at least 98 % of the limits.
"""

from datetime import datetime, timedelta
from itertools import repeat
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.providers.counting_provider import Calls, Disturbances, Plan, counting_provider

from market.quota.budgets import Budget, Window

pytestmark = pytest.mark.slow

NEW_YORK = ZoneInfo("America/New_York")
ZONES = st.sampled_from(["America/New_York", "UTC", "Asia/Seoul", "Europe/London"])
# Clocks change in New York on the day after the first and the last, in London after the second.
STARTS = st.sampled_from(
    [
        datetime(2026, month, day, hour, tzinfo=NEW_YORK)
        for month, day in ((3, 7), (3, 28), (6, 1), (10, 31))
        for hour in (6, 15, 23)
    ]
)
HOUR = 3600.0

windows = st.builds(
    Window, st.integers(1, 5), st.sampled_from([1.0, 7.5, 60.0]) | st.floats(0.5, 90)
)
shares = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)


def plans(begin: float, pause: float) -> st.SearchStrategy[Plan]:
    call = st.tuples(st.just(0.0) | st.floats(0, 100), shares, st.floats(0, pause))
    program = st.tuples(st.floats(0, begin), st.lists(call, min_size=1, max_size=8))
    return st.lists(program, min_size=1, max_size=5)


def disturbances(until: float, *kinds: str) -> st.SearchStrategy[Disturbances]:
    # Whole seconds, because clocks that differ by a fraction of a second count as one clock.
    step = st.integers(-90_000, 90_000).map(float)
    upset = st.tuples(st.floats(1, until), st.sampled_from(kinds), step)
    return st.lists(upset, max_size=4)


def any_case(n: int):  # noqa: ANN201 - Hypothesis has no name for it
    return settings(max_examples=n, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@any_case(60)
@given(
    limits=st.lists(windows, min_size=1, max_size=2),
    plan=plans(begin=400, pause=90),
    upset=disturbances(600, "kill", "reboot", "set"),
)
def test_no_period_has_more_calls_than_the_limit(
    limits: list[Window], plan: Plan, upset: Disturbances
) -> None:
    with counting_provider(
        Budget("acme", tuple(limits)), datetime(2026, 6, 1, tzinfo=NEW_YORK)
    ) as p:
        p.run(plan, upset, until=3000)
        p.assert_limits_kept()


@any_case(60)
@example(
    per_day=1,
    zone="America/New_York",
    start=datetime(2026, 3, 7, 6, tzinfo=NEW_YORK),
    plan=[(0.0, [(0.0, 0.0, 0.0), (0.0, 0.0, 0.0)])],
    upset=[(1.0, "set", 1.0)],  # while the first call is under way
)
@example(
    per_day=1,
    zone="UTC",
    start=datetime(2026, 3, 28, 23, tzinfo=NEW_YORK),
    plan=[(0.0, [(0.0, 0.0, 0.0)]), (1.013899456957006, [(0.0, 0.0, 0.0), (0.0, 0.0, 0.0)])],
    upset=[(1.0, "set", -10802.0)],  # a caller wakes half a microsecond before midnight
)
@given(
    per_day=st.integers(1, 6),
    zone=ZONES,
    start=STARTS,
    plan=plans(begin=20 * HOUR, pause=6 * HOUR),
    upset=disturbances(22 * HOUR, "kill", "set"),
)
def test_no_day_has_more_calls_than_the_limit_when_the_clock_is_set(
    per_day: int, zone: str, start: datetime, plan: Plan, upset: Disturbances
) -> None:
    first: Calls = [(1.0, 0.5, 0.0)]
    with counting_provider(Budget("acme", (), per_day, zone), start) as p:
        # The clock is right at the first call.
        p.run([(0.0, first), *((at + 10, calls) for at, calls in plan)], upset, until=24 * HOUR)
        p.assert_limits_kept()


@any_case(60)
@given(
    per_day=st.integers(1, 6),
    zone=ZONES,
    start=STARTS,
    plan=plans(begin=60 * HOUR, pause=20 * HOUR),
    upset=disturbances(72 * HOUR, "kill", "reboot"),
)
def test_no_day_has_more_calls_than_the_limit_across_reboots(
    per_day: int, zone: str, start: datetime, plan: Plan, upset: Disturbances
) -> None:
    with counting_provider(Budget("acme", (), per_day, zone), start) as p:
        p.run(plan, upset, until=96 * HOUR)
        p.assert_limits_kept()


@any_case(15)
@given(
    limit=st.integers(1, 8),
    seconds=st.sampled_from([30.0, 60.0]),
    share=st.floats(0.0, 0.01),
    arrives=shares,
    n_programs=st.integers(8, 12),
)
def test_saturated_callers_use_98_percent_of_a_window(
    limit: int, seconds: float, share: float, arrives: float, n_programs: int
) -> None:
    lasts, n_windows = share * seconds, 25
    with counting_provider(Budget("acme", (Window(limit, seconds),)), datetime.now(NEW_YORK)) as p:
        p.run([(0.0, repeat((lasts, arrives, 0.0)))] * n_programs, [], until=n_windows * seconds)
        p.assert_limits_kept()
        assert len(p.arrivals) >= 0.98 * limit * n_windows


@any_case(12)
@given(zone=ZONES, start=STARTS, per_day=st.integers(1, 25), n_programs=st.integers(1, 4))
def test_saturated_callers_use_every_call_of_every_day(
    zone: str, start: datetime, per_day: int, n_programs: int
) -> None:
    budget = Budget("acme", (Window(1, 1.0), Window(5, 60.0)), per_day, zone)
    with counting_provider(budget, start) as p:
        p.run([(0.0, repeat((0.3, 0.5, 0.0)))] * n_programs, [], until=72 * HOUR)
        p.assert_limits_kept()
        last = (p.machine.start + timedelta(hours=72)).astimezone(ZoneInfo(zone)).date()
        assert {n for day, n in p.by_day().items() if day < last} == {per_day}
