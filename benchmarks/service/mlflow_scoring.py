"""GET /predict/{ticker}, and `mlflow models serve` with the same bundle.

MLflow's server gets the newest window of one ticker, as a client without a feature store would send
it, and returns the quantiles of the three horizons.
"""

from __future__ import annotations

import json

from benchmarks.service.homes import small_home
from benchmarks.service.load import get, post
from benchmarks.service.servers import forecast_service, free_port, pin_client, running
from benchmarks.service.turns import Side, median_ratio, print_goal, print_loads, take_turns

GOAL = 10


def main(*, quick: bool = False) -> None:
    """Measure and print."""
    with small_home() as home, forecast_service(home.path) as ours:
        port = free_port()
        command = ["-m", "mlflow", "models", "serve", "-m", "models:/stockcast@champion"]
        command += ["--env-manager", "local", "--port", str(port)]
        environment = {"MLFLOW_TRACKING_URI": home.tracking_uri}
        with running(command, port, environment) as pid:
            pin_client()
            window = home.publish().windows[:1].tolist()
            body = json.dumps({"inputs": {"window": window}}).encode()
            sides = (
                Side("GET /predict/{ticker}", *ours, get("/predict/AAPL?horizon=1d")),
                Side("mlflow models serve", pid, port, post("/invocations", body)),
            )
            for connections in (1, 32):
                rounds, seconds = (1, 0.5) if quick else (5, 3.0)
                loads = take_turns(*sides, rounds=rounds, seconds=seconds, connections=connections)
                for side, each in zip(sides, loads, strict=True):
                    print_loads(side.label, each, connections)
            print_goal("requests/s, times higher", median_ratio(*loads), GOAL, at_least=True)
