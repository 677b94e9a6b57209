"""Forecast prices on the report page are those of the bundle, and their fan looks ahead."""

from __future__ import annotations

import math
from datetime import date

import polars as pl
import pytest
from support.forecasting.bundles import tiny_bundle
from support.serving.homes import sample_snapshot

from forecasting.bundle.bundle import Bundle
from forecasting.horizons import HORIZONS
from pipelines.report_page.price_forecasts import forward_fan, last_closes, price_forecasts
from pipelines.report_page.sections import forecast_section, price_text

CLOSES = pl.DataFrame(
    {
        "ticker": ["AAPL", "AAPL", "AAPL", "IBM"],
        "session": [date(2013, 2, 27), date(2013, 2, 28), date(2013, 3, 4), date(2013, 2, 28)],
        "close": [50.0, 40.0, 99.0, 7.0],
    }
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


def test_the_prices_are_the_close_times_the_quantiles_of_the_bundle(bundle: Bundle) -> None:
    snapshot = sample_snapshot()
    forecasts = price_forecasts(bundle, snapshot, 2)
    output = bundle.run(snapshot.windows)

    assert forecasts["ticker"].unique().sort().to_list() == list(snapshot.tickers[:2])
    for row in forecasts.rows(named=True):
        at = snapshot.tickers.index(row["ticker"])
        distribution = bundle.distribution(output, at, row["horizon"])
        low, high = distribution.interval(0.95)
        assert row["q2.5"] == pytest.approx(snapshot.close[at] * math.exp(low), rel=1e-6)
        assert row["q97.5"] == pytest.approx(snapshot.close[at] * math.exp(high), rel=1e-6)
        assert row["probability_up"] == pytest.approx(distribution.probability_up(), abs=1e-6)
        assert row["target_session"] == snapshot.target_sessions[row["horizon"]][at]
        assert row["q0.5"] < row["q10"] < row["q50"] < row["q90"] < row["q99.5"]


def test_the_history_ends_at_the_forecast_with_its_close_as_traded() -> None:
    forecasts = pl.DataFrame({"ticker": ["AAPL"], "as_of": [date(2013, 2, 28)], "close": [400.0]})

    closes = last_closes(CLOSES, forecasts, "AAPL")

    assert closes.rows() == [(date(2013, 2, 27), 500.0), (date(2013, 2, 28), 400.0)]


def test_the_fan_chart_shows_the_sessions_ahead(bundle: Bundle) -> None:
    forecasts = price_forecasts(bundle, sample_snapshot(), 1)
    ticker, as_of = forecasts.select("ticker", "as_of").row(0)
    closes = pl.DataFrame({"session": [as_of], "close": [forecasts["close"][0]]})
    wider = forecasts.with_columns(pl.col("q99.5") * 1.1)

    picture = forward_fan(closes, forecasts, ticker)

    assert all(target > as_of for target in forecasts["target_session"])
    assert picture == forward_fan(closes, forecasts, ticker)
    assert picture != forward_fan(closes, wider, ticker)
    assert b"<svg" in picture
    assert b"http" not in picture.replace(b"http://www.w3.org", b"")


def test_every_ticker_has_a_fan_chart_and_a_row_a_horizon(bundle: Bundle) -> None:
    snapshot = sample_snapshot()
    adjusted = pl.DataFrame(
        {"ticker": snapshot.tickers, "session": snapshot.as_of, "close": snapshot.close}
    )

    section = forecast_section("Version 3 is served.", bundle, snapshot, adjusted)

    assert [picture.title.split()[-1] for picture in section.pictures] == list(snapshot.tickers)
    assert section.tables[0].rows.height == len(snapshot.tickers) * len(HORIZONS)
    assert section.text.startswith("Version 3 is served. ")


def test_prices_of_every_magnitude_are_readable() -> None:
    assert [price_text(p) for p in (0.000412345, 27.5, 600_000.0)] == [
        "0.0004123",
        "27.50",
        "600,000.00",
    ]
