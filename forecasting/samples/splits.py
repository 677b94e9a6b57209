"""Walk-forward folds over sessions, purged and embargoed.

Belongs here: which sessions train and which test. Knows nothing of prices or models.

::

    expanding   |------------ train ------------|  purged  | embargo |--- test ---|
    rolling          |--- min_train_size -------|  purged  | embargo |--- test ---|
                                              cutoff

Between the last training session (the cutoff) and the first test session lie exactly ``purged_size
+ embargo_size`` sessions. With ``purged_size`` no shorter than the longest horizon, the target of
the last training row is known before the embargo begins, so no training target overlaps the test
stretch. Test stretches follow one another without a gap, and the last one ends at the last session.

The first stretch, the burn-in, is twice as long where history allows it: the first weights and
calibration come from it alone, and one year holds only a dozen separate outcomes over 21 sessions.
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
    """Sessions to train on and sessions to test on, as datetime64[D], ascending.

    Fold 0 is the burn-in: its forecasts seed weights and calibration and are never scored.
    """

    index: int
    train: NDArray[np.datetime64]
    test: NDArray[np.datetime64]

    @property
    def cutoff(self) -> date:
        """The last session that training sees as an as-of session."""
        return _to_date(self.train[-1])


@dataclass(frozen=True)
class WalkForward:
    """Cut sessions into one burn-in fold and `n_folds` scored folds.

    Attributes
    ----------
    n_folds
        Scored folds; one unscored fold comes before them.
    test_size
        Sessions in each scored test stretch; up to twice as many in the burn-in.
    min_train_size
        Sessions that the first fold must have to train on; in rolling mode every fold trains on
        just so many.
    purged_size, embargo_size
        Sessions left out between training and test; `purged_size` is at least the longest horizon.
    mode
        Whether training keeps all the past (expanding) or the newest part of it (rolling).
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
            if (got := getattr(self, name)) < least:
                msg = f"`{name}` must be at least {least}, got {got}."
                raise SettingsError(msg)
        if self.purged_size < max(HORIZONS):
            msg = (
                f"`purged_size` must be at least the longest horizon ({max(HORIZONS)}), "
                f"got {self.purged_size}; raise it, or training targets reach into the test."
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
            When not even test stretches of 21 sessions fit; says how many sessions are needed.
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
        """Return `test_size`, or the largest that fits into `n_sessions` (with a logged warning).

        Raises
        ------
        NotEnoughHistoryError
            When fewer than 21 sessions a test stretch would be left.
        """
        before = self.min_train_size + self.purged_size + self.embargo_size
        stretches = self.n_folds + 1
        fitting = (n_sessions - before) // stretches
        if fitting < MIN_TEST_SIZE:
            msg = (
                f"`n_folds` {self.n_folds} with `min_train_size` {self.min_train_size} needs at "
                f"least {before + stretches * MIN_TEST_SIZE} sessions with complete windows, got "
                f"{n_sessions}; bring more history, or lower `n_folds` or `min_train_size`."
            )
            raise NotEnoughHistoryError(msg)
        if fitting < self.test_size:
            logger.warning(
                "`test_size` shrinks from %d to %d: %d sessions hold %d stretches no longer.",
                self.test_size,
                fitting,
                n_sessions,
                stretches,
            )
        return min(fitting, self.test_size)


def training_rows(panel: Panel, fold: Fold) -> NDArray[np.int64]:
    """Return the samples that `fold` may train on.

    A sample counts when its session is one of the fold's and its last target is known before the
    first test session. The second condition matters for a ticker with missing bars, whose h bars
    ahead lie more than h sessions ahead.
    """
    inside = np.isin(panel.sample_sessions, fold.train)
    # NaT compares false: a target that is not known cannot be trained on.
    known = (panel.target_sessions < fold.test[0]).all(axis=1)
    return np.flatnonzero(inside & known)


def forecast_rows(panel: Panel, fold: Fold) -> NDArray[np.int64]:
    """Return the samples that `fold` forecasts, those without a known target included."""
    return np.flatnonzero(np.isin(panel.sample_sessions, fold.test))


def _to_date(session: np.datetime64) -> date:
    converted: date = session.astype("datetime64[D]").item()
    return converted
