"""Weights of the ensemble, and their values before any outcome is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Weights before any outcome is known.
PRIOR: Mapping[str, float] = {"forest": 0.4, "lstm": 0.6}
# Half of the prior belongs to the locations of the members and half to the naive location of 0,
# with a standard deviation of a quarter for each member: returns are nearly unpredictable.
MEAN_PRIOR: Mapping[str, float] = {member: weight / 2 for member, weight in PRIOR.items()}
MEAN_PRIOR_DEVIATION = 0.25
_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class EnsembleWeights:
    """Weights of the members for each horizon.

    Attributes
    ----------
    mean
        Horizon -> member -> weight of its location. Weights are not negative and sum to at most 1;
        the remainder belongs to the naive location of 0.
    scale
        Horizon -> member -> weight of its scale. Weights are not negative and sum to 1.
    """

    mean: dict[int, dict[str, float]]
    scale: dict[int, dict[str, float]]

    def __post_init__(self) -> None:
        for horizon, by_member in self.mean.items():
            _check_weights(f"mean[{horizon}]", by_member, least_sum=0.0)
        for horizon, by_member in self.scale.items():
            _check_weights(f"scale[{horizon}]", by_member, least_sum=1.0)

    @classmethod
    def prior(cls, horizons: Sequence[int]) -> EnsembleWeights:
        """Return the weights before any outcome is known."""
        return cls({h: dict(MEAN_PRIOR) for h in horizons}, {h: dict(PRIOR) for h in horizons})

    def as_dict(self) -> dict[str, Any]:
        """Return the weights as a dictionary for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EnsembleWeights:
        """Return the weights from the result of `as_dict`; horizons may be strings, as in JSON."""
        mean, scale = (
            {int(horizon): dict(weights) for horizon, weights in values[kind].items()}
            for kind in ("mean", "scale")
        )
        return cls(mean=mean, scale=scale)


def weighted_sum(weights: Mapping[str, float], values: Mapping[str, Array]) -> Array:
    """Return the weighted sum of the members' values, (n,)."""
    total: Array = np.sum([weight * values[member] for member, weight in weights.items()], axis=0)
    return total


def _check_weights(name: str, by_member: Mapping[str, float], *, least_sum: float) -> None:
    total = sum(by_member.values())
    in_range = least_sum - _SUM_TOLERANCE <= total <= 1 + _SUM_TOLERANCE
    if min(by_member.values()) < 0 or not in_range:
        bound = "of 1" if least_sum else "of at most 1"
        msg = f"`{name}` must have weights >= 0 with a sum {bound}, got {dict(by_member)}."
        raise ValueError(msg)
