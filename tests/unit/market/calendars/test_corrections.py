"""Sessions that `exchange_calendars` has wrong, and that the user corrects."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from support.market.bars import sample_bars

from core.errors import SettingsError
from core.settings import load_settings
from market.bars.contract import validate_bars
from market.calendars.corrections import parse_corrections, use_corrections
from market.calendars.exchanges import SessionsByTicker
from market.calendars.sessions import Sessions
from market.settings import MarketSettings

# Hong Kong was closed all day by a typhoon; Mumbai traded on a Saturday.
TYPHOON, SATURDAY = date(2023, 9, 1), date(2024, 3, 2)
BOTH = f"XHKG:-{TYPHOON},XBOM:+{SATURDAY}"


@pytest.fixture(autouse=True)
def _no_corrections_afterwards() -> Iterator[None]:
    yield
    use_corrections([])


def test_a_session_that_the_setting_removes_is_none_anywhere() -> None:
    """Regression: errors of the published calendars could not be corrected."""
    before = SessionsByTicker()("0700.HK")  # made before the settings are loaded

    load_settings(MarketSettings, calendar_corrections=BOTH)

    for sessions in (before, Sessions("XHKG"), SessionsByTicker("XHKG")("X")):
        assert not sessions.is_session(TYPHOON)
        assert sessions.offset(date(2023, 8, 31), 1) == date(2023, 9, 4)
        assert sessions.last_closed(datetime(2023, 9, 1, 20, tzinfo=UTC)) == date(2023, 8, 31)
        assert TYPHOON not in sessions.between(date(2023, 8, 1), date(2023, 9, 30)).to_list()
    assert Sessions("XNYS").is_session(TYPHOON)


def test_a_session_that_the_setting_adds_closes_at_the_usual_time() -> None:
    load_settings(MarketSettings, calendar_corrections=BOTH)

    sessions = Sessions("XBOM")

    assert sessions.offset(date(2024, 3, 1), 1) == SATURDAY
    assert sessions.offset(SATURDAY, 1) == date(2024, 3, 4)
    friday_close = sessions.close_time(date(2024, 3, 1))
    assert sessions.close_time(SATURDAY).time() == friday_close.time()
    assert sessions.last_closed(sessions.close_time(SATURDAY)) == SATURDAY


def test_bars_of_an_added_session_are_valid_and_those_of_a_removed_one_are_not() -> None:
    bars = sample_bars("IBM", start=date(2012, 5, 29), end=date(2012, 6, 1))
    holiday = bars.with_columns(session=date(2012, 5, 28)).head(1)
    settings = {"calendar_corrections": "XNYS:+2012-05-28,-2012-05-29"}
    load_settings(MarketSettings, **settings)

    validated = validate_bars(holiday.vstack(bars), Sessions("XNYS"), last_session=date(2012, 6, 1))

    assert validated.bars["session"][0] == date(2012, 5, 28)
    assert validated.quarantine["session"].to_list() == [date(2012, 5, 29)]


def test_settings_without_corrections_restore_the_published_calendars() -> None:
    load_settings(MarketSettings, calendar_corrections=BOTH)
    load_settings(MarketSettings)

    assert Sessions("XHKG").is_session(TYPHOON)
    assert not Sessions("XBOM").is_session(SATURDAY)


def test_an_alias_of_a_calendar_is_corrected_with_it() -> None:
    use_corrections(parse_corrections(["NYSE:-2024-07-03"]))

    assert not Sessions("XNYS").is_session(date(2024, 7, 3))


def test_a_correction_that_a_newer_calendar_contains_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    use_corrections(parse_corrections(["XNYS:-2024-07-04"]))

    with caplog.at_level(logging.WARNING):
        assert not Sessions("XNYS").is_session(date(2024, 7, 4))

    assert caplog.messages == ["event=calendar_correction_not_needed correction=XNYS:-2024-07-04"]


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ("2023-09-01", r"MIC:\+YYYY-MM-DD"),
        ("-2023-09-01", r"MIC:\+YYYY-MM-DD"),
        ("XHKG:2023-09-01", r"MIC:\+YYYY-MM-DD"),
        ("XHKG:-2023-02-30", r"MIC:\+YYYY-MM-DD"),
        ("XHKG:-2023-09-01,XHKG:+2023-09-01", "both opened and closed on 2023-09-01"),
    ],
)
def test_a_correction_in_another_form_is_refused(texts: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=f"STOCKCAST_CALENDAR_CORRECTIONS: .*{reason}"):
        load_settings(MarketSettings, calendar_corrections=texts)


@pytest.mark.parametrize(
    ("texts", "entry"),
    [
        ("XHKK:-2023-09-01", "XHKK:-2023-09-01"),
        ("XBOM:+2024-03-02,XNSY:-2024-07-03", "XNSY:-2024-07-03"),
        ("XHKG:-2023-09-01,XBOM:+2024-3-2", "XBOM:+2024-3-2"),
    ],
)
def test_a_faulty_correction_is_found_when_the_settings_load(texts: str, entry: str) -> None:
    """Regression: a misspelt MIC was found at the first use of a calendar."""
    with pytest.raises(SettingsError) as caught:
        load_settings(MarketSettings, calendar_corrections=texts)

    (sentence,) = str(caught.value).splitlines()
    assert sentence.startswith("STOCKCAST_CALENDAR_CORRECTIONS: ")
    assert f", got {entry!r}. " in sentence
    assert "such as XHKG:-2023-09-01" in sentence


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("XNYS:+1960-01-05", "must add sessions within the calendar"),
        ("XNYS:+2045-01-05", "must add sessions within the calendar"),
    ],
)
def test_a_correction_that_no_calendar_can_hold_is_refused_on_first_use(
    text: str, reason: str
) -> None:
    use_corrections(parse_corrections([text]))

    with pytest.raises(SettingsError, match=reason):
        _ = Sessions("XNYS").first
