"""Indicators of the ``ta`` package, switched on by name in the settings.

Belongs here: finding the function and making a feature of it. An indicator is admitted only when
`forecasting.features.admission` finds that it keeps what every feature promises. Does not belong
here: indicators that Stockcast defines itself (`forecasting.features.built_in`).
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
from forecasting.features.admission import Units, check_indicator
from forecasting.features.spec import MAX_WARMUP, Feature

MODULES = ("momentum", "others", "trend", "volatility", "volume")
COLUMNS = ("open", "high", "low", "close", "volume")

# `warnings.catch_warnings` changes the whole process, and Polars runs tickers in threads.
_LOCK = threading.Lock()


@cache
def named_indicator(name: str) -> Feature:
    """Return the feature that ``ta`` computes under `name`, such as ``trend.aroon_up``.

    The function is called with its default parameters, one ticker at a time and never with
    ``fillna=True``, which fills from the future. An output in prices or volumes is divided by the
    close and by the mean volume of 20 sessions, to the powers that make it free of units.

    Raises
    ------
    SettingsError
        When ``ta`` has no such function, or the indicator was refused; says why.
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

    checked = check_indicator(name, compute)
    return Feature(
        name="ta_" + name.replace(".", "_"),
        group="ta",
        warmup=MAX_WARMUP,
        tolerance=checked.tolerance,
        description=f"`ta.{name}` with its default parameters, {checked.units}.",
        definition=f"ta {version('ta')} {name} {checked.units}",
        expression=_expression(compute, _columns(function), checked.units),
    )


@cache
def available_indicators() -> Mapping[str, Callable[..., Any]]:
    """Return the functions of ``ta`` that need bars and nothing else, by ``module.function``."""
    found = {}
    for module_name in MODULES:
        module = importlib.import_module(f"ta.{module_name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if own and set(_columns(function)) <= set(COLUMNS):
                found[f"{module_name}.{name}"] = function
    return found


def _columns(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is inspect.Parameter.empty]


def _expression(
    compute: Callable[[Mapping[str, NDArray[np.float64]]], NDArray[np.float64]],
    columns: list[str],
    units: Units,
) -> pl.Expr:
    def over_bars(bars: pl.Series) -> pl.Series:
        # Below the warm-up nothing is known, and some functions of `ta` fail on few bars.
        if len(bars) < MAX_WARMUP:
            return pl.repeat(None, len(bars), dtype=pl.Float64, eager=True)
        return pl.Series(compute({c: bars.struct.field(c).to_numpy() for c in columns}))

    value = pl.struct(columns).map_batches(over_bars, return_dtype=pl.Float64)
    mean_volume = pl.col("volume").rolling_mean(20)
    return value / (pl.col("close") ** units.price * mean_volume**units.volume)


def _call(
    function: Callable[..., Any], bars: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    import pandas as pd  # noqa: PLC0415 - half a second that only a named indicator needs

    columns = {name: pd.Series(bars[name]) for name in _columns(function)}
    with _LOCK, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        values = function(**columns, fillna=False)
    computed: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    return computed
