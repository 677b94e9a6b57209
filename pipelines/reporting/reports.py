"""The folder of reports that people open, and the files that land there whole or not at all."""

import json
from pathlib import Path

from core.files import write_atomically
from core.settings import CoreSettings
from pipelines.stages.store import Stage


def publish(stage: Stage, name: str, settings: CoreSettings) -> Path:
    """Copy the file `name` of a stage into the reports and return where it is."""
    target = settings.home / "reports" / name
    write_atomically(target, (stage.path / name).read_bytes())
    return target


def write_report(name: str, content: object, settings: CoreSettings) -> Path:
    """Write `content` as JSON into the reports and return where it is."""
    target = settings.home / "reports" / name
    write_atomically(target, json.dumps(content, indent=1).encode())
    return target
