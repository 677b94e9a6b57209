"""Weights of the ensemble, their values before any outcome is known, and the combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Weights before any outcome is known, by horizon. The likelihood of one return over many sessions
# says little, so the Student-t member counts less at longer horizons.
PRIOR: Mapping[int, Mapping[str, float]] = {
    1: {"linear": 0.35, "student": 0.35, "forest": 0.1, "lstm": 0.2},
    5: {"linear": 0.45, "student": 0.15, "forest": 0.15, "lstm": 0.25},
    21: {"linear": 0.45, "student": 0.0, "forest": 0.2, "lstm": 0.35},
}
_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class EnsembleWeights:
    """Weights of the members for each horizon.

    Attributes
    ----------
    scale
        Horizon -> member -> weight of its log scale. Weights are not negative and sum to 1.
    """

    scale: dict[int, dict[str, float]]

    def __post_init__(self) -> None:
        for horizon, by_member in self.scale.items():
            is_one = abs(sum(by_member.values()) - 1) <= _SUM_TOLERANCE
            if min(by_member.values()) < 0 or not is_one:
                msg = f"`scale[{horizon}]` must have weights >= 0 with a sum of 1, got {by_member}."
                raise ValueError(msg)

    @classmethod
    def prior(cls, horizons: Sequence[int]) -> EnsembleWeights:
        """Return the weights before any outcome is known."""
        return cls({h: dict(PRIOR[h]) for h in horizons})

    def as_dict(self) -> dict[str, Any]:
        """Return the weights as a dictionary for JSON."""
        return {str(horizon): dict(by_member) for horizon, by_member in self.scale.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EnsembleWeights:
        """Return the weights from the result of `as_dict`."""
        return cls({int(horizon): dict(weights) for horizon, weights in values.items()})


def combine_scales(weights: Mapping[str, float], scales: Mapping[str, Array]) -> Array:
    """Return the ensemble's scale (n,), the weighted mean of the members' log scales.

    Examples
    --------
    >>> scales = {"forest": np.array([1.0]), "lstm": np.array([4.0])}
    >>> combine_scales({"forest": 0.5, "lstm": 0.5}, scales).tolist()
    [2.0]
    """
    parts = [weight * np.log(scales[member]) for member, weight in weights.items()]
    combined: Array = np.exp(np.sum(parts, axis=0))
    return combined
