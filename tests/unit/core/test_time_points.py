from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.time_points import LocalDay, TimePoint

NOON = 1_338_552_000.0


def test_within_a_boot_setting_the_wall_clock_changes_no_duration() -> None:
    earlier = TimePoint("boot-1", 100.0, NOON)
    later = TimePoint("boot-1", 160.0, NOON - 3600)

    assert later.seconds_since(earlier) == 60.0


def test_across_boots_the_wall_clock_counts() -> None:
    earlier = TimePoint("boot-1", 100.0, NOON)

    assert TimePoint("boot-2", 5.0, NOON + 300).seconds_since(earlier) == 300.0


def test_a_previous_boot_is_at_least_as_long_ago_as_the_current_one() -> None:
    earlier = TimePoint("boot-1", 100.0, NOON)

    assert TimePoint("boot-2", 5.0, NOON - 3600).seconds_since(earlier) == 5.0


@pytest.mark.parametrize(
    ("instant", "hours"),
    [
        (datetime(2026, 3, 8, 12, tzinfo=UTC), 23),
        (datetime(2026, 6, 1, 12, tzinfo=UTC), 24),
        (datetime(2026, 11, 1, 12, tzinfo=UTC), 25),
    ],
)
def test_a_local_day_has_the_hours_of_its_date(instant: datetime, hours: int) -> None:
    day = LocalDay.containing(instant, "America/New_York")

    assert day.starts <= instant < day.ends
    assert day.ends - day.starts == timedelta(hours=hours)
