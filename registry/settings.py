"""Settings of the model registry and of the promotion gates."""

from __future__ import annotations

from functools import cached_property

from pydantic import Field, field_validator

from core.errors import RegistryError
from core.settings import CoreSettings
from registry.addresses import with_driver

# MLflow refuses a bare folder (``file:``).
TRACKING_SCHEMES = ("sqlite:///", "http://", "https://", "postgres", "mysql", "mssql")


class RegistrySettings(CoreSettings):
    """Where models are registered, and the limits of their promotion."""

    model_name: str = Field(
        "stockcast", pattern=r"^[A-Za-z0-9._-]+$", description="Name of the registered model."
    )
    mlflow_tracking_uri: str | None = Field(
        None, description="MLflow server or database; by default SQLite under the home."
    )
    mlflow_ui_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s@]+$",
        description="Address of MLflow's pages in links; by default the server, or `make up`.",
    )
    mlflow_port: int = Field(
        5000, ge=1, le=65535, description="Port of MLflow in `make up`, and in links to it."
    )
    promotion_margin: float = Field(
        0.005, ge=0, le=0.1, description="Largest relative loss in CRPS that promotion accepts."
    )
    coverage_band: float = Field(
        0.04,
        gt=0,
        le=0.2,
        description=(
            "Largest accepted distance of a coverage from its level; "
            "twice that, or less at 95 and 99 %, for a too wide interval."
        ),
    )

    @field_validator("mlflow_tracking_uri", mode="after")
    @classmethod
    def _scheme_is_supported(cls, value: str | None) -> str | None:
        if value and not value.startswith(TRACKING_SCHEMES):
            msg = f"must start with one of {', '.join(TRACKING_SCHEMES)}"
            raise ValueError(msg)
        try:
            return with_driver(value) if value else value
        except RegistryError as error:
            raise ValueError(str(error)) from None

    @cached_property
    def tracking_uri(self) -> str:
        """The MLflow store: `mlflow_tracking_uri`, or SQLite under the home."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @property
    def ui_url(self) -> str | None:
        """The address of MLflow's pages if it differs from that of the store.

        `stockcast up` serves the pages of a home on this machine.
        """
        if self.mlflow_ui_url is None and self.mlflow_tracking_uri is None:
            return f"http://127.0.0.1:{self.mlflow_port}"
        return self.mlflow_ui_url
