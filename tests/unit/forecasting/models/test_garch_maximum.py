"""The fit of GARCH is the maximum of the likelihood, whatever the processor."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from dataclasses import astuple
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from arch import arch_model
from support.market.adjusted_bars import adjusted_sample

from forecasting.models.garch import PERCENT, fit_parameters

# Stretches of real log returns on which a single start ends below the maximum by 4 to 14.
HARD = {
    "AAPL until 2006": ("AAPL", 0, 1500),
    "AAPL until 2008": ("AAPL", 0, 2000),
    "AAPL after its crash": ("AAPL", 89, 700),
    "MSFT with constant variance": ("MSFT", 824, 252),
    "GOOG with heavy tails": ("GOOG", 1316, 400),
}
ROOT = Path(__file__).parents[4]
PROGRAM = """
import json, sys
import numpy as np
from dataclasses import astuple
from forecasting.models.garch import fit_parameters
print(json.dumps([astuple(fit_parameters(np.array(s))) for s in json.load(sys.stdin)]))
"""
KERNELS = {
    "plain": {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"},
    "Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
}


@cache
def log_returns(name: str) -> np.ndarray:
    ticker, first, size = HARD[name]
    close = adjusted_sample(ticker)["close"].to_numpy()
    return PERCENT * np.diff(np.log(close))[first : first + size]


def log_likelihood(name: str, parameters: tuple[float, ...]) -> float:
    model = arch_model(log_returns(name), dist="t", rescale=False)
    return float(model.fix(np.array(parameters)).loglikelihood)


@pytest.mark.slow
@pytest.mark.parametrize("name", HARD)
def test_no_start_of_a_dense_grid_finds_a_larger_likelihood(name: str) -> None:
    series = log_returns(name)
    model = arch_model(series, dist="t", rescale=False)
    best = -np.inf
    for a, share, nu in itertools.product((0.003, 0.02, 0.1, 0.3), (0.2, 0.9, 0.99), (3.5, 7.0)):
        b = share - a if share > a else 0.0
        start = np.array([series.mean(), (1 - a - b) * series.var(), a, b, nu])
        fit = model.fit(disp="off", show_warning=False, starting_values=start)
        best = max(best, fit.loglikelihood)
    found = fit_parameters(series)
    assert found is not None
    assert log_likelihood(name, astuple(found)) > best - 1e-4


def test_a_single_start_of_arch_may_miss_the_maximum() -> None:
    name = "AAPL after its crash"
    single = arch_model(log_returns(name), dist="t", rescale=False).fit(disp="off")
    found = fit_parameters(log_returns(name))
    assert found is not None
    assert log_likelihood(name, astuple(found)) > single.loglikelihood + 10


@pytest.mark.slow
def test_two_kernels_of_a_processor_give_the_same_fit() -> None:
    content = json.dumps([log_returns(name).tolist() for name in HARD])
    fits = [np.array(json.loads(_run(content, environment))) for environment in KERNELS.values()]
    np.testing.assert_allclose(fits[0], fits[1], rtol=1e-3, atol=1e-4)


def _run(content: str, environment: dict[str, str]) -> str:
    completed = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=content,
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return completed.stdout
