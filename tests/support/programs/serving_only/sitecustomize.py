"""Python runs this module at its start if the folder is in PYTHONPATH.

It hides the modules in HIDDEN_MODULES and everything in HIDDEN_FOLDER, as if not installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

MODULES = frozenset(os.environ["HIDDEN_MODULES"].split(","))
FOLDER = os.environ["HIDDEN_FOLDER"]


class Finder(PathFinder):
    """Finds modules as Python does, without the hidden ones."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in MODULES:
            return None
        return super().find_spec(fullname, path, target)


sys.path = [entry for entry in sys.path if entry != FOLDER]
sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
