"""GET /predict/{ticker}, and the same route of the design that is often published.

The other side is FastAPI with a pickled forest of 300 trees and a Keras LSTM, which the handler
runs for each request.
"""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.bench_bundle import sample_panel
from benchmarks.programs.plain_design import FOLDER
from benchmarks.service.homes import small_home
from benchmarks.service.load import get
from benchmarks.service.servers import asgi_server, forecast_service, pin_client
from benchmarks.service.turns import Side, median_ratio, print_goal, print_loads, take_turns

TREES, UNITS = 300, 32
GOAL_RATE, GOAL_P99 = 100, 30


def write_models(folder: Path, *, quick: bool) -> None:
    """Fit both models on the sample, and write them as the plain design does."""
    import keras  # noqa: PLC0415  # takes seconds
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415  # takes seconds

    panel = sample_panel()
    rows = np.flatnonzero(np.isfinite(panel.log_returns).all(axis=1))[:: 50 if quick else 5]
    windows, targets = panel.windows(rows), panel.log_returns[rows]
    mean, scale = windows.mean(axis=(0, 1)), windows.std(axis=(0, 1)) + 1e-9
    scaled = (windows - mean) / scale
    forest = RandomForestRegressor(n_estimators=TREES, min_samples_leaf=5, random_state=1)
    forest.fit(scaled[:, -1], targets)
    lstm = keras.Sequential(
        [
            keras.layers.Input(scaled.shape[1:]),
            keras.layers.LSTM(UNITS),
            keras.layers.Dense(targets.shape[1]),
        ]
    )
    lstm.compile(loss="mse")
    lstm.fit(scaled, targets, epochs=1, verbose=0)
    newest = {"AAPL": panel.windows(np.array([len(panel) - 1]))[0]}
    (folder / "forest.pkl").write_bytes(pickle.dumps((forest, mean, scale, newest)))
    lstm.save(folder / "lstm.keras")


def main(*, quick: bool = False) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="stockcast-bench-") as folder, small_home() as home:
        write_models(Path(folder), quick=quick)
        plain = asgi_server(
            "benchmarks.programs.plain_design:make_app",
            {FOLDER: folder, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        )
        with forecast_service(home.path) as ours, plain as theirs:
            pin_client()
            sides = (
                Side("GET /predict/{ticker}", *ours, get("/predict/AAPL?horizon=1d")),
                Side("FastAPI, forest and LSTM", *theirs, get("/predict/AAPL")),
            )
            rounds, seconds = (1, 0.5) if quick else (5, 3.0)
            for connections in (1, 32):
                loads = take_turns(*sides, rounds=rounds, seconds=seconds, connections=connections)
                for side, each in zip(sides, loads, strict=True):
                    print_loads(side.label, each, connections)
                if connections == 1:
                    p99s = [sorted(x for load in each for x in load.latencies) for each in loads]
                    a, b = (each[int((len(each) - 1) * 0.99)] for each in p99s)
                    print_goal("p99 of 1 connection, times lower", b / a, GOAL_P99, at_least=True)
                else:
                    print_goal(
                        "requests/s, times higher", median_ratio(*loads), GOAL_RATE, at_least=True
                    )
