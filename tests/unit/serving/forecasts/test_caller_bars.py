"""Forecasts from the bars of a caller."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.forecasting.bundles import tiny_bundle
from support.serving.homes import LOOKBACK, recent_bars, sample_snapshot
from support.serving.service_setup import NOW, live_model

from core.errors import BundleError
from forecasting.features.feature_set import feature_set
from market.calendars.sessions import Sessions
from serving.forecasts.caller_bars import forecast_from_bars
from serving.forecasts.forecast_table import build_forecast_table
from serving.http.problems import Problem, invalid_request
from serving.http.schemas.requests import CallerBar, PredictRequest
from serving.models.model_cache import LiveModel

NEEDED = feature_set().warmup + LOOKBACK - 1
from_bars = partial(forecast_from_bars, max_age_sessions=5)
COLUMNS = ("session", "open", "high", "low", "close", "volume", "adj_close")


def caller_bars(ticker: str = "MSFT", *, last: int = 252) -> list[CallerBar]:
    bars = recent_bars().filter(pl.col("ticker") == ticker).tail(last)
    return [CallerBar(**row) for row in bars.select(COLUMNS).to_dicts()]


def test_the_bars_of_the_snapshot_give_the_published_forecast(model: LiveModel) -> None:
    own = from_bars(model, "MINE", 5, caller_bars(), NOW)
    published = build_forecast_table(model, sample_snapshot(), NOW, max_age_sessions=5).forecast(
        "MSFT", 5
    )
    assert own.ticker == "MINE"
    assert (own.as_of, own.target_session) == (published.as_of, published.target_session)
    assert own.data_age_sessions == 0
    actual, expected = own.prediction, published.prediction
    assert actual.price_target == pytest.approx(expected.price_target, rel=1e-4)
    assert actual.probability_up == pytest.approx(expected.probability_up, abs=1e-3)
    assert actual.intervals["95"] == pytest.approx(expected.intervals["95"], rel=1e-3)


def test_the_minimum_number_of_bars_is_enough_and_one_less_is_rejected(model: LiveModel) -> None:
    assert from_bars(model, "MINE", 1, caller_bars(last=NEEDED), NOW).as_of == date(2013, 3, 1)
    with pytest.raises(Problem, match=f"at least {NEEDED} sessions") as caught:
        from_bars(model, "MINE", 1, caller_bars(last=NEEDED - 1), NOW)
    assert caught.value.status == 422
    assert caught.value.extra == {"needed": NEEDED, "got": NEEDED - 1}


def test_the_suffix_of_the_ticker_selects_the_calendar(model: LiveModel) -> None:
    london = Sessions("XLON")
    bars = [bar for bar in caller_bars() if london.is_session(bar.session)]
    boxing_night = datetime(2012, 12, 26, 22, tzinfo=UTC)
    until_christmas = [bar for bar in bars if bar.session <= date(2012, 12, 24)]
    forecast = from_bars(model, "AZN.L", 1, until_christmas, boxing_night)
    assert forecast.target_session == date(2012, 12, 27)
    assert forecast.data_age_sessions == 0
    boxing_day = [bar for bar in caller_bars() if bar.session == date(2012, 12, 26)]
    with pytest.raises(Problem, match="XLON calendar has no session on that date"):
        from_bars(model, "AZN.L", 1, bars + boxing_day, NOW)


def test_a_share_class_like_a_suffix_follows_the_calendar_of_its_bars(model: LiveModel) -> None:
    # Toronto, which the suffix V names, was closed on several of these sessions.
    voting, other = (from_bars(model, t, 1, caller_bars(), NOW) for t in ("MKC.V", "M"))

    assert voting.target_session == other.target_session


def test_the_order_of_the_bars_does_not_matter(model: LiveModel) -> None:
    bars = caller_bars()
    assert from_bars(model, "M", 1, bars[::-1], NOW) == from_bars(model, "M", 1, bars, NOW)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("high", 1.0, "high"),
        ("close", -5.0, "close"),
        ("volume", -1, "volume"),
        ("session", date(2012, 12, 25), "session"),
    ],
)
def test_an_invalid_bar_rejects_the_request_and_names_its_session(
    model: LiveModel, field: str, value: object, reason: str
) -> None:
    bars = caller_bars()
    bars[100] = bars[100].model_copy(update={field: value})
    with pytest.raises(Problem) as caught:
        from_bars(model, "MINE", 1, bars, NOW)
    (error,) = caught.value.extra["errors"]
    assert caught.value.status == 422
    assert error["session"] == str(bars[100].session)
    assert reason in error["message"]


def test_an_open_session_is_rejected(model: LiveModel) -> None:
    early = datetime(2013, 3, 1, 15, 0, tzinfo=UTC)
    with pytest.raises(Problem, match="2013-03-01"):
        from_bars(model, "MINE", 1, caller_bars(), early)


def test_constant_prices_have_no_forecast(model: LiveModel) -> None:
    flat = {"open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0, "adj_close": 10.0}
    bars = [bar.model_copy(update=flat) for bar in caller_bars()]
    with pytest.raises(Exception, match=r"price has not moved|prices must not be constant"):
        from_bars(model, "MINE", 1, bars, NOW)


def test_other_features_than_in_training_are_rejected(tmp_path: Path) -> None:
    model = live_model(tiny_bundle(tmp_path / "b", lookback=LOOKBACK))
    manifest = model.bundle.manifest.model_copy(update={"feature_hash": "0" * 64})
    object.__setattr__(model.bundle, "manifest", manifest)
    with pytest.raises(BundleError, match="trained on features 000000000000"):
        from_bars(model, "MINE", 1, caller_bars(), NOW)


def test_the_timestamp_is_the_time_of_computation_in_whole_seconds(model: LiveModel) -> None:
    own = from_bars(model, "MINE", 1, caller_bars(), NOW.replace(microsecond=987_654))
    assert own.timestamp == NOW.replace(microsecond=0)


def test_old_bars_of_a_caller_give_no_signal(model: LiveModel) -> None:
    """Regression: a caller got BUY for a target session years in the past."""
    prediction = from_bars(
        model, "MINE", 5, caller_bars(), datetime(2026, 3, 1, tzinfo=UTC)
    ).prediction
    assert prediction.signal is None
    assert "STOCKCAST_MAX_DATA_AGE_SESSIONS" in (prediction.signal_note or "")
    assert from_bars(model, "MINE", 5, caller_bars(), NOW).prediction.signal is not None


EXTREME_NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([2**63, -(2**70), 2**63 - 1, 10**400, 1e308, 5e-324, -0.0, 0, 2**53 + 1]),
)
EXTREME_DATES = st.one_of(
    st.dates().map(str),
    st.integers(),
    st.sampled_from(["0001-01-01", "9999-12-31", "1899-12-31", 10**18, -(10**18), 1e300]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    position=st.integers(0, 251),
    values=st.dictionaries(st.sampled_from(COLUMNS[1:]), EXTREME_NUMBERS, min_size=1),
    session=st.one_of(st.none(), EXTREME_DATES),
)
@example(position=0, values={"volume": 2**63}, session=None)
@example(position=0, values={"volume": -(2**70)}, session=None)
@example(position=0, values={"close": 10**400}, session=None)
@example(position=251, values={"open": 1e308, "high": 1e308}, session=None)
@example(position=0, values={}, session="9999-12-31")
def test_no_number_or_date_of_a_caller_is_an_internal_error(
    model: LiveModel, position: int, values: dict[str, float], session: object
) -> None:
    """Regression: a volume of 2**63 passed the schema, and the bar table raised an error."""
    bars = [bar.model_dump(mode="json") for bar in caller_bars()]
    bars[position % len(bars)] |= values | ({} if session is None else {"session": session})
    try:
        request = PredictRequest.model_validate({"ticker": "MINE", "bars": bars})
    except ValidationError as error:
        fields = {str(entry["loc"][2]) for entry in error.errors()}
        assert fields <= {*values, "session"}
        return
    assert request.bars is not None
    with suppress(Problem):  # of status 422, and any other error fails
        from_bars(model, "MINE", 5, request.bars, NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("volume", 2**63),
        ("volume", -(2**70)),
        ("volume", -1),
        ("open", 0),
        ("close", 1e13),
        ("adj_close", -1),
        ("session", "9999-12-31"),
        ("session", "0001-01-01"),
    ],
)
def test_a_value_out_of_range_is_reported_with_its_field(field: str, value: object) -> None:
    bars = [bar.model_dump(mode="json") for bar in caller_bars(last=3)]
    bars[1][field] = value
    with pytest.raises(ValidationError) as caught:
        PredictRequest.model_validate({"ticker": "MINE", "bars": bars})
    (error,) = invalid_request(caught.value.errors()).extra["errors"]  # type: ignore[misc, attr-defined]
    assert error["field"] == f"bars.1.{field}"
    assert "should be" in error["message"]
