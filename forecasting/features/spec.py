"""The `Feature` type, and the digest that identifies the code of a definition."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass, field

import polars as pl

# A ticker that was listed half a year ago must get forecasts.
MAX_WARMUP = 130

# Every feature set contains this feature, because models forecast in units of it.
VOLATILITY = "ewma_volatility"

# Rounding of running sums, the only difference between windows of a feature with finite memory.
EXACT = 1e-9


@dataclass(frozen=True)
class Feature:
    """One column of the feature table.

    Attributes
    ----------
    name, group
        Name of the column, and the family of the feature.
    description
        Meaning and unit, for people. It does not enter the version hash.
    warmup
        Bars of a ticker that the feature needs, its own bar included. Earlier rows are null.
    tolerance
        Largest difference, in units of the feature, between the last row of a window of `warmup`
        bars and the same row computed from the whole history.
    definition
        Text that changes with every change of the computation. It enters the version hash.
    expression
        Formula over the bars of one ticker in session order.
    """

    name: str
    group: str
    warmup: int
    tolerance: float
    description: str
    definition: str
    expression: pl.Expr = field(compare=False, repr=False)


def code_digest(source: str) -> str:
    """Return the SHA-256 of the code in `source` that determines computed values.

    Imports, docstrings, comments, layout and keyword arguments named ``description`` do not count,
    so a renamed module or a reworded description keeps the digest. The digest is computed from
    source code because Polars has no stable form of an expression: its text contains library paths
    and changes between versions.

    Examples
    --------
    >>> code = 'new("gap", (OPEN / CLOSE.shift(1)).log(), description="Overnight return.")'
    >>> code_digest(code) == code_digest(code.replace("Overnight return", "Gap"))
    True
    >>> code_digest(code) == code_digest(code.replace("shift(1)", "shift(2)"))
    False
    """
    tree = _WithoutProse().visit(ast.parse(source))
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


class _WithoutProse(ast.NodeTransformer):
    """Removes the parts of a syntax tree that change no computed value."""

    def visit_Import(self, _: ast.Import) -> None:
        """Remove the import."""

    def visit_ImportFrom(self, _: ast.ImportFrom) -> None:
        """Remove the import."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Remove a statement that consists of a string, such as a docstring."""
        is_string = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_string else self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST | None:
        """Remove a description."""
        return None if node.arg == "description" else self.generic_visit(node)
