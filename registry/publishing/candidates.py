"""Logging of a candidate: one MLflow run with all its evidence, and one version of the model.

The version is created last, in one transaction, with the fingerprint of the bundle among its tags.
Then the run is finished. A kill therefore leaves either an unfinished run, which the next call
closes before it starts again, or a complete version, which the next call returns.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from core.errors import RegistryError
from forecasting.bundle.bundle import Bundle
from registry.client import error_code
from registry.experiments import ensure_experiment
from registry.model_page import candidate_page
from registry.names import (
    BUNDLE_PATH,
    CODE_TAG,
    CUTOFF_TAG,
    DATA_TAG,
    EVIDENCE_PATH,
    FEATURES_TAG,
    FINGERPRINT_TAG,
    NOTE_TAG,
    PLOTS_PATH,
)
from registry.publishing.dataset import TrainingData
from registry.publishing.packaging import pack_model
from registry.publishing.runs import close_abandoned_runs, log_values, open_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

    from registry.versions import ModelRegistry, VersionInfo

ABOUT = (
    "Distributions of log returns over 1, 5 and 21 sessions. The service runs the version of the "
    "alias `champion` and scores the version of `challenger` in its shadow. To deploy a version, "
    "move `champion`, here or with `stockcast promote`."
)
ABOUT_RUNS = "One run per trained bundle, with the evidence for its promotion."
MODEL_PATH = "ensemble"


@dataclass(frozen=True)
class Candidate:
    """A trained bundle, and everything that is logged with it.

    Attributes
    ----------
    bundle_dir
        The folder that `write_bundle` wrote.
    dataset
        The training bars.
    params
        The parameters of the training.
    metrics
        Name, value and step; the step of a fold's metric is the fold. A value of None is skipped.
    plots, files
        File name -> file; the name of a plot may omit its suffix.
    tags
        Tags of run and version, such as the id of the Dagster run.
    description
        Markdown that is added to the description of the version.
    """

    bundle_dir: Path
    dataset: TrainingData
    params: Mapping[str, object] = field(default_factory=dict)
    metrics: Sequence[tuple[str, float | None, int]] = ()
    plots: Mapping[str, Path] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


def log_candidate(registry: ModelRegistry, candidate: Candidate) -> VersionInfo:
    """Log and register a candidate, or return the existing version of an equal bundle.

    Raises `BundleError` for a damaged bundle before anything is written.
    """
    bundle = Bundle.load(candidate.bundle_dir)
    existing = registry.with_fingerprint(bundle.fingerprint)
    if existing:
        return existing[-1]
    experiment = ensure_experiment(registry, registry.name, ABOUT_RUNS)
    close_abandoned_runs(registry, bundle.fingerprint)
    page = candidate_page(
        bundle.manifest,
        bundle.fingerprint,
        bars=candidate.dataset.rows,
        remark=candidate.description,
    )
    tags = _tags(candidate, bundle)
    with (
        registry.request(f"logging a candidate of {registry.name!r}") as client,
        TemporaryDirectory() as work,
        open_run(registry, experiment, f"through {bundle.manifest.cutoff}", tags) as run_id,
    ):
        client.set_tag(run_id, NOTE_TAG, page)
        _log_files(client, run_id, Path(work), candidate)
        model = client.create_logged_model(experiment, MODEL_PATH, source_run_id=run_id)
        _fill_model(client, model, bundle, _copy_bundle(candidate.bundle_dir, Path(work)))
        log_values(
            client,
            run_id,
            candidate.params,
            candidate.metrics,
            model.model_id,
            at_ms=registry.now_ms(),
        )
        client.log_inputs(run_id, datasets=[candidate.dataset.as_input()])
        _ensure_model(client, registry.name)
        client.create_model_version(
            registry.name,
            model.artifact_location,
            run_id,
            tags=tags,
            description=page,
            model_id=model.model_id,
        )
    return _remove_duplicates(registry, bundle.fingerprint)


def _tags(candidate: Candidate, bundle: Bundle) -> dict[str, str]:
    manifest = bundle.manifest
    return {
        **candidate.tags,
        FINGERPRINT_TAG: bundle.fingerprint,
        DATA_TAG: manifest.data_fingerprint,
        FEATURES_TAG: manifest.feature_hash,
        CODE_TAG: manifest.code_version,
        CUTOFF_TAG: manifest.cutoff.isoformat(),
    }


def _log_files(client: MlflowClient, run_id: str, work: Path, candidate: Candidate) -> None:
    plots = {
        name if Path(name).suffix else name + p.suffix: p for name, p in candidate.plots.items()
    }
    for place, files in ((PLOTS_PATH, plots), (EVIDENCE_PATH, candidate.files)):
        folder = work / place
        folder.mkdir()
        for name, path in files.items():
            if Path(name).name != name:
                msg = f"`{place}` must have file names without folders as keys, got {name!r}."
                raise RegistryError(msg)
            shutil.copyfile(path, folder / name)
        if files:
            client.log_artifacts(run_id, str(folder), place)


def _copy_bundle(bundle_dir: Path, work: Path) -> Path:
    """Copy the bundle to the folder name in `BUNDLE_PATH`, because MLflow keeps folder names."""
    return shutil.copytree(bundle_dir, work / Path(BUNDLE_PATH).name)


def _fill_model(client: MlflowClient, model: LoggedModel, bundle: Bundle, folder: Path) -> None:
    """Store the packaged bundle as the model, and link the model to its run."""
    from mlflow.entities import LoggedModelOutput  # noqa: PLC0415  takes seconds

    run_id = model.source_run_id or ""
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    packed = folder.with_name("model")
    pack_model(folder, bundle, packed, run_id=run_id, model_id=model.model_id)
    client.log_model_artifacts(model.model_id, str(packed))
    client.finalize_logged_model(model.model_id, "READY")


def _ensure_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name, description=ABOUT)
    except Exception as error:
        if error_code(error) != "RESOURCE_ALREADY_EXISTS":
            raise


def _remove_duplicates(registry: ModelRegistry, fingerprint: str) -> VersionInfo:
    """Keep the oldest version of a bundle that several processes registered, and return it."""
    *duplicates, oldest = registry.with_fingerprint(fingerprint)
    for info in duplicates:
        with registry.request(f"removing version {info.version}, a duplicate") as client:
            client.delete_model_version(registry.name, str(info.version))
    return oldest
