"""The artefact that training hands over and serving runs: graph, manifest and golden vectors.

Writing a bundle, reading it back with every check, and turning its outputs into a distribution
belong here. Fitting and fusing do not (`forecasting.models`, `forecasting.export.fusion`), nor does where
a bundle is kept (`registry`). Nothing read here can execute code: no pickle, no joblib, no Keras
file.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from core.errors import ForecastError
from core.files import locked, write_atomically
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
    check_checksum,
    damaged,
    open_manifest,
    seal_manifest,
    sha256,
)
from forecasting.distribution.predictive import PredictiveDistribution

MEGABYTE = 2**20
# Far above any real bundle; they keep a wrong file from filling the memory.
SIZE_LIMITS = {MANIFEST_FILE: 16 * MEGABYTE, GRAPH_FILE: 256 * MEGABYTE, GOLDEN_FILE: 64 * MEGABYTE}


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle, held in memory; its folder may disappear. Threads may share one.

    Attributes
    ----------
    manifest
        What the bundle says about itself.
    fingerprint
        SHA-256 over the three files: equal fingerprints are equal bundles.
    golden
        Real windows and their expected outputs.
    """

    manifest: Manifest
    fingerprint: str
    golden: Golden
    graph: EnsembleGraph

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read the bundle in the folder `path`, and check that it is what its manifest says.

        Raises
        ------
        BundleError
            When a file is missing, too large or changed; when the manifest contradicts itself or
            the graph; or when the golden outputs do not come back within `GOLDEN_TOLERANCE` of
            each forecast's scale. The message says which check failed and the way out.
        """
        files = {name: _read_file(path / name, limit) for name, limit in SIZE_LIMITS.items()}
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
        """Forecast each window; see `EnsembleGraph.run`."""
        return self.graph.run(windows)

    def distribution(self, output: BundleOutput, row: int, horizon: int) -> PredictiveDistribution:
        """Return the distribution of the log return over `horizon` sessions for one window.

        Parameters
        ----------
        output
            What `run` gave.
        row
            The window's position in `output`.
        horizon
            Sessions ahead; one of the manifest's horizons.

        Raises
        ------
        ForecastError
            When the bundle does not forecast that horizon.
        """
        if horizon not in self.manifest.horizons:
            known = ", ".join(map(str, self.manifest.horizons))
            msg = f"`horizon` must be one of {known} sessions, got {horizon}."
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

    The folder appears whole or not at all, and only after `Bundle.load` has accepted it. The same
    arguments give the same bytes. A bundle already at `dest` is replaced; a writer that is killed
    in the middle leaves hidden folders, which the next one clears.

    Parameters
    ----------
    dest
        The folder to write; its parents are made.
    graph_bytes
        What `fuse` returned.
    manifest
        Its `checksums` are filled in here.
    golden_windows
        A few real windows, float32 (n, lookback, features); their outputs are stored beside them.

    Raises
    ------
    BundleError
        When the parts do not fit each other.
    ForecastError
        When a golden window is malformed or has no forecast.
    """
    golden = pack_golden(golden_windows, EnsembleGraph(graph_bytes).run(golden_windows))
    files = {GRAPH_FILE: graph_bytes, GOLDEN_FILE: golden}
    files[MANIFEST_FILE] = seal_manifest(manifest, files)
    staged, old = (dest.parent / f".{dest.name}.{state}" for state in ("staged", "old"))
    with locked(dest.parent / f".{dest.name}.lock"):
        _tidy(dest, staged, old)
        try:
            for name, content in files.items():
                write_atomically(staged / name, content)
            bundle = Bundle.load(staged)
            if dest.exists():
                dest.rename(old)
            staged.rename(dest)
        finally:
            _tidy(dest, staged, old)
    return bundle


def _tidy(dest: Path, staged: Path, old: Path) -> None:
    """Undo what a failed or killed writer left behind; the old bundle returns if it is missing."""
    if old.exists() and not dest.exists():
        old.rename(dest)
    for folder in (staged, old):
        shutil.rmtree(folder, ignore_errors=True)


def fingerprint(files: dict[str, bytes]) -> str:
    """Return one SHA-256 over the names and contents of a bundle's files."""
    return sha256("".join(f"{name} {sha256(files[name])}\n" for name in sorted(files)).encode())


def _read_file(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        found = f"{path} cannot be read ({error.strerror})."
        raise damaged(check="the files", found=found) from None
    if not 0 < len(content) <= limit:
        found = f"{path} must have between 1 and {limit} bytes, got {len(content)} or more."
        raise damaged(check="the files", found=found)
    return content


def _check_layout(graph: EnsembleGraph, manifest: Manifest) -> None:
    for name in ("features", "lookback", "horizons", "members"):
        stated, built = getattr(manifest, name), getattr(graph.layout, name)
        if stated != built:
            found = f"the manifest's `{name}` is {stated}, the graph's is {built}."
            raise damaged(check="graph against manifest", found=found)


def _check_weights(output: BundleOutput, manifest: Manifest) -> None:
    """Refuse a graph that blends its members by other weights than the manifest's."""
    for name, weights, blended, members in (
        ("mean_weights", manifest.mean_weights, output.mean, output.member_mean),
        ("scale_weights", manifest.scale_weights, output.scale, output.member_scale),
    ):
        matrix = np.array([[weights[h][m] for h in manifest.horizons] for m in manifest.members])
        expected = (members * matrix).sum(axis=1)
        if not (np.abs(expected - blended) <= GOLDEN_TOLERANCE * output.scale).all():
            found = f"the graph does not blend its members by the manifest's `{name}`."
            raise damaged(check="graph against manifest", found=found)
