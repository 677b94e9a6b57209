"""Prints the progress and the tables of a run, from recorded data, as `stockcast run` does.

Usage: ``printed_run.py progress | tables FOLDER``
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from core.errors import BarsError
from market.ingest.batch import TickerOutcome
from stockcast.cli.market_tables import print_outcomes
from stockcast.cli.model_tables import print_decision, print_evaluation, print_forecast_rows
from stockcast.cli.progress import RunProgress
from stockcast.cli.terminal import make_console, prepare_streams

STEPS = ("daily_bars", "daily_bars_few_refused_rows", "walk_forward_forecasts")
PRICES = {"PENNY": 0.0004, "AAPL": 430.47, "BRK.A": 612_345.5}


def forecast(ticker: str, price: float) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "as_of": "2013-03-01",
        "horizon": "1w",
        "target_session": "2013-03-08",
        "current_price": price,
        "prediction": {
            "price_target": price * 1.01,
            "intervals": {"80": [price * 0.95, price * 1.05], "95": [price * 0.9, price * 1.1]},
            "probability_up": 0.523,
            "direction": "neutral",
            "signal": "HOLD",
            "signal_note": None,
        },
    }


def scores() -> dict[str, float]:
    names = ("skill_naive", "skill_garch", "p_naive", "p_garch", "direction_accuracy")
    coverage = {f"coverage_{level}": 0.8 for level in (80, 95, 99)}
    return (
        dict.fromkeys(names, 0.0421)
        | coverage
        | {
            "crps": 0.00992,
            "direction_base_rate": 0.515,
        }
    )


def print_tables(folder: Path) -> None:
    console = make_console()
    evaluation = {"pooled": {"ensemble": {str(horizon): scores() for horizon in (1, 5, 21)}}}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    reasons = [
        {"passed": True, "sentence": "Golden vectors match within tolerance: passed"},
        {"passed": False, "sentence": f"A reason {'of many words ' * 12}for 株: failed"},
    ]
    decision = {"version": 3, "outcome": "kept as challenger", "reasons": reasons}
    (folder / "promotion.json").write_text(json.dumps(decision))
    print_evaluation(console, folder / "evaluation.json")
    print_decision(console, folder / "promotion.json")
    print_forecast_rows(console, "Forecasts", [forecast(*item) for item in PRICES.items()])
    error = BarsError("row 8, column 'Close': got 'n/a?', which is not a number at all")
    failed = TickerOutcome("IBM", "failed", 12, error=error)
    print_outcomes(
        console, [failed, TickerOutcome("AAPL", "up_to_date", 0)], {"IBM": date(2013, 3, 1)}
    )


def print_progress() -> None:
    progress = RunProgress(make_console())
    with progress.bar(steps=len(STEPS)):
        for step in STEPS:
            progress.handle(record(step, "STEP_START"))
            time.sleep(0.15)  # the bar is drawn in between
            progress.handle(record(step, None, "5 tickers: 5 ingested."))
            print("a library prints")  # noqa: T201
            progress.handle(record(step, "STEP_SUCCESS"))


def record(step: str, kind: str | None, message: str = "") -> logging.LogRecord:
    made = logging.LogRecord("run", logging.INFO, "", 0, message, None, None)
    made.dagster_meta = {"step_key": step, "orig_message": message}  # type: ignore[attr-defined]
    if kind is not None:
        made.dagster_event = SimpleNamespace(event_type_value=kind)  # type: ignore[attr-defined]
    return made


if __name__ == "__main__":
    prepare_streams()
    if sys.argv[1] == "progress":
        print_progress()
    else:
        print_tables(Path(sys.argv[2]))
