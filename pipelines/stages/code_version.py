"""Version of the code that computes a stage, read from the source files.

The version covers the module that builds the stage and the modules of `FOLLOWED` that it imports,
directly or through others. It ignores comments, docstrings and layout. Providers, quota, ingest,
plots and settings are left out: they do not change the numbers of a stage, or they enter its key
as data or settings.
"""

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from forecasting.features.spec import code_digest

FOLLOWED = ("forecasting", "market.bars", "market.calendars", "market.quality", "pipelines.stages")
# The store and the hashes move results but compute none. Settings enter the key of a stage.
NOT_FOLLOWED = (
    "pipelines.stages.code_version",
    "pipelines.stages.fingerprints",
    "pipelines.stages.store",
)
# Import name -> distribution, for the libraries of which a release may change a number.
LIBRARIES = {
    "arch": "arch",
    "evidently": "evidently",
    "keras": "keras",
    "numpy": "numpy",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "polars": "polars",
    "polars_talib": "polars-talib",
    "scipy": "scipy",
    "skl2onnx": "skl2onnx",
    "sklearn": "scikit-learn",
    "ta": "ta",
    "tensorflow": "tensorflow-cpu",
    "tf2onnx": "tf2onnx",
}
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class SourceFile:
    """One Python file: a digest of its code, and the dotted names that it imports."""

    digest: str
    imports: frozenset[str]


def code_version_of(build: Callable[..., object]) -> str:
    """Return the version of the code that `build` uses; a `partial` stands for its function."""
    while isinstance(build, partial):
        build = build.func
    return code_version(Path(inspect.getfile(build)))


@cache
def code_version(*paths: Path, root: Path = ROOT) -> str:
    """Return a hash of the files at `paths`, the code they use, and the libraries involved.

    Parameters
    ----------
    paths
        The Python files to start from.
    root
        The folder that contains the packages of `FOLLOWED`.
    """
    files = [_read(path) for path in (*paths, *used_files(*paths, root=root).values())]
    top_level = {name.partition(".")[0] for file in files for name in file.imports}
    used = sorted(LIBRARIES[name] for name in top_level & LIBRARIES.keys())
    libraries = [f"{name}=={version(name)}" for name in used]
    parts = [*sorted({file.digest for file in files}), *libraries]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def used_files(*paths: Path, root: Path = ROOT) -> dict[str, Path]:
    """Return the modules of `FOLLOWED` that the files at `paths` use: dotted name -> file."""
    used: dict[str, Path] = {}
    waiting = list(paths)
    while waiting:
        for name in _read(waiting.pop()).imports:
            path = _path_of(name, root)
            if path is not None and name not in used and _is_followed(name):
                used[name] = path
                waiting.append(path)
    return used


def _path_of(name: str, root: Path) -> Path | None:
    place = root.joinpath(*name.split("."))
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@cache
def _read(path: Path) -> SourceFile:
    source = path.read_text(encoding="utf-8")
    imports = set(_imports(ast.parse(source)))
    # `code_digest` ignores imports, but the object that a name stands for matters.
    names = sorted(f"{imported} as {name}" for imported, name in imports)
    text = "\n".join([code_digest(source), *names])
    modules = frozenset(module for imported, _ in imports for module in _with_packages(imported))
    return SourceFile(hashlib.sha256(text.encode()).hexdigest(), modules)


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the local name of every import, also inside functions.

    `from a import b` yields ``a.b``, which may be the module `a.b` or the name `b` of the module
    `a`.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                yield prefix + alias.name, alias.asname or alias.name


def _with_packages(name: str) -> list[str]:
    """Return `name` and the packages around it, which an import runs as well."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]


def _is_followed(name: str) -> bool:
    inside = any(name == package or name.startswith(f"{package}.") for package in FOLLOWED)
    return inside and name not in NOT_FOLLOWED and not name.endswith(".settings")
