"""Candidates made of tiny bundles, for tests with a real registry."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
from support.forecasting.bundles import tiny_bundle

from registry.experiments import find_runs
from registry.promotion.audit import read_moves, recorded_champion
from registry.publishing.candidates import Candidate, log_candidate
from registry.publishing.dataset import TrainingData
from registry.versions import ModelRegistry, VersionInfo

BARS = pl.DataFrame(
    {
        "ticker": ["AAPL", "AAPL", "IBM"],
        "session": [date(2012, 12, 28), date(2012, 12, 31), date(2012, 12, 31)],
        "close": [509.59, 532.17, 191.55],
    }
)


def candidate(folder: Path, *, seed: int = 0, **fields: object) -> Candidate:
    """Return the record of a tiny bundle. Each seed gives a different bundle."""
    bundle_dir = folder / f"bundle-{seed}"
    if not bundle_dir.exists():
        tiny_bundle(bundle_dir, seed=seed)
    dataset = TrainingData("sample", "d" * 64, BARS)
    return Candidate(**{"bundle_dir": bundle_dir, "dataset": dataset, **fields})  # type: ignore[arg-type]


def log_versions(registry: ModelRegistry, folder: Path, n: int) -> list[VersionInfo]:
    """Register `n` different bundles, as versions 1 to n in a fresh registry."""
    return [log_candidate(registry, candidate(folder, seed=seed)) for seed in range(n)]


def champion_of(registry: ModelRegistry) -> int | None:
    """Return the live version. Assert that the audit trail agrees and has no pending move."""
    live = registry.alias_version("champion")
    assert recorded_champion(read_moves(registry)) == live
    assert not any(move.pending for move in read_moves(registry))
    return live


def runs_by_status(registry: ModelRegistry) -> list[str]:
    """Return the statuses of the registry's training runs, sorted."""
    return sorted(run.info.status for run in find_runs(registry, registry.name))
