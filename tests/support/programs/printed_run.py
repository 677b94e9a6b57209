"""Prints the progress and the tables of a run, from recorded data, as `stockcast run` does.

Usage: ``printed_run.py progress|tables FOLDER``
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from core.errors import BarsError
from core.settings import CoreSettings, load_settings
from market.ingest.outcome import TickerOutcome
from stockcast.cli.dagster_instance import open_instance
from stockcast.cli.job_runs import execute
from stockcast.cli.output.console import make_console, prepare_streams
from stockcast.cli.output.market_tables import print_outcomes
from stockcast.cli.output.model_tables import print_decision, print_evaluation, print_forecast_rows
from stockcast.cli.output.progress import LOGGER_KEY, RunProgress, as_logger

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


@dg.asset(config_schema={"force": bool, "patient": bool})
def daily_bars(context) -> None:  # noqa: ANN001  Dagster reads annotations, and these are texts
    time.sleep(0.3)  # the bar is drawn in between
    context.log.info("5 tickers: 5 ingested.")
    print("a library prints")  # noqa: T201


@dg.asset(deps=[daily_bars])
def walk_forward_forecasts(context) -> None:  # noqa: ANN001
    context.log.info("fold 1 of 5: trained through 2008-01-22, forecasts 2008-02-29 to 2009-02-27")
    time.sleep(0.3)


def print_progress(home: Path) -> None:
    """Run a job in the Dagster instance of a home, which captures the output of every step."""
    progress = RunProgress(make_console())
    definitions = dg.Definitions(
        assets=[daily_bars, walk_forward_forecasts],
        jobs=[dg.define_asset_job("job")],
        loggers={LOGGER_KEY: as_logger(progress)},
    )
    instance = open_instance(load_settings(CoreSettings, home=home))
    with progress.bar(steps=2):
        execute(definitions, "job", instance=instance, partitions={}, command="run")


if __name__ == "__main__":
    prepare_streams()
    if sys.argv[1] == "progress":
        print_progress(Path(sys.argv[2]))
    else:
        print_tables(Path(sys.argv[2]))
