"""Forecast from the bars of a caller: validate, adjust, compute features and run the model.

Nothing is stored, and the published snapshot is not used.
"""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from forecasting.features.feature_set import compute_features
from forecasting.samples.windows import latest_windows
from market.bars.adjustments import adjust_bars
from market.bars.contract import BAR_SCHEMA, validate_bars
from market.calendars.exchanges import SessionsByTicker
from market.calendars.sessions import Sessions
from serving.forecasts.explanation import build_explanation
from serving.forecasts.responses import ForecastRow, Freshness, build_forecast
from serving.http.problems import Problem
from serving.http.schemas.forecast import Forecast
from serving.http.schemas.requests import CallerBar
from serving.models.model_cache import LiveModel

_MAX_ERRORS = 20


def forecast_from_bars(
    model: LiveModel,
    ticker: str,
    horizon: int,
    bars: list[CallerBar],
    now: datetime,
    *,
    max_age_sessions: int,
    explained: bool = False,
) -> Forecast:
    """Return the forecast from the last session of `bars`, with an explanation if `explained`.

    Raises
    ------
    Problem
        If `bars` break the bar contract (with session and reason of each bar), or are too few.
    BundleError
        If this server computes other features than the training code did.
    """
    manifest = model.bundle.manifest
    dates = pl.Series([bar.session for bar in bars], dtype=pl.Date)
    sessions = SessionsByTicker(manifest.exchange).of_bars(ticker, dates)
    last_closed = sessions.last_closed(now)
    valid = _validate(ticker, bars, sessions, last_closed)
    needed = model.features.warmup + manifest.lookback - 1
    if len(valid) < needed:
        msg = (
            f"`bars` must contain at least {needed} sessions (feature warm-up"
            f" {model.features.warmup}, lookback {manifest.lookback}), got {len(valid)};"
            " send more bars."
        )
        raise Problem(422, "not-enough-bars", msg, needed=needed, got=len(valid))
    table = compute_features(adjust_bars(valid).tail(needed), model.features)
    keys, windows = latest_windows(table, manifest.lookback)
    as_of, close = valid["session"][-1], valid["close"][-1]
    if keys.is_empty() or keys["session"][-1] != as_of:
        msg = (
            "`bars` leave a feature undefined in the last window; its prices must not be constant."
        )
        raise Problem(422, "invalid-request", msg)
    targets = {h: sessions.offset(as_of, h) for h in manifest.horizons}
    output = model.run(windows)
    row = ForecastRow(ticker, sessions.exchange, as_of, close, targets, output, at=0)
    age = len(sessions.between(as_of, last_closed)) - 1
    freshness = Freshness(now.replace(microsecond=0), last_closed, age, max_age_sessions)
    forecast = build_forecast(model, row, horizon, freshness)
    if explained:
        forecast.explanation = build_explanation(model.bundle, row, horizon, windows[0])
    return forecast


def _validate(
    ticker: str, bars: list[CallerBar], sessions: Sessions, last_closed: date
) -> pl.DataFrame:
    """Return the bars sorted by session; one invalid bar rejects the whole request."""
    rows = [{"ticker": ticker, "source": "caller", **bar.model_dump()} for bar in bars]
    frame = pl.DataFrame(rows, schema=BAR_SCHEMA)
    checked = validate_bars(frame, sessions, last_session=last_closed)
    if checked.quarantine.is_empty():
        return checked.bars
    invalid = checked.quarantine.select("session", "reason").rows()
    errors = [
        {"field": "bars", "session": str(session), "message": reason}
        for session, reason in invalid[:_MAX_ERRORS]
    ]
    first = errors[0]
    msg = f"`bars` has {len(invalid)} invalid rows. First: {first['session']}: {first['message']}"
    raise Problem(422, "invalid-bars", msg, errors=errors, error_count=len(invalid))
