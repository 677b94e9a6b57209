"""Terminal output about models: scores, gates, forecasts and versions."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from forecasting.horizons import LABELS
from forecasting.models.base import REFERENCES
from forecasting.snapshot import read_snapshot
from registry.names import DECISION_TAG, SKILL_TAG
from registry.versions import ModelRegistry
from stockcast.cli.output.console import print_line, with_home
from stockcast.cli.output.tables import price_text, print_table
from stockcast.cli.processes.service_process import ServiceProcess

SCORE_COLUMNS = (
    "",
    "model",
    "CRPS",
    "vs naive",
    "vs GARCH",
    "80 %",
    "95 %",
    "99 %",
    "hits",
    "base",
)
LEGEND = (
    "Skill is 1 - CRPS / CRPS of the reference; *, **, *** mark p < 0.05, 0.01, 0.001 "
    "(Diebold-Mariano). The next columns are the coverage of the intervals, the share of correct "
    "directions, and the share of the more frequent direction."
)
SIGNIFICANCE_LEVELS = (0.05, 0.01, 0.001)
FORECAST_COLUMNS = (
    "ticker",
    "",
    "as of",
    "target",
    "close",
    "forecast",
    "80 %",
    "95 %",
    "up %",
    "direction",
    "signal",
)
VERSION_COLUMNS = (
    "version",
    "alias",
    "trained through",
    "registered (UTC)",
    "skill vs GARCH",
    "decision",
    "bundle",
)
MAX_TICKERS = 10


def print_evaluation(console: Console, path: Path) -> None:
    """Print the out-of-sample scores of every model."""
    evaluation = json.loads(path.read_text())
    rows = [
        _score_row(model, label, scores[str(horizon)])
        for label, horizon in LABELS.items()
        for model, scores in evaluation["pooled"].items()
    ]
    print_table(console, "\nOut of sample, all scored folds", SCORE_COLUMNS, rows, n_keys=2)
    print_line(console, LEGEND, style="dim")


def _score_row(model: str, label: str, scores: Mapping[str, Any]) -> list[str]:
    return [
        label,
        model,
        f"{scores['crps']:.5f}",
        *(_skill(scores, reference) for reference in REFERENCES),
        *(_percent(scores[f"coverage_{level}"]) for level in ("80", "95", "99")),
        _percent(scores["direction_accuracy"]),
        _percent(scores["direction_base_rate"]),
    ]


def _skill(scores: Mapping[str, Any], reference: str) -> str:
    skill, p_value = scores[f"skill_{reference}"], scores[f"p_{reference}"]
    if p_value is None:
        return "-"
    return f"{100 * skill:+.2f} {'*' * sum(p_value < level for level in SIGNIFICANCE_LEVELS):<3}"


def print_decision(console: Console, path: Path) -> None:
    """Print the promotion decision and the result of every gate."""
    decision = json.loads(path.read_text())
    print_line(console, f"\nVersion {decision['version']}: {decision['outcome']}", style="bold")
    gates = Table.grid(padding=(0, 1))
    for reason in decision["reasons"]:
        mark = Text("✓", style="green") if reason["passed"] else Text("✗", style="red")
        gates.add_row(" ", mark, Text(with_home(reason["sentence"])))
    console.print(gates)
    # A report of an earlier release has no hint.
    if hint := decision.get("hint"):
        print_line(console, hint)


def print_forecasts(console: Console, service: ServiceProcess, snapshots: Path) -> None:
    """Fetch forecasts over HTTP and print them.

    The tickers are the first ones of the snapshot under `snapshots` that have a forecast.
    """
    status = service.get("/models/status")
    published = read_snapshot(snapshots, status["live"]["feature_hash"]).tickers
    without = status["snapshot"]["without_forecast"]
    tickers = [ticker for ticker in published if ticker not in without][:MAX_TICKERS]
    forecasts = [
        service.get(f"/predict/{ticker}?horizon={label}") for ticker in tickers for label in LABELS
    ]
    versions = ", ".join(sorted({str(forecast["model"]["version"]) for forecast in forecasts}))
    age = max((forecast["data_age_sessions"] for forecast in forecasts), default=0)
    title = (
        f"\nGET {service.address}/predict/TICKER?horizon=1d|1w|1m\n"
        f"Model version {versions}, bars up to {age:,} sessions old"
    )
    print_forecast_rows(console, title, forecasts)


def print_forecast_rows(
    console: Console, title: str, forecasts: Sequence[Mapping[str, Any]]
) -> None:
    """Print responses to GET /predict as a table, and one line on missing signals."""
    rows = list(map(_forecast_row, forecasts))
    print_table(console, title, FORECAST_COLUMNS, rows, n_keys=2)
    notes = [
        (forecast["ticker"], note)
        for forecast in forecasts
        if (note := forecast["prediction"].get("signal_note"))
    ]
    if notes:
        ticker, note = notes[0]
        subject = "" if len({note for _, note in notes}) == 1 else f" for {ticker}, for example"
        print_line(console, f"No signal{subject}: {note}", style="dim")


def _forecast_row(forecast: Mapping[str, Any]) -> list[str]:
    prediction = forecast["prediction"]
    close = forecast["current_price"]
    bounds = (prediction["intervals"][level] for level in ("80", "95"))
    return [
        forecast["ticker"],
        forecast["horizon"],
        forecast["as_of"],
        forecast["target_session"],
        price_text(close, close),
        price_text(prediction["price_target"], close),
        *(f"{price_text(low, close)} to {price_text(high, close)}" for low, high in bounds),
        _percent(prediction["probability_up"]),
        prediction["direction"],
        prediction["signal"] or "-",
    ]


def print_versions(console: Console, registry: ModelRegistry) -> None:
    """Print the registered versions, newest first."""
    rows = [
        [
            str(info.version),
            ", ".join(info.aliases) or "-",
            str(info.cutoff or "-"),
            f"{info.created:%Y-%m-%d %H:%M}",
            info.tags.get(SKILL_TAG, "-"),
            info.tags.get(DECISION_TAG, "-"),
            (info.fingerprint or "-")[:12],
        ]
        for info in sorted(registry.list(), key=lambda info: -info.version)
    ]
    if not rows:
        print_line(console, "No version is registered; `stockcast run` trains and registers one.")
        return
    print_table(console, registry.name, VERSION_COLUMNS, rows, n_keys=2)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
