"""What the command line shows: scores, reasons, forecasts and versions as tables. No computing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from forecasting.horizons import LABEL_OF, LABELS
from pipelines.service_process import ServiceProcess
from pipelines.tables import terminal_table
from registry.versions import ModelRegistry

SCORES = (
    "model",
    "horizon",
    "CRPS",
    "vs naive",
    "p",
    "vs GARCH",
    "p",
    "cover 80",
    "cover 95",
    "cover 99",
    "direction",
    "base rate",
)
FORECAST = (
    "ticker",
    "as of",
    "horizon",
    "target",
    "close",
    "forecast",
    "80 %",
    "95 %",
    "P(up)",
    "direction",
    "signal",
    "version",
)
SHOWN_TICKERS = 10


def print_evaluation(console: Console, path: Path) -> None:
    """Print how every model did out of sample."""
    evaluation = json.loads(path.read_text())
    rows = [
        _score_row(model, int(horizon), scores)
        for model, by_horizon in evaluation["pooled"].items()
        for horizon, scores in by_horizon.items()
    ]
    rows.sort(key=lambda row: list(LABELS).index(row[1]))
    title = "Out of sample, all scored folds (skill is 1 - CRPS / CRPS of the reference)"
    console.print(terminal_table(title, SCORES, rows))


def _score_row(model: str, horizon: int, scores: Mapping[str, Any]) -> list[str]:
    return [
        model,
        LABEL_OF[horizon],
        f"{scores['crps']:.5f}",
        _percent(scores["skill_naive"], signed=True),
        _p_value(scores["p_naive"]),
        _percent(scores["skill_garch"], signed=True),
        _p_value(scores["p_garch"]),
        *(_percent(scores[f"coverage_{level}"]) for level in ("80", "95", "99")),
        _percent(scores["direction_accuracy"]),
        _percent(scores["direction_base_rate"]),
    ]


def print_decision(console: Console, path: Path) -> None:
    """Print what was decided about the version, and every reason."""
    decision = json.loads(path.read_text())
    console.print(f"\n[bold]Version {decision['version']}: {decision['outcome']}[/]")
    for reason in decision["reasons"]:
        mark = "[green]✓[/]" if reason["passed"] else "[red]✗[/]"
        console.print(f"  {mark} {reason['sentence']}", highlight=False)


def print_forecasts(console: Console, service: ServiceProcess) -> None:
    """Ask the service for forecasts over HTTP, and print its answers."""
    tickers = service.ask("/models/status")["tickers"][:SHOWN_TICKERS]
    answers = [
        service.ask(f"/predict/{ticker}?horizon={label}") for ticker in tickers for label in LABELS
    ]
    title = f"\nGET {service.address}/predict/TICKER?horizon=…"
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
        str(answer["model"]["version"]),
    ]


def print_versions(console: Console, registry: ModelRegistry) -> None:
    """Print the registered versions, the newest first."""
    rows = [
        [
            str(info.version),
            ", ".join(info.aliases) or "-",
            str(info.cutoff or "-"),
            f"{info.created:%Y-%m-%d %H:%M}",
            info.tags.get("stockcast.decision", "-"),
            (info.fingerprint or "-")[:12],
        ]
        for info in sorted(registry.list(), key=lambda info: -info.version)
    ]
    if not rows:
        console.print("No version is registered yet; `stockcast run` trains and registers one.")
        return
    columns = ("version", "alias", "trained through", "registered (UTC)", "decision", "bundle")
    console.print(terminal_table(registry.name, columns, rows))


def _percent(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    return f"{100 * value:+.1f} %" if signed else f"{100 * value:.1f} %"


def _p_value(value: float | None) -> str:
    if value is None:
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004  the last digit shown
