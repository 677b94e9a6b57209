"""Addresses of pages in the MLflow UI. Without a UI, every address is None."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from registry.addresses import SERVERS, redacted, scheme_of

if TYPE_CHECKING:
    from registry.versions import ModelRegistry

# MLflow opens its GenAI pages without it, which show neither the registry nor metrics of runs.
MACHINE_LEARNING = "?workflowType=machine_learning"
REGISTRY_PAGE = f"/#/models{MACHINE_LEARNING}"


def version_links(registry: ModelRegistry, version: int) -> dict[str, str]:
    """Return titles and addresses of the pages of a version and of its experiment, if any."""
    pages = {
        "Version in MLflow": version_page(registry, version),
        "Experiment in MLflow": experiment_page(registry),
    }
    return {title: address for title, address in pages.items() if address}


def version_page(registry: ModelRegistry, version: int) -> str | None:
    """Return the address of a version."""
    return _page(registry, f"models/{quote(registry.name)}/versions/{version}")


def experiment_page(registry: ModelRegistry) -> str | None:
    """Return the address of the experiment with the training runs, or None before the first run."""
    with registry.request(f"reading the experiment {registry.name!r}") as client:
        experiment = client.get_experiment_by_name(registry.name)
    if experiment is None:
        return None
    return _page(registry, f"experiments/{experiment.experiment_id}/runs{MACHINE_LEARNING}")


def artifact_page(registry: ModelRegistry, run_id: str, path: str) -> str | None:
    """Return the address of an artefact of a run, which MLflow shows in its page of the run."""
    with registry.request(f"reading the run {run_id}") as client:
        experiment = client.get_run(run_id).info.experiment_id
    return _page(registry, f"experiments/{experiment}/runs/{run_id}/artifacts/{quote(path)}")


def _page(registry: ModelRegistry, page: str) -> str | None:
    address = registry.ui_url
    if address is None and scheme_of(registry.tracking_uri) in SERVERS:
        address = redacted(registry.tracking_uri, by="")
    return None if address is None else f"{address.rstrip('/')}/#/{page}"
