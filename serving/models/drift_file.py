"""The summary of drift that the pipeline publishes in the home."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from forecasting.drift_summary import DRIFT_FILE, DriftSummary
from serving.observability.events import log_event


class DriftFile:
    """Reads the summary again when its file has changed."""

    def __init__(self, home: Path) -> None:
        self._path = home / DRIFT_FILE
        self._changed_at: int | None = None
        self._summary: DriftSummary | None = None

    def read(self) -> DriftSummary | None:
        """Return the newest summary, or None if there is none or it cannot be read."""
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._changed_at:
                self._changed_at = changed_at
                self._summary = None
                self._summary = DriftSummary.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            self._changed_at = self._summary = None
        except (OSError, ValidationError) as error:
            name = type(error).__name__
            log_event("drift_not_read", level=logging.WARNING, file=self._path, error=name)
        return self._summary
