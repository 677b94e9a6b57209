"""The reports folder. Its files are written atomically."""

import json
from pathlib import Path

from core.files import write_atomically
from core.settings import CoreSettings


def publish_file(path: Path, settings: CoreSettings) -> Path:
    """Copy the file at `path` into the reports folder and return its new path."""
    target = settings.home / "reports" / path.name
    write_atomically(target, path.read_bytes())
    return target


def write_report(name: str, content: object, settings: CoreSettings) -> Path:
    """Write `content` as JSON into the reports folder and return the path."""
    target = settings.home / "reports" / name
    write_atomically(target, json.dumps(content, indent=1).encode())
    return target
