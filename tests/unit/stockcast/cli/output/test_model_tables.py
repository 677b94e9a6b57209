"""The terminal shows the content of the reports and of the registry."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from support.forecasting.scored_forecasts import scored_forecasts
from support.serving.homes import TestHome, sample_snapshot

from forecasting.evaluation.result import MODELS
from forecasting.evaluation.scorecard import evaluate
from forecasting.horizons import LABELS
from forecasting.snapshot import write_snapshot
from stockcast.cli.output.model_tables import (
    print_decision,
    print_evaluation,
    print_forecasts,
    print_versions,
)
from stockcast.cli.processes.service_process import ServiceProcess

FORECAST = {
    "ticker": "AAPL",
    "as_of": "2013-03-01",
    "horizon": "1w",
    "target_session": "2013-03-08",
    "current_price": 430.47,
    "data_age_sessions": 3,
    "prediction": {
        "price_target": 431.2,
        "intervals": {"80": [415.5, 446.6], "95": [404.1, 458.9]},
        "probability_up": 0.523,
        "direction": "neutral",
        "signal": "HOLD",
        "signal_note": None,
    },
    "model": {"version": 7},
}


@pytest.fixture
def console() -> Console:
    return Console(width=120, record=True, file=io.StringIO())


class FakeService(ServiceProcess):
    def __init__(self) -> None:
        self.address = "http://127.0.0.1:3000"
        self.requests: list[str] = []

    def get(self, path: str) -> object:
        self.requests.append(path)
        if path == "/models/status":
            return {
                "live": {"feature_hash": sample_snapshot().feature_hash},
                "snapshot": {"without_forecast": {"AAPL": "its price never moved"}},
            }
        ticker, _, label = path.removeprefix("/predict/").partition("?horizon=")
        return FORECAST | {"ticker": ticker, "horizon": label}


def test_the_evaluation_has_one_row_per_model_and_horizon(console: Console, tmp_path: Path) -> None:
    evaluation = evaluate(scored_forecasts())
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))

    print_evaluation(console, tmp_path / "evaluation.json")

    rows = [line.split() for line in console.export_text().splitlines()]
    shown = {(row[0], row[1]): row[2:] for row in rows if row and row[0] in {"1d", "1w", "1m"}}
    assert len(shown) == len(LABELS) * len(MODELS)
    scores = evaluation["pooled"]["ensemble"]["5"]
    row = shown["1w", "ensemble"]
    assert row[0] == f"{scores['crps']:.5f}"
    assert row[1] == f"{100 * scores['skill_naive']:+.2f}"
    assert row[-2:] == [
        f"{100 * scores['direction_accuracy']:.1f}",
        f"{100 * scores['direction_base_rate']:.1f}",
    ]


def test_the_decision_is_printed_with_every_gate(console: Console, tmp_path: Path) -> None:
    reasons = [
        {"gate": "golden", "passed": True, "sentence": "Golden vectors come back: passed"},
        {"gate": "withdrawn", "passed": False, "sentence": "Taken back ([/b] too [bold]): failed"},
    ]
    hint = "To serve version 3 anyway, run `stockcast promote 3 --reason ...`."
    report = {"version": 3, "outcome": "kept as challenger", "reasons": reasons, "hint": hint}
    (tmp_path / "promotion.json").write_text(json.dumps(report))

    print_decision(console, tmp_path / "promotion.json")

    lines = [line.strip() for line in console.export_text().splitlines() if line.strip()]
    assert lines == [
        "Version 3: kept as challenger",
        "✓ Golden vectors come back: passed",
        "✗ Taken back ([/b] too [bold]): failed",
        hint,
    ]


def test_forecasts_are_fetched_over_http_for_tickers_that_have_one(
    console: Console, tmp_path: Path
) -> None:
    service = FakeService()
    snapshot = sample_snapshot()
    write_snapshot(tmp_path, snapshot)

    print_forecasts(console, service, tmp_path)

    output = console.export_text()
    others = [ticker for ticker in snapshot.tickers if ticker != "AAPL"]
    assert service.requests == [
        "/models/status",
        *(f"/predict/{ticker}?horizon={label}" for ticker in others for label in LABELS),
    ]
    assert "415.50 to 446.60" in output
    assert "52.3" in output


def test_a_missing_signal_is_a_dash_with_its_reason_below_the_table(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = "The last bar is 3453 sessions old, and the limit is 5."
    old = FORECAST["prediction"] | {"signal": None, "signal_note": note}  # type: ignore[operator]
    monkeypatch.setitem(FORECAST, "prediction", old)
    write_snapshot(tmp_path, sample_snapshot())

    print_forecasts(console, FakeService(), tmp_path)

    lines = [line.strip() for line in console.export_text().splitlines() if line.strip()]
    assert lines[-1] == f"No signal: {note}"
    assert lines[-2].split()[-2:] == ["neutral", "-"]


def test_versions_are_listed_newest_first_with_their_aliases(
    console: Console, tmp_path: Path
) -> None:
    home = TestHome(tmp_path)
    versions = [home.register(seed) for seed in (1, 2)]
    home.move_alias("champion", versions[0])

    print_versions(console, home.registry)

    rows = [line.split() for line in console.export_text().splitlines()]
    assert [row[:3] for row in rows if row and row[0].isdecimal()] == [
        ["2", "-", "2012-12-31"],
        ["1", "champion", "2012-12-31"],
    ]


def test_an_empty_registry_prints_the_next_command_and_creates_no_file(
    console: Console, tmp_path: Path
) -> None:
    print_versions(console, TestHome(tmp_path).registry)

    assert "`stockcast run` trains and registers one" in console.export_text()
    assert list(tmp_path.iterdir()) == []
