"""Indicators of the ``ta`` package, selected by name in the settings.

`forecasting.features.admission` checks every indicator before it becomes a feature.
"""

from __future__ import annotations

import importlib
import inspect
import threading
import warnings
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from core.errors import SettingsError
from forecasting.features.admission import Units, admit_indicator
from forecasting.features.spec import MAX_WARMUP, Feature

MODULES = ("momentum", "others", "trend", "volatility", "volume")
COLUMNS = ("open", "high", "low", "close", "volume")

# `warnings.catch_warnings` changes the whole process, and Polars computes tickers in threads.
_LOCK = threading.Lock()


@cache
def named_indicator(name: str) -> Feature:
    """Return the feature that ``ta`` computes under `name`, such as ``trend.aroon_up``.

    The function is called with its default parameters and ``fillna=False``, one ticker at a time.
    An output in prices or volumes is divided by powers of the close and of the mean volume over 20
    sessions, so that the feature has no unit.

    Raises
    ------
    SettingsError
        When ``ta`` has no such function, or when the indicator is not admitted.

    Examples
    --------
    >>> feature = named_indicator("momentum.kama")
    >>> feature.name, feature.warmup
    ('ta_momentum_kama', 130)
    >>> feature.description
    '`ta.momentum.kama` with its default parameters, divided by close^1.'
    """
    functions = available_indicators()
    if name not in functions:
        near = ", ".join(get_close_matches(name, functions, n=3))
        hint = f"; did you mean {near}?" if near else "; write it as module.function."
        msg = f"`extra_indicators`: {name!r} is not an indicator of `ta`{hint}"
        raise SettingsError(msg)
    function = functions[name]

    def compute(bars: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        return _call(function, bars)

    admitted = admit_indicator(name, compute)
    units = admitted.units
    return Feature(
        name="ta_" + name.replace(".", "_"),
        group="ta",
        warmup=MAX_WARMUP,
        tolerance=admitted.tolerance,
        description=f"`ta.{name}` with its default parameters, {units}.",
        definition=f"ta {version('ta')} {name} close^{units.price} volume^{units.volume}",
        expression=_expression(compute, _columns(function), units),
    )


@cache
def available_indicators() -> Mapping[str, Callable[..., Any]]:
    """Return the functions of ``ta`` that need only bars, by ``module.function``.

    Examples
    --------
    >>> [name for name in available_indicators() if "aroon" in name]
    ['trend.aroon_down', 'trend.aroon_up']
    """
    functions = {}
    for module_name in MODULES:
        module = importlib.import_module(f"ta.{module_name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            is_public = function.__module__ == module.__name__ and not name.startswith("_")
            if is_public and set(_columns(function)) <= set(COLUMNS):
                functions[f"{module_name}.{name}"] = function
    return functions


def _columns(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is inspect.Parameter.empty]


def _expression(
    compute: Callable[[Mapping[str, NDArray[np.float64]]], NDArray[np.float64]],
    columns: list[str],
    units: Units,
) -> pl.Expr:
    def compute_ticker(bars: pl.Series) -> pl.Series:
        # Rows before the warm-up become null, and some functions of `ta` fail on few bars.
        if len(bars) < MAX_WARMUP:
            return pl.repeat(None, len(bars), dtype=pl.Float64, eager=True)
        return pl.Series(compute({c: bars.struct.field(c).to_numpy() for c in columns}))

    value = pl.struct(columns).map_batches(compute_ticker, return_dtype=pl.Float64)
    mean_volume = pl.col("volume").rolling_mean(20)
    return value / (pl.col("close") ** units.price * mean_volume**units.volume)


def _call(
    function: Callable[..., Any], bars: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    import pandas as pd  # noqa: PLC0415  the import takes half a second

    columns = {name: pd.Series(bars[name]) for name in _columns(function)}
    with _LOCK, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        # With `fillna=True`, `ta` fills from the future.
        values = function(**columns, fillna=False)
    computed: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    return computed
