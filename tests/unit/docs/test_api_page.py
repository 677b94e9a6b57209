"""`docs/api.md` names every route and every code of a problem."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from serving.app import API_ROUTES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "api.md").read_text()
# `serving.routes.forecasts.events` closes a WebSocket with it, which has no body.
NOT_SENT = {"foreign-origin"}


def codes_in_source() -> Iterator[str]:
    for path in sorted((ROOT / "serving").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Problem":
                kind = node.args[1]
                if isinstance(kind, ast.Constant):
                    yield kind.value


def test_every_code_is_listed() -> None:
    codes = {*codes_in_source()}
    assert {"unknown-ticker", "internal-error"} <= codes
    assert not [code for code in sorted(codes - NOT_SENT) if f"`{code}`" not in PAGE]


def test_every_route_is_listed() -> None:
    paths = [path for route in API_ROUTES for path in route.paths]
    assert not [path for path in paths if path not in PAGE]
