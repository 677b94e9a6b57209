"""The bundle, the model artefact for serving: graph, manifest and golden vectors.

Loading a bundle never executes code: it contains no pickle, joblib or Keras file.
`forecasting.export.fusion` creates the graph, and `registry` stores bundles.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from core.errors import ForecastError
from core.files import locked, write_atomically
from forecasting.bundle.files import fingerprint, read_files
from forecasting.bundle.golden import (
    GOLDEN_TOLERANCE,
    Golden,
    check_golden,
    pack_golden,
    unpack_golden,
)
from forecasting.bundle.graph import BundleOutput, EnsembleGraph, Floats
from forecasting.bundle.manifest import (
    GOLDEN_FILE,
    GRAPH_FILE,
    MANIFEST_FILE,
    Manifest,
    bundle_error,
)
from forecasting.bundle.sealing import check_checksum, open_manifest, seal_manifest
from forecasting.distribution.predictive import PredictiveDistribution


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle in memory. It needs no files after loading, and threads may share it.

    Attributes
    ----------
    manifest
        Description of the bundle.
    fingerprint
        SHA-256 of the three files; equal bundles have equal fingerprints.
    golden
        Real windows and their expected outputs.
    graph
        Graph that computes the forecasts.
    """

    manifest: Manifest
    fingerprint: str
    golden: Golden
    graph: EnsembleGraph

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read the bundle in the folder `path` and verify it.

        Raises
        ------
        BundleError
            When a file is missing, too large or not a regular file, and as `from_files`.
        """
        return cls.from_files(read_files(path))

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Bundle:
        """Verify the files of a bundle, name -> content, and open it.

        Raises
        ------
        BundleError
            When a file was changed, when the manifest contradicts itself or the graph, or when a
            golden output differs by more than `GOLDEN_TOLERANCE` of the forecast's scale.
        """
        manifest = open_manifest(files[MANIFEST_FILE])
        for name in (GRAPH_FILE, GOLDEN_FILE):
            check_checksum(manifest, name, files[name])
        graph = EnsembleGraph(files[GRAPH_FILE])
        _check_layout(graph, manifest)
        golden = unpack_golden(files[GOLDEN_FILE])
        check_golden(graph, golden)
        _check_weights(golden.output, manifest)
        return cls(manifest, fingerprint(files), golden, graph)

    def run(self, windows: Floats) -> BundleOutput:
        """Forecast each window, see `EnsembleGraph.run`."""
        return self.graph.run(windows)

    def distribution(self, output: BundleOutput, row: int, horizon: int) -> PredictiveDistribution:
        """Return the distribution of the log return over `horizon` sessions for one window.

        Parameters
        ----------
        output
            Result of `run`.
        row
            Position of the window in `output`.
        horizon
            Sessions ahead, one of the horizons of the manifest.

        Raises
        ------
        ForecastError
            When the bundle does not forecast `horizon`.
        """
        if horizon not in self.manifest.horizons:
            horizons = ", ".join(map(str, self.manifest.horizons))
            msg = f"`horizon` must be one of {horizons} sessions, got {horizon}."
            raise ForecastError(msg)
        column = self.manifest.horizons.index(horizon)
        return PredictiveDistribution(
            mean=float(output.mean[row, column]),
            scale=float(output.scale[row, column]),
            levels=self._levels,
            z_quantiles=self._quantiles[horizon],
        )

    @cached_property
    def _levels(self) -> np.ndarray:
        return np.array(self.manifest.quantile_levels)

    @cached_property
    def _quantiles(self) -> dict[int, np.ndarray]:
        return {h: np.array(q) for h, q in self.manifest.conformal_quantiles.items()}


def write_bundle(
    dest: Path, graph_bytes: bytes, manifest: Manifest, golden_windows: Floats
) -> Bundle:
    """Write a bundle into the folder `dest`, verify it, and return it.

    The folder is renamed to `dest` after `Bundle.load` has verified it, so it is never incomplete.
    The same arguments give the same bytes. An existing bundle at `dest` is replaced. A killed
    writer leaves hidden folders, which the next writer removes.

    Parameters
    ----------
    dest
        Folder to write. Missing parents are created.
    graph_bytes
        Result of `forecasting.export.fusion.fuse`.
    manifest
        Manifest without `checksums`.
    golden_windows
        Real windows, float32 (n, lookback, features). The bundle stores them with their outputs.

    Raises
    ------
    BundleError
        When graph and manifest contradict each other.
    ForecastError
        When a golden window is malformed or has no forecast.
    """
    golden = pack_golden(golden_windows, EnsembleGraph(graph_bytes).run(golden_windows))
    files = {GRAPH_FILE: graph_bytes, GOLDEN_FILE: golden}
    files[MANIFEST_FILE] = seal_manifest(manifest, files)
    staged, old = (dest.parent / f".{dest.name}.{state}" for state in ("staged", "old"))
    with locked(dest.parent / f".{dest.name}.lock"):
        _clean_up(dest, staged, old)
        try:
            for name, content in files.items():
                write_atomically(staged / name, content)
            bundle = Bundle.load(staged)
            if dest.exists():
                dest.rename(old)
            staged.rename(dest)
        finally:
            _clean_up(dest, staged, old)
    return bundle


def _clean_up(dest: Path, staged: Path, old: Path) -> None:
    """Remove the folders of a failed or killed writer; restore the old bundle if necessary."""
    if old.exists() and not dest.exists():
        old.rename(dest)
    for folder in (staged, old):
        shutil.rmtree(folder, ignore_errors=True)


def _check_layout(graph: EnsembleGraph, manifest: Manifest) -> None:
    for name in ("features", "lookback", "horizons", "members"):
        stated, built = getattr(manifest, name), getattr(graph.layout, name)
        if stated != built:
            problem = f"`{name}` is {stated} in the manifest and {built} in the graph."
            raise bundle_error(check="graph against manifest", problem=problem)


def _check_weights(output: BundleOutput, manifest: Manifest) -> None:
    """Check that the graph combines its members with the weights of the manifest."""
    mean, scale = (
        np.array([[weights[h][m] for h in manifest.horizons] for m in manifest.members])
        for weights in (manifest.mean_weights, manifest.scale_weights)
    )
    for name, combined, expected in (
        ("mean_weights", output.mean, (output.member_mean * mean).sum(axis=1)),
        ("scale_weights", output.scale, np.exp((np.log(output.member_scale) * scale).sum(axis=1))),
    ):
        if not (np.abs(expected - combined) <= GOLDEN_TOLERANCE * output.scale).all():
            problem = f"the graph does not combine its members with `{name}` of the manifest."
            raise bundle_error(check="graph against manifest", problem=problem)
