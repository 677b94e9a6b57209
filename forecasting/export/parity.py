"""Parity of the fused graph with the native models, measured on the same real windows.

An exported member stores its native forecasts next to its graph, so the comparison needs no pickle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from forecasting.bundle.graph import BundleOutput
from forecasting.models.base import Array, Member
from forecasting.samples.panel import Panel

WINDOWS = 1_000
TOLERANCE = 1e-5
MODEL_FILE, NATIVE_FILE, PARITY_FILE = "model.onnx", "native.npz", "parity.json"


@dataclass(frozen=True, eq=False)
class ExportedMember:
    """The ONNX graph of a fitted member, and its native forecasts of the parity windows.

    Attributes
    ----------
    graph
        Serialised graph, from `forecasting.export.fusion`.
    native
        (n, H) scales that the fitted model itself computes for `parity_rows`.
    """

    graph: bytes
    native: Array

    @classmethod
    def from_fit(cls, member: Member, panel: Panel, graph: bytes) -> ExportedMember:
        """Pair the `graph` of a fitted `member` with its forecasts of the parity windows."""
        return cls(graph, member.scales(panel, parity_rows(panel)))

    def save(self, folder: Path) -> None:
        """Write ``model.onnx`` and ``native.npz`` into the existing `folder`."""
        (folder / MODEL_FILE).write_bytes(self.graph)
        np.savez(folder / NATIVE_FILE, scale=self.native)

    @classmethod
    def load(cls, folder: Path) -> ExportedMember:
        """Read the files that `save` wrote into `folder`."""
        with np.load(folder / NATIVE_FILE, allow_pickle=False) as native:
            return cls((folder / MODEL_FILE).read_bytes(), native["scale"])


@dataclass(frozen=True)
class ParityReport:
    """Differences between the fused graph and the native members.

    Attributes
    ----------
    windows
        Number of windows that were compared.
    error
        Member -> largest difference of a scale, in units of the native scale. NaN when
        the graph returned NaN.
    """

    windows: int
    error: dict[str, float]

    @property
    def worst(self) -> float:
        """Largest error of all members; NaN when any error is NaN."""
        return float(np.max(list(self.error.values())))

    def save(self, folder: Path) -> None:
        """Write ``parity.json`` into the existing `folder`."""
        (folder / PARITY_FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> ParityReport:
        """Read the file that `save` wrote into `folder`."""
        return cls(**json.loads((folder / PARITY_FILE).read_text()))


def parity_rows(panel: Panel) -> npt.NDArray[np.int64]:
    """Return samples spread evenly over the panel: `WINDOWS` of them, or all if there are fewer."""
    count = min(WINDOWS, len(panel))
    return np.unique(np.linspace(0, len(panel) - 1, count).astype(np.int64))


def measure_parity(output: BundleOutput, members: Mapping[str, ExportedMember]) -> ParityReport:
    """Compare the graph's outputs with the native forecasts of each member.

    Parameters
    ----------
    output
        Outputs of the fused graph for the windows of `parity_rows`.
    members
        Exported members by name, in the order of the graph's member axis.
    """
    error = {
        name: _largest_difference(output, index, member.native)
        for index, (name, member) in enumerate(members.items())
    }
    return ParityReport(len(output.mean), error)


def _largest_difference(output: BundleOutput, index: int, native: Array) -> float:
    error = np.abs(output.member_scale[:, index] - native) / native
    return float(np.max(error))  # `max` propagates NaN, which is no parity
