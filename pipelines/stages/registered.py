"""The `registered_version` stage: which version of the registry holds a bundle."""

import json
from pathlib import Path
from typing import ClassVar

from pipelines.stages.store import StageReader


class RegisteredVersion(StageReader):
    """A version that was registered for a bundle."""

    NAME: ClassVar[str] = "registered_version"

    @property
    def version(self) -> int:
        """The number of the version in the registry."""
        return int(self.stage.document("version")["version"])

    @property
    def run_id(self) -> str:
        """The id of the version's run in MLflow."""
        return str(self.stage.document("version")["run_id"])


def build_registered_version(folder: Path, *, version: int, run_id: str) -> None:
    """Write the version and the id of its MLflow run."""
    content = {"version": version, "run_id": run_id}
    (folder / "version.json").write_text(json.dumps(content, sort_keys=True))
