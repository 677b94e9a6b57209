"""Proof that the fused graph says what the native models say: on the same real windows.

Each member leaves its native forecasts beside its export, so that comparing unpickles nothing.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from forecasting.bundle.graph import BundleOutput
from forecasting.models.base import Member
from forecasting.samples.panel import Panel

WINDOWS = 1_000
TOLERANCE = 1e-5


def parity_rows(panel: Panel) -> npt.NDArray[np.int64]:
    """Return samples spread evenly over the panel: `WINDOWS` of them, or all if there are fewer."""
    count = min(WINDOWS, len(panel))
    return np.unique(np.linspace(0, len(panel) - 1, count).astype(np.int64))


def save_native(folder: Path, member: Member, panel: Panel) -> None:
    """Keep what the native `member` forecasts for the parity windows."""
    moments = member.moments(panel, parity_rows(panel))
    np.savez(folder / "native.npz", mean=moments.mean, scale=moments.scale)


def parity_error(output: BundleOutput, member: int, folder: Path) -> float:
    """Return the largest difference between graph and native member, in units of the scale."""
    with np.load(folder / "native.npz", allow_pickle=False) as native:
        scale = native["scale"]
        mean_error = np.abs(output.member_mean[:, member] - native["mean"]) / scale
        scale_error = np.abs(output.member_scale[:, member] - scale) / scale
    return float(np.max([mean_error, scale_error]))  # NaN, which is no parity, comes through
