"""What a feature is: its name, its promise (warm-up and tolerance) and its definition.

Belongs here: the type, and the digest that makes a definition comparable between machines. The
features themselves are in `forecasting.features.built_in` and `forecasting.features.ta_indicators`.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass, field

import polars as pl

# No feature may need more: a ticker listed half a year ago shall get forecasts.
MAX_WARMUP = 130

# In every feature set, because models forecast in units of it.
VOLATILITY = "ewma_volatility"

# Rounding of running sums; features with finite memory differ by nothing else.
EXACT = 1e-9


@dataclass(frozen=True)
class Feature:
    """One named column of the feature table.

    Attributes
    ----------
    name, group, description
        The column's name, the family it belongs to, and what it measures in which unit.
    warmup
        Bars of a ticker, its own included, that the feature needs; earlier rows are null.
    tolerance
        Largest difference, in the feature's own unit, between the last row of a window of `warmup`
        bars and the same row computed from the whole history.
    definition
        Text that changes whenever the computation changes; it enters the version hash.
    expression
        The formula over one ticker's bars in session order.
    """

    name: str
    group: str
    warmup: int
    tolerance: float
    description: str
    definition: str
    expression: pl.Expr = field(compare=False, repr=False)


def code_digest(source: str) -> str:
    """Return the SHA-256 of Python code, blind to comments, docstrings and layout.

    Polars can print or serialise an expression, but the text names library paths and changes with
    its version; the code that makes the expression does neither.
    """
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and _starts_with_docstring(node):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def _starts_with_docstring(node: ast.AST) -> bool:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, documented) and ast.get_docstring(node) is not None
