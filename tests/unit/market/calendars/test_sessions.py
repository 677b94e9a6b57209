"""`Sessions` against the holidays and special closings that the NYSE published."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from support.market.bars import sample_bars, xnys
from support.market.calendars import end_calendar

from core.errors import BarsError, SettingsError
from market.calendars.sessions import Sessions

NEW_YORK_SUMMER = timezone(timedelta(hours=-4))


@pytest.mark.parametrize(
    "closed",
    [
        date(1972, 12, 28),  # funeral of President Truman
        date(1985, 9, 27),  # hurricane Gloria
        date(2001, 9, 11),
        date(2001, 9, 14),
        date(2012, 10, 29),  # hurricane Sandy
        date(2012, 10, 30),
        date(2024, 3, 29),  # Good Friday
        date(2024, 6, 19),  # Juneteenth
        date(2024, 11, 30),  # a Saturday
    ],
)
def test_closed_date_is_not_a_session(closed: date) -> None:
    assert not xnys().is_session(closed)


@pytest.mark.parametrize(
    "traded", [date(1970, 1, 2), date(1987, 10, 19), date(2001, 9, 17), date(2021, 6, 18)]
)
def test_trading_date_is_a_session(traded: date) -> None:
    assert xnys().is_session(traded)


def test_between_includes_both_ends() -> None:
    sessions = xnys().between(date(2001, 9, 10), date(2001, 9, 18)).to_list()

    assert sessions == [date(2001, 9, 10), date(2001, 9, 17), date(2001, 9, 18)]


def test_calendar_equals_the_sessions_of_the_sample() -> None:
    traded = sample_bars("IBM").get_column("session")

    assert xnys().between(date(2000, 3, 1), date(2013, 3, 1)).equals(traded)


def test_between_is_empty_outside_the_calendar() -> None:
    assert xnys().between(date(1900, 1, 1), date(1969, 12, 31)).is_empty()
    assert xnys().between(date(2010, 1, 2), date(2010, 1, 1)).is_empty()


@pytest.mark.parametrize(
    ("now", "session"),
    [
        (datetime(2024, 7, 2, 19, 59, 59, tzinfo=UTC), date(2024, 7, 1)),
        (datetime(2024, 7, 2, 20, 0, tzinfo=UTC), date(2024, 7, 2)),
        (datetime(2024, 7, 2, 16, 0, tzinfo=NEW_YORK_SUMMER), date(2024, 7, 2)),
        (datetime(2024, 7, 3, 17, 0, tzinfo=UTC), date(2024, 7, 3)),  # closes at 13:00
        (datetime(2024, 7, 7, 12, 0, tzinfo=UTC), date(2024, 7, 5)),  # a Sunday
        (datetime(2024, 1, 3, 20, 30, tzinfo=UTC), date(2024, 1, 2)),  # winter: 21:00 UTC
    ],
)
def test_last_closed_follows_the_exchange_clock(now: datetime, session: date) -> None:
    assert xnys().last_closed(now) == session


def test_last_closed_without_time_zone_raises() -> None:
    with pytest.raises(ValueError, match="`now` must have a time zone"):
        xnys().last_closed(datetime(2024, 7, 2, 16, 0))  # noqa: DTZ001


def test_last_closed_beyond_the_calendar_raises() -> None:
    with pytest.raises(BarsError, match="`now` must be within the XNYS calendar"):
        xnys().last_closed(datetime(2100, 1, 4, tzinfo=UTC))


def test_offset_skips_holidays_in_both_directions() -> None:
    assert xnys().offset(date(2001, 9, 10), 1) == date(2001, 9, 17)
    assert xnys().offset(date(2001, 9, 17), -1) == date(2001, 9, 10)
    assert xnys().offset(date(2013, 3, 1), 21) == date(2013, 4, 2)
    assert xnys().offset(date(2013, 3, 1), 0) == date(2013, 3, 1)


def test_a_clock_in_2030_needs_no_other_date_of_the_machine() -> None:
    """Regression: calendars ended a year after the date of the machine, not of the clock."""
    assert xnys().last_closed(datetime(2030, 7, 5, 12, tzinfo=UTC)) == date(2030, 7, 3)
    assert xnys().offset(date(2030, 7, 3), 1) == date(2030, 7, 5)


def test_a_date_after_the_published_holidays_raises_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end_calendar(monkeypatch, "XSHG", date(2026, 12, 31))
    shanghai = Sessions("XSHG")

    assert shanghai.last_closed(datetime(2026, 12, 31, 23, tzinfo=UTC)) == date(2026, 12, 31)
    with pytest.raises(BarsError, match=r"to 2026-12-31, got 2027-01-04.*`exchange-calendars`"):
        shanghai.last_closed(datetime(2027, 1, 4, 12, tzinfo=UTC))
    with pytest.raises(BarsError, match=r"got 21 sessions from 2026-12-09; install a newer"):
        shanghai.offset(date(2026, 12, 9), 21)


def test_offset_beyond_the_calendar_raises_with_its_bounds() -> None:
    with pytest.raises(BarsError, match=r"`n` must be within .* 1970-01-02 to .*, got -1 sess"):
        xnys().offset(date(1970, 1, 2), -1)
    with pytest.raises(BarsError, match="choose a date within it"):
        xnys().offset(xnys().last, 1)


def test_offset_from_a_holiday_raises_with_the_neighbouring_sessions() -> None:
    with pytest.raises(BarsError, match=r"got 2001-09-12; .* 2001-09-10 and 2001-09-17"):
        xnys().offset(date(2001, 9, 12), 1)


def test_close_time_includes_early_closes() -> None:
    assert xnys().close_time(date(2024, 7, 3)) == datetime(2024, 7, 3, 17, 0, tzinfo=UTC)
    assert xnys().close_time(date(2024, 7, 5)) == datetime(2024, 7, 5, 20, 0, tzinfo=UTC)


def test_close_time_before_the_calendar_raises() -> None:
    with pytest.raises(BarsError, match="`session` must be within the XNYS calendar"):
        xnys().close_time(date(1929, 10, 29))


def test_calendar_ends_at_least_21_sessions_ahead() -> None:
    now = datetime.now(UTC)

    assert xnys().offset(xnys().last_closed(now), 21) > now.date()


def test_unknown_exchange_raises_with_similar_names() -> None:
    with pytest.raises(SettingsError, match=r"got 'XNIS'; did you mean .*XNYS"):
        Sessions("XNIS")


@pytest.mark.parametrize("exchange", ["XLON", "XTKS", "XSHG"])
def test_calendars_of_other_exchanges_start_in_1970_or_later(exchange: str) -> None:
    sessions = Sessions(exchange)

    assert sessions.first >= date(1970, 1, 1)
    assert sessions.is_session(date(2012, 3, 1))


def test_timezone() -> None:
    assert xnys().timezone == "America/New_York"
