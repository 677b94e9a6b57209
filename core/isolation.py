"""Isolation of tickers: a fault of one ticker must not stop the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from core.errors import StockcastError

T = TypeVar("T")

logger = logging.getLogger(__name__)


def reason_of(error: Exception) -> str:
    """Return the message of an error in one line, with the type of an unexpected error."""
    message = " ".join(str(error).split())
    return message if isinstance(error, StockcastError) else f"{type(error).__name__}: {message}"


def find_faulty(tickers: Iterable[str], work: Callable[[str], object]) -> dict[str, str]:
    """Call `work` for each ticker, and return the tickers that raise with their reasons."""
    faulty = {}
    for ticker in tickers:
        try:
            work(ticker)
        except Exception as error:  # any fault of one ticker must spare the others
            logger.debug("%s is left out", ticker, exc_info=True)
            faulty[ticker] = reason_of(error)
    return faulty


def run_isolated(
    tickers: Sequence[str],
    work: Callable[[Sequence[str], Mapping[str, str]], T],
    *,
    probe: Callable[[str], object] | None = None,
) -> tuple[T, dict[str, str]]:
    """Run `work` on all tickers at once, or without the tickers for which it fails.

    Only after a failure, each ticker is tried alone.

    Parameters
    ----------
    work
        Receives the tickers, and the faulty ones that it must do without.
    probe
        Work on one ticker that fails for a faulty one; ``work([ticker], {})`` by default.

    Returns
    -------
    result, faulty
        The result for the other tickers, and the faulty tickers with their reasons.

    Raises
    ------
    Exception
        The error of `work` if it fails for no single ticker or for each of them.
    """
    try:
        return work(tickers, {}), {}
    except Exception:
        faulty = find_faulty(tickers, probe or (lambda ticker: work([ticker], {})))
        remaining = [ticker for ticker in tickers if ticker not in faulty]
        if not faulty or not remaining:
            raise
    return work(remaining, faulty), faulty
