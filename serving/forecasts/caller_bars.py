"""A forecast from the caller's own bars: checked, adjusted and turned into a window as in training.

Nothing is stored, and nothing of the published snapshot is used.
"""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from forecasting.features.feature_set import compute_features
from forecasting.samples.panel import latest_windows
from market.bars.adjustments import adjust_bars
from market.bars.contract import BAR_SCHEMA, validate_bars
from market.calendars.exchanges import SessionsByTicker
from market.calendars.sessions import Sessions
from serving.forecasts.responses import ForecastRow, Freshness, build_forecast
from serving.http.problems import Problem
from serving.http.schemas import CallerBar, Forecast
from serving.models.model_cache import LiveModel

_MAX_ERRORS = 20


def forecast_from_bars(
    model: LiveModel, ticker: str, horizon: int, bars: list[CallerBar], now: datetime
) -> Forecast:
    """Return the forecast from the last session of `bars`.

    Raises
    ------
    Problem
        When bars break the bar contract (each with its session and reason), or are too few.
    BundleError
        When this server computes features in another way than the model was trained on.
    """
    manifest = model.bundle.manifest
    sessions = SessionsByTicker(manifest.exchange)(ticker)
    last_closed = sessions.last_closed(now)
    good = _validated(ticker, bars, sessions, last_closed)
    needed = model.features.warmup + manifest.lookback - 1
    if len(good) < needed:
        msg = (
            f"`bars` must hold at least {needed} sessions (features look back"
            f" {model.features.warmup}, the model {manifest.lookback}), got {len(good)}."
        )
        raise Problem(422, "not-enough-bars", msg, needed=needed, got=len(good))
    table = compute_features(adjust_bars(good).tail(needed), model.features)
    keys, windows = latest_windows(table, manifest.lookback)
    as_of, close = good["session"][-1], good["close"][-1]
    if keys.is_empty() or keys["session"][-1] != as_of:
        msg = "`bars` leave a feature undefined in the last window: prices must move in it."
        raise Problem(422, "invalid-request", msg)
    targets = {h: sessions.offset(as_of, h) for h in manifest.horizons}
    row = ForecastRow(
        ticker, sessions.exchange, as_of, close, targets, model.bundle.run(windows), at=0
    )
    age = len(sessions.between(as_of, last_closed)) - 1
    return build_forecast(
        model, row, horizon, Freshness(now.replace(microsecond=0), last_closed, age)
    )


def _validated(
    ticker: str, bars: list[CallerBar], sessions: Sessions, last_closed: date
) -> pl.DataFrame:
    """Return the bars in order; one bad bar refuses the whole request."""
    rows = [{"ticker": ticker, "source": "caller", **bar.model_dump()} for bar in bars]
    frame = pl.DataFrame(rows, schema=BAR_SCHEMA)
    checked = validate_bars(frame, sessions, last_session=last_closed)
    if checked.quarantine.is_empty():
        return checked.bars
    wrong = checked.quarantine.select("session", "reason").rows()
    errors = [
        {"field": "bars", "session": str(session), "message": reason}
        for session, reason in wrong[:_MAX_ERRORS]
    ]
    first = errors[0]
    msg = f"`bars`: {len(wrong)} refused; {first['session']}: {first['message']}"
    raise Problem(422, "invalid-bars", msg, errors=errors, error_count=len(wrong))
