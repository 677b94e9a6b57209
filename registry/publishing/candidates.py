"""Logging a trained bundle: one MLflow run with all its evidence, and one version that holds it.

What a candidate consists of and the order of the writes belong here. Whether it goes live does not
(`registry.promotion.gates`, `registry.promotion.aliases`).

The version is created last, in one transaction, with the bundle's fingerprint among its tags, and
only then is the run finished. So a kill at any moment leaves either an unfinished run, which the
next call closes before it starts anew, or the whole version, which the next call returns.
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
from registry.publishing.runs import close_abandoned, log_values, open_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

    from registry.versions import ModelRegistry, VersionInfo

ABOUT = (
    "Forecasts of log returns over 1, 5 and 21 sessions, as whole distributions. The alias "
    "`champion` serves; `challenger` is scored in its shadow. Moving `champion`, here or by "
    "`stockcast promote`, is the deployment."
)
ABOUT_RUNS = "One run a trained bundle, with everything that its promotion was decided on."
MODEL_PATH = "ensemble"


@dataclass(frozen=True)
class Candidate:
    """A bundle and everything that should be known about it.

    Attributes
    ----------
    bundle_dir
        The folder that `write_bundle` wrote.
    dataset
        The bars it was trained on.
    params
        What training was told.
    metrics
        Name, value and step; the step of a fold's metric is the fold. None is left out.
    plots, files
        File name -> file; a plot's name may leave its suffix out.
    tags
        Such as the Dagster run's id, for run and version.
    description
        Markdown for the version's page, beside what the manifest already tells.
    """

    bundle_dir: Path
    dataset: TrainingData
    params: Mapping[str, object] = field(default_factory=dict)
    metrics: Sequence[tuple[str, float | None, int]] = ()
    plots: Mapping[str, Path] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


def log_candidate(registry: ModelRegistry, record: Candidate) -> VersionInfo:
    """Log and register a bundle, once: the version of an equal bundle is returned as it is.

    Raises `BundleError` for a bundle that does not hold, before anything is written.
    """
    bundle = Bundle.load(record.bundle_dir)
    known = registry.with_fingerprint(bundle.fingerprint)
    if known:
        return known[-1]
    experiment = ensure_experiment(registry, registry.name, ABOUT_RUNS)
    close_abandoned(registry, bundle.fingerprint)
    page = candidate_page(
        bundle.manifest, bundle.fingerprint, bars=record.dataset.rows, remark=record.description
    )
    tags = _tags(record, bundle)
    with (
        registry.request(f"logging a candidate of {registry.name!r}") as client,
        TemporaryDirectory() as work,
        open_run(registry, experiment, f"through {bundle.manifest.cutoff}", tags) as run_id,
    ):
        client.set_tag(run_id, NOTE_TAG, page)
        _log_files(client, run_id, Path(work), record)
        model = client.create_logged_model(experiment, MODEL_PATH, source_run_id=run_id)
        _fill_model(client, model, bundle, _named_bundle(record.bundle_dir, Path(work)))
        log_values(
            client,
            run_id,
            record.params,
            record.metrics,
            model.model_id,
            at_ms=registry.now_ms(),
        )
        client.log_inputs(run_id, datasets=[record.dataset.as_input()])
        _ensure_model(client, registry.name)
        client.create_model_version(
            registry.name,
            model.artifact_location,
            run_id,
            tags=tags,
            description=page,
            model_id=model.model_id,
        )
    return _keep_one(registry, bundle.fingerprint)


def _tags(record: Candidate, bundle: Bundle) -> dict[str, str]:
    manifest = bundle.manifest
    return {
        **record.tags,
        FINGERPRINT_TAG: bundle.fingerprint,
        DATA_TAG: manifest.data_fingerprint,
        FEATURES_TAG: manifest.feature_hash,
        CODE_TAG: manifest.code_version,
        CUTOFF_TAG: manifest.cutoff.isoformat(),
    }


def _log_files(client: MlflowClient, run_id: str, work: Path, record: Candidate) -> None:
    plots = {name if Path(name).suffix else name + p.suffix: p for name, p in record.plots.items()}
    for place, files in ((PLOTS_PATH, plots), (EVIDENCE_PATH, record.files)):
        folder = work / place
        folder.mkdir()
        for name, path in files.items():
            if Path(name).name != name:
                msg = f"`{place}` must be keyed by plain file names, got {name!r}."
                raise RegistryError(msg)
            shutil.copyfile(path, folder / name)
        if files:
            client.log_artifacts(run_id, str(folder), place)


def _named_bundle(bundle_dir: Path, work: Path) -> Path:
    """Copy the bundle under the name that `BUNDLE_PATH` promises; MLflow keeps a folder's name."""
    return shutil.copytree(bundle_dir, work / Path(BUNDLE_PATH).name)


def _fill_model(client: MlflowClient, model: LoggedModel, bundle: Bundle, folder: Path) -> None:
    """Store the packed bundle as the model, and show the model on its run's page."""
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


def _keep_one(registry: ModelRegistry, fingerprint: str) -> VersionInfo:
    """Settle a race: of several versions of one bundle the oldest stays, whoever looks."""
    *younger, oldest = registry.with_fingerprint(fingerprint)
    for twin in younger:
        with registry.request(f"removing version {twin.version}, a twin") as client:
            client.delete_model_version(registry.name, str(twin.version))
    return oldest
