"""Past forecasts of a version with their outcomes, downloaded at the first request."""

from __future__ import annotations

import threading
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final

import polars as pl

from core.errors import RegistryError
from forecasting.forecast_history import HISTORY_FILE, read_history
from registry.versions import ModelRegistry
from serving.http.problems import Problem
from serving.models.model_cache import LiveModel


class WalkForwardHistory:
    """Out-of-sample forecasts of the evaluation before a version was registered.

    A log of served forecasts replaces it by another class with `source` and `read`.
    """

    source: Final = "walk_forward"

    def __init__(self, registry: ModelRegistry, folder: Path) -> None:
        self._registry = registry
        self._folder = folder
        self._lock = threading.Lock()

    def read(self, model: LiveModel, ticker: str, horizon: int) -> pl.DataFrame:
        """Return all stored forecasts of a ticker, see `forecasting.forecast_history`.

        Raises
        ------
        Problem
            If the version was registered without them, or if it has none for the ticker.
        RegistryDownError
            If they are not downloaded yet, and the registry does not respond.
        """
        with self._lock:
            path = self._fetch(model)
        rows = read_history(path, ticker, horizon)
        if rows.is_empty():
            msg = f"The evaluation of version {model.version} has no forecasts of {ticker}."
            raise Problem(HTTPStatus.CONFLICT, "no-history", msg)
        return rows

    def _fetch(self, model: LiveModel) -> Path:
        path = self._folder / f"{model.version}-{model.bundle.fingerprint[:16]}.parquet"
        if path.exists():
            return path
        try:
            downloaded = self._registry.download_evidence(model.version, HISTORY_FILE, self._folder)
        except RegistryError as error:
            msg = (
                f"Version {model.version} was registered without its past forecasts;"
                " train a new version with `stockcast run`."
            )
            raise Problem(HTTPStatus.CONFLICT, "no-history", msg) from error
        except OSError as error:
            msg = f"The past forecasts cannot be stored: {error.strerror}. Free the disk."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not-available", msg) from error
        for old in self._folder.glob("*-*.parquet"):
            with suppress(OSError):
                old.unlink()
        return downloaded.replace(path)
