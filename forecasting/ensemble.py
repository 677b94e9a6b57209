"""How the members become one forecast: the weights, and learning them from earlier folds.

Which rows count as earlier is decided by `forecasting.walk_forward`; calibration of the result
belongs to `forecasting.intervals`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Before anything is learnt. The forest comes first because its scale is the steadier one to fit.
PRIOR: Mapping[str, float] = {"forest": 0.4, "lstm": 0.6}
_SUM_SLACK = 1e-6


@dataclass(frozen=True)
class EnsembleWeights:
    """For each horizon, how much each member counts.

    Attributes
    ----------
    mean
        Horizon -> member -> weight of its location; none is negative and their sum is at most 1.
        What is missing to 1 belongs to the naive location of 0.
    scale
        Horizon -> member -> weight of its scale; none is negative and their sum is 1.
    """

    mean: dict[int, dict[str, float]]
    scale: dict[int, dict[str, float]]

    def __post_init__(self) -> None:
        for horizon, by_member in self.mean.items():
            _check(f"mean[{horizon}]", by_member, least=0.0)
        for horizon, by_member in self.scale.items():
            _check(f"scale[{horizon}]", by_member, least=1.0)

    @classmethod
    def prior(cls, horizons: Sequence[int]) -> EnsembleWeights:
        """Return the weights that hold before anything is learnt."""
        return cls({h: dict(PRIOR) for h in horizons}, {h: dict(PRIOR) for h in horizons})

    def combine(
        self, horizon: int, mean: Mapping[str, Array], scale: Mapping[str, Array]
    ) -> tuple[Array, Array]:
        """Return the ensemble's location and scale from the members' at one horizon, (n,) each."""
        return weighted(self.mean[horizon], mean), weighted(self.scale[horizon], scale)


def weighted(weights: Mapping[str, float], values: Mapping[str, Array]) -> Array:
    """Return the weighted sum of the members' values."""
    total: Array = np.sum([weight * values[member] for member, weight in weights.items()], axis=0)
    return total


def _check(name: str, by_member: Mapping[str, float], *, least: float) -> None:
    total = sum(by_member.values())
    if min(by_member.values()) < 0 or not least - _SUM_SLACK <= total <= 1 + _SUM_SLACK:
        bound = "equals 1" if least else "is at most 1"
        msg = f"`{name}` must hold weights >= 0 whose sum {bound}, got {dict(by_member)}."
        raise ValueError(msg)
