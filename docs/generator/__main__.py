"""``make api-docs``: write everything that is generated from the OpenAPI document."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from docs.generator.document import load_document
from docs.generator.postman import render_postman
from docs.generator.python_client import render_client
from docs.generator.snippets import render_snippets

ROOT = Path(__file__).parents[2]


def render_all() -> dict[Path, str]:
    """Return the content of each generated file."""
    document = load_document()
    modules = {
        Path("stockcast/client", path): format_python(text)
        for path, text in render_client(document).items()
    }
    return {
        **modules,
        Path("docs/api/stockcast.postman_collection.json"): render_postman(document),
        Path("docs/api/snippets.md"): render_snippets(document),
    }


def format_python(text: str) -> str:
    """Return a module with sorted imports and in the format of the repository."""
    ruff = [sys.executable, "-m", "ruff"]
    name = ["--stdin-filename", str(ROOT / "stockcast" / "client" / "generated.py")]
    sort = ["check", "--select", "I,UP", "--fix", "--quiet", *name, "-"]
    for command in (sort, ["format", "--quiet", *name, "-"]):
        text = subprocess.run(
            [*ruff, *command], input=text, text=True, capture_output=True, check=True
        ).stdout
    return text


def main() -> None:
    """Write the files, and print the ones that have changed."""
    for path, text in render_all().items():
        file = ROOT / path
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
