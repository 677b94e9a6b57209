"""The locks agree with `pyproject.toml` and with each other; no registry is contacted."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ ;\\]+)", re.MULTILINE)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("bootstrap", "dev", "pipelines", "serving")
EXCLUDED_FROM_SERVING = {
    "arch",
    "dagster",
    "dagster-webserver",
    "evidently",
    "keras",
    "matplotlib",
    "mlflow",
    "scikit-learn",
    "scipy",
    "skl2onnx",
    "tensorflow",
    "tensorflow-cpu",
}


def lock_text(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def pins(name: str) -> dict[str, Version]:
    return {m["name"]: Version(m["version"]) for m in PIN.finditer(lock_text(name))}


def extra(name: str) -> list[str]:
    """Return the requirements of an extra, including those of the extras it contains."""
    requirements = []
    for line in PYPROJECT["project"]["optional-dependencies"][name]:
        requirement = Requirement(line)
        own = requirement.name == PYPROJECT["project"]["name"]
        requirements += [r for e in requirement.extras for r in extra(e)] if own else [line]
    return requirements


def group(name: str) -> list[str]:
    requirements = []
    for item in PYPROJECT["dependency-groups"][name]:
        requirements += [item] if isinstance(item, str) else group(item["include-group"])
    return requirements


DIRECT = {
    "bootstrap": group("bootstrap"),
    "dev": PYPROJECT["project"]["dependencies"]
    + extra("pipelines")
    + extra("serving")
    + group("dev"),
    "pipelines": PYPROJECT["project"]["dependencies"] + extra("pipelines"),
    "serving": PYPROJECT["project"]["dependencies"] + extra("serving"),
}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_direct_dependency_is_pinned_within_its_range(lock: str) -> None:
    pinned = pins(lock)
    wrong = []
    for requirement in map(Requirement, DIRECT[lock]):
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None or version not in requirement.specifier:
            wrong.append(f"{requirement} is pinned to {version}")
    assert not wrong, f"run `make lock`: {wrong}"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", lock_text(lock), flags=re.MULTILINE)[1:]

    assert len(blocks) == len(pins(lock))
    assert not [block.split("\n")[0] for block in blocks if "--hash=sha256:" not in block]


@pytest.mark.parametrize("lock", ["bootstrap", "pipelines", "serving"])
def test_the_images_install_the_tested_versions(lock: str) -> None:
    tested = pins("dev")

    assert {name: tested.get(name) for name in pins(lock)} == pins(lock)


def test_the_serving_image_contains_no_training_or_orchestration_package() -> None:
    assert EXCLUDED_FROM_SERVING.isdisjoint(pins("serving"))
    assert EXCLUDED_FROM_SERVING & pins("pipelines").keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_contains_no_registry_and_no_local_folder(lock: str) -> None:
    assert "://" not in lock_text(lock)
    assert not re.search(
        r"^\s*--(index-url|extra-index-url|find-links)", lock_text(lock), re.MULTILINE
    )
    assert " /" not in lock_text(lock)
