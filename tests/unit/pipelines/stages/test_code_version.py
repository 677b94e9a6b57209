"""A stage is rebuilt when its code changes, and only then."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from support.serving.servers import ROOT

from pipelines.stages import code_version as module
from pipelines.stages.code_version import code_version, code_version_of, used_files

# In the order of the pipeline.
STAGES = ("feature_table", "fold", "walk_forward", "evaluation", "members", "bundle")

Edit = Callable[[str], str]


def version_of(stage: str, root: Path = ROOT) -> str:
    path = root / "pipelines" / "stages" / f"{stage}.py"
    return code_version(path, root=root)


def rebuilt_after(root: Path, edited: str, edit: Edit) -> set[str]:
    """Return the stages whose code version changes when a copy of the file `edited` is edited."""
    for package in ("market", "forecasting", "pipelines"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("*.pyc"))
    path = root / edited
    path.write_text(edit(path.read_text()))
    return {stage for stage in STAGES if version_of(stage, root) != version_of(stage)}


def other_code(source: str) -> str:
    return source + "\nEDITED = 1\n"


def other_comment(source: str) -> str:
    return f"# edited\n{source}\n\n# edited\n"


def other_docstring(source: str) -> str:
    docstring = ast.parse(source).body[0]
    assert isinstance(docstring, ast.Expr)
    assert docstring.end_lineno is not None
    return "\n".join(['"""Edited."""', *source.splitlines()[docstring.end_lineno :]])


def other_layout(source: str) -> str:
    return ast.unparse(ast.parse(source))


@pytest.mark.parametrize(
    "edited",
    [
        "market/providers/factory.py",
        "market/providers/alpha_vantage/provider.py",
        "market/quota/ledger.py",
        "market/ingest/planning/plan.py",
        "pipelines/assets/features.py",
        "pipelines/reporting/plots.py",
        "pipelines/stages/store.py",
    ],
)
def test_code_that_computes_no_stage_rebuilds_none(tmp_path: Path, edited: str) -> None:
    assert rebuilt_after(tmp_path, edited, other_code) == set()


@pytest.mark.parametrize("edit", [other_comment, other_docstring, other_layout])
@pytest.mark.parametrize(
    "edited",
    [
        "forecasting/features/built_in.py",
        "forecasting/models/lstm.py",
        "market/bars/adjustments.py",
        "pipelines/stages/feature_table.py",
    ],
)
def test_comments_docstrings_and_layout_rebuild_no_stage(
    tmp_path: Path, edited: str, edit: Edit
) -> None:
    assert rebuilt_after(tmp_path, edited, edit) == set()


@pytest.mark.parametrize(
    ("edited", "first"),
    [
        ("market/bars/adjustments.py", "feature_table"),
        ("market/quality/findings.py", "feature_table"),
        ("forecasting/features/built_in.py", "feature_table"),
        ("forecasting/samples/panel.py", "fold"),
        ("forecasting/models/forest.py", "fold"),
        ("forecasting/models/garch.py", "fold"),
        ("forecasting/evaluation/combination.py", "walk_forward"),
        ("forecasting/evaluation/weight_learning.py", "walk_forward"),
        ("forecasting/evaluation/scorecard.py", "evaluation"),
        ("forecasting/export/fusion.py", "members"),
        ("forecasting/bundle/bundle.py", "bundle"),
        ("pipelines/stages/bundle.py", "bundle"),
    ],
)
def test_other_code_rebuilds_the_stage_that_uses_it_and_none_upstream(
    tmp_path: Path, edited: str, first: str
) -> None:
    rebuilt = rebuilt_after(tmp_path, edited, other_code)

    assert first in rebuilt
    assert rebuilt.isdisjoint(STAGES[: STAGES.index(first)])
    # The version of the bundle is shown with every model, so it covers the code of all stages.
    assert "bundle" in rebuilt


def test_another_import_of_the_same_name_changes_the_version(tmp_path: Path) -> None:
    def edit(source: str) -> str:
        assert "import adjust_bars" in source
        return source.replace("import adjust_bars", "import other as adjust_bars")

    rebuilt = rebuilt_after(tmp_path, "pipelines/stages/feature_table.py", edit)
    assert "feature_table" in rebuilt


def test_the_order_and_grouping_of_imports_do_not_matter(tmp_path: Path) -> None:
    for name, source in {
        "one.py": "from numpy import sin, cos\nimport polars\n",
        "other.py": "import polars\nfrom numpy import cos\nfrom numpy import sin\n",
    }.items():
        (tmp_path / name).write_text(source)

    assert code_version(tmp_path / "one.py") == code_version(tmp_path / "other.py")


def test_imports_inside_functions_and_packages_are_followed(tmp_path: Path) -> None:
    sources = {
        "forecasting/__init__.py": "",
        "forecasting/settings.py": "",
        "forecasting/deep/__init__.py": "from forecasting.deep.helper import help_me",
        "forecasting/deep/helper.py": "def help_me(): ...",
        "forecasting/model.py": "def fit():\n    from forecasting.deep.inner import solve",
        "forecasting/deep/inner.py": "from market.providers.factory import make",
        "market/providers/factory.py": "def make(): ...",
        "build.py": "from forecasting import model, settings",
    }
    for name, source in sources.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)

    used = used_files(tmp_path / "build.py", root=tmp_path)

    assert set(used) == {
        "forecasting",
        "forecasting.deep",
        "forecasting.deep.helper",
        "forecasting.deep.inner",
        "forecasting.model",
    }


@pytest.mark.parametrize(
    ("library", "rebuilt"), [("polars", set(STAGES)), ("tensorflow-cpu", set(STAGES[1:]))]
)
def test_another_release_of_a_library_rebuilds_the_stages_that_use_it(
    monkeypatch: pytest.MonkeyPatch, library: str, rebuilt: set[str]
) -> None:
    code_version.cache_clear()
    before = {stage: version_of(stage) for stage in STAGES}
    release = module.version
    monkeypatch.setattr(module, "version", lambda name: "99" if name == library else release(name))

    code_version.cache_clear()
    after = {stage: version_of(stage) for stage in STAGES}

    code_version.cache_clear()
    assert {stage for stage in STAGES if before[stage] != after[stage]} == rebuilt


def test_a_partial_has_the_version_of_its_function() -> None:
    assert code_version_of(partial(other_code, source="")) == code_version(Path(__file__))
