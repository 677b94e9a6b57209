"""Diagnostics of fitted members: feature importance of the forest, losses of the LSTM."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

IMPORTANCE_FILE, HISTORY_FILE = "importance.json", "history.json"


@dataclass(frozen=True)
class FeatureImportance:
    """Impurity importance of each feature in a fitted forest.

    Attributes
    ----------
    names
        Features in the order of the forest's inputs.
    values
        Share of the impurity decrease of each feature; the shares sum to 1.
    """

    names: list[str]
    values: list[float]

    def save(self, folder: Path) -> None:
        """Write ``importance.json`` into the existing `folder`."""
        (folder / IMPORTANCE_FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> FeatureImportance:
        """Read the file that `save` wrote into `folder`."""
        return cls(**json.loads((folder / IMPORTANCE_FILE).read_text()))


@dataclass(frozen=True)
class TrainingHistory:
    """Losses by epoch of the training that determined the number of epochs.

    Attributes
    ----------
    loss
        Mean squared error of the log scale, of the rows that the network was fitted to.
    val_loss
        Mean squared error of the log scale, of the validation rows.
    """

    loss: list[float]
    val_loss: list[float]

    def save(self, folder: Path) -> None:
        """Write ``history.json`` into the existing `folder`."""
        (folder / HISTORY_FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> TrainingHistory:
        """Read the file that `save` wrote into `folder`."""
        return cls(**json.loads((folder / HISTORY_FILE).read_text()))
