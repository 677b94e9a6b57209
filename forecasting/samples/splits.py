"""Walk-forward folds over sessions, purged and embargoed.

::

    expanding   |------------ train ------------|  purged  | embargo |--- test ---|
    rolling          |--- min_train_size -------|  purged  | embargo |--- test ---|
                                              cutoff

Exactly ``purged_size + embargo_size`` sessions lie between the last training session, the cutoff,
and the first test session. Because ``purged_size`` is at least the longest horizon, the target of
the last training row is known before the embargo begins, and no training target overlaps the test
sessions. Test sets follow each other without a gap, and the last one ends at the last session.

The first test set, the burn-in, is twice as long where the history is long enough: the first
weights and the first calibration are learned from it, and one year contains only twelve
non-overlapping outcomes over 21 sessions.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import NotEnoughHistoryError, SettingsError
from forecasting.horizons import HORIZONS
from forecasting.samples.panel import Panel

MIN_TEST_SIZE = 21

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fold:
    """Training sessions and test sessions of one fold, as ascending datetime64[D].

    Fold 0 is the burn-in: weights and calibration are learned from its forecasts, which are not
    scored.
    """

    index: int
    train: NDArray[np.datetime64]
    test: NDArray[np.datetime64]

    @property
    def cutoff(self) -> date:
        """Last as-of session of the training samples."""
        return _to_date(self.train[-1])


@dataclass(frozen=True)
class WalkForward:
    """Splits sessions into one burn-in fold and `n_folds` scored folds.

    Attributes
    ----------
    n_folds
        Number of scored folds. One burn-in fold precedes them.
    test_size
        Sessions in each scored test set; the burn-in has up to twice as many.
    min_train_size
        Smallest number of training sessions of the first fold. In rolling mode, the number of
        training sessions of every fold.
    purged_size, embargo_size
        Sessions left out between training and test. `purged_size` must be at least the longest
        horizon.
    mode
        ``expanding`` trains on all sessions before the gap, ``rolling`` on the newest of them.

    Raises
    ------
    SettingsError
        When a size is too small.

    Examples
    --------
    >>> sessions = np.arange("2024-01-01", "2024-05-10", dtype="datetime64[D]")
    >>> for fold in WalkForward(n_folds=1, test_size=21, min_train_size=40).split(sessions):
    ...     print(fold.index, len(fold.train), fold.cutoff, fold.test[0], len(fold.test))
    0 41 2024-02-10 2024-03-08 42
    1 83 2024-03-23 2024-04-19 21
    """

    n_folds: int = 5
    test_size: int = 252
    min_train_size: int = 504
    purged_size: int = max(HORIZONS)
    embargo_size: int = 5
    mode: Literal["expanding", "rolling"] = "expanding"

    def __post_init__(self) -> None:
        bounds = {
            "n_folds": 1,
            "test_size": MIN_TEST_SIZE,
            "min_train_size": 1,
            "embargo_size": 0,
        }
        for name, least in bounds.items():
            if (value := getattr(self, name)) < least:
                msg = f"`{name}` must be at least {least}, got {value}."
                raise SettingsError(msg)
        if self.purged_size < max(HORIZONS):
            msg = (
                f"`purged_size` must be at least the longest horizon ({max(HORIZONS)}), "
                f"got {self.purged_size}; raise it, or training targets overlap the test sessions."
            )
            raise SettingsError(msg)
        if self.mode not in ("expanding", "rolling"):
            msg = f"`mode` must be 'expanding' or 'rolling', got {self.mode!r}."
            raise SettingsError(msg)

    def split(self, sessions: NDArray[np.datetime64]) -> list[Fold]:
        """Return folds 0 to `n_folds` over `sessions` (unique, ascending), earliest first.

        Raises
        ------
        NotEnoughHistoryError
            When test sets of 21 sessions do not fit.
        """
        test_size = self.fitted_test_size(len(sessions))
        gap = self.purged_size + self.embargo_size
        folds = []
        for index in range(self.n_folds + 1):
            start = len(sessions) - (self.n_folds + 1 - index) * test_size
            end = start + test_size
            if index == 0:
                start -= min(test_size, start - gap - self.min_train_size)
            stop = start - gap
            first = stop - self.min_train_size if self.mode == "rolling" else 0
            folds.append(Fold(index, sessions[first:stop], sessions[start:end]))
        return folds

    def fitted_test_size(self, n_sessions: int) -> int:
        """Return `test_size`, or log a warning and return the largest size that fits.

        Raises
        ------
        NotEnoughHistoryError
            When fewer than 21 sessions per test set fit into `n_sessions`.
        """
        before = self.min_train_size + self.purged_size + self.embargo_size
        n_tests = self.n_folds + 1
        largest = (n_sessions - before) // n_tests
        if largest < MIN_TEST_SIZE:
            msg = (
                f"`n_folds` {self.n_folds} with `min_train_size` {self.min_train_size} needs at "
                f"least {before + n_tests * MIN_TEST_SIZE} sessions with complete windows, got "
                f"{n_sessions}; provide a longer history, or lower `n_folds` or `min_train_size`."
            )
            raise NotEnoughHistoryError(msg)
        if largest < self.test_size:
            logger.warning(
                "`test_size` is reduced from %d to %d: the history of %d sessions has to hold %d "
                "test sets.",
                self.test_size,
                largest,
                n_sessions,
                n_tests,
            )
        return min(largest, self.test_size)


def training_rows(panel: Panel, fold: Fold) -> NDArray[np.int64]:
    """Return the samples that `fold` trains on.

    A training sample has its as-of session in ``fold.train``, and all its targets are known before
    the first test session. The second condition matters for tickers with missing bars: their h
    bars ahead span more than h sessions.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> days = np.arange("2024-01-01", "2024-01-07", dtype="datetime64[D]")
    >>> panel = SimpleNamespace(sample_sessions=days[:4], target_sessions=days[[1, 3, 3, 4], None])
    >>> training_rows(panel, Fold(1, train=days[:3], test=days[4:])).tolist()
    [0, 1, 2]
    >>> training_rows(panel, Fold(1, train=days[:3], test=days[3:])).tolist()
    [0]
    """
    in_train = np.isin(panel.sample_sessions, fold.train)
    # NaT, an unknown target, compares false.
    is_known = (panel.target_sessions < fold.test[0]).all(axis=1)
    return np.flatnonzero(in_train & is_known)


def forecast_rows(panel: Panel, fold: Fold) -> NDArray[np.int64]:
    """Return the samples that `fold` forecasts, including samples without a known target.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> days = np.arange("2024-01-01", "2024-01-07", dtype="datetime64[D]")
    >>> fold = Fold(1, train=days[:3], test=days[4:])
    >>> forecast_rows(SimpleNamespace(sample_sessions=days), fold).tolist()
    [4, 5]
    """
    return np.flatnonzero(np.isin(panel.sample_sessions, fold.test))


def _to_date(session: np.datetime64) -> date:
    converted: date = session.astype("datetime64[D]").item()
    return converted
