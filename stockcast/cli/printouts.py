"""What the command line shows: scores, reasons, forecasts and versions as tables. No computing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from forecasting.horizons import LABELS
from forecasting.models.base import REFERENCES
from forecasting.snapshot import read_snapshot
from pipelines.reporting.tables import terminal_table
from registry.names import DECISION_TAG, SKILL_TAG
from registry.versions import ModelRegistry
from stockcast.cli.service_process import ServiceProcess

SCORES = ("", "model", "CRPS", "vs naive", "vs GARCH", "80 %", "95 %", "99 %", "hits", "base")
LEGEND = (
    "Skill is 1 - CRPS / CRPS of the reference; *, **, *** mark p < 0.05, 0.01, 0.001 "
    "(Diebold-Mariano).\nThen how often the intervals held the outcome, and how often the "
    "direction was right,\nbeside the share of the commoner direction."
)
SIGNIFICANCE = (0.05, 0.01, 0.001)
FORECAST = (
    "ticker",
    "as of",
    "",
    "target",
    "close",
    "forecast",
    "80 %",
    "95 %",
    "up %",
    "direction",
    "signal",
)
VERSIONS = (
    "version",
    "alias",
    "trained through",
    "registered (UTC)",
    "skill vs GARCH",
    "decision",
    "bundle",
)
SHOWN_TICKERS = 10


def print_evaluation(console: Console, path: Path) -> None:
    """Print how every model did out of sample."""
    evaluation = json.loads(path.read_text())
    rows = [
        _score_row(model, label, scores[str(horizon)])
        for label, horizon in LABELS.items()
        for model, scores in evaluation["pooled"].items()
    ]
    console.print(terminal_table("\nOut of sample, all scored folds", SCORES, rows))
    console.print(LEGEND, style="dim", highlight=False)


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
    return f"{100 * skill:+.2f} {'*' * sum(p_value < level for level in SIGNIFICANCE):<3}"


def print_decision(console: Console, path: Path) -> None:
    """Print what was decided about the version, and every reason."""
    decision = json.loads(path.read_text())
    console.print(f"\n[bold]Version {decision['version']}: {decision['outcome']}[/]")
    for reason in decision["reasons"]:
        mark = "[green]✓[/]" if reason["passed"] else "[red]✗[/]"
        console.print(f"  {mark} {escape(reason['sentence'])}", highlight=False)


def print_forecasts(console: Console, service: ServiceProcess, snapshots: Path) -> None:
    """Ask the service for forecasts over HTTP, and print its answers.

    It is asked for the first tickers of the snapshot that it reads under `snapshots`.
    """
    status = service.ask("/models/status")
    published = read_snapshot(snapshots, status["live"]["feature_hash"]).tickers
    without = status["snapshot"]["without_forecast"]
    tickers = [ticker for ticker in published if ticker not in without][:SHOWN_TICKERS]
    answers = [
        service.ask(f"/predict/{ticker}?horizon={label}") for ticker in tickers for label in LABELS
    ]
    versions = ", ".join(sorted({str(answer["model"]["version"]) for answer in answers}))
    age = max((answer["data_age_sessions"] for answer in answers), default=0)
    title = (
        f"\nGET {service.address}/predict/TICKER?horizon=1d|1w|1m\n"
        f"answered by version {versions}, from bars up to {age:,} sessions old"
    )
    console.print(terminal_table(title, FORECAST, [_forecast_row(answer) for answer in answers]))


def _forecast_row(answer: Mapping[str, Any]) -> list[str]:
    prediction = answer["prediction"]
    bounds = (prediction["intervals"][level] for level in ("80", "95"))
    return [
        answer["ticker"],
        answer["as_of"],
        answer["horizon"],
        answer["target_session"],
        f"{answer['current_price']:.2f}",
        f"{prediction['price_target']:.2f}",
        *(f"{low:.2f} to {high:.2f}" for low, high in bounds),
        _percent(prediction["probability_up"]),
        prediction["direction"],
        prediction["signal"],
    ]


def print_versions(console: Console, registry: ModelRegistry) -> None:
    """Print the registered versions, the newest first."""
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
        console.print("No version is registered yet; `stockcast run` trains and registers one.")
        return
    console.print(terminal_table(registry.name, VERSIONS, rows))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
