"""Past forecasts of a ticker, and their accuracy."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from serving.http.schemas.forecast import ModelInfo
from serving.http.schemas.parameters import HorizonLabel


class PastForecast(BaseModel):
    """One forecast and its outcome, as simple returns from the close at `as_of`."""

    as_of: date
    target_session: date
    expected_return: float = Field(description="Return to the median.")
    intervals: dict[str, tuple[float, float]] = Field(
        description="Coverage in percent, mapped to the lower and upper return."
    )
    actual_return: float


class Accuracy(BaseModel):
    """Accuracy over all stored forecasts of the ticker and horizon."""

    forecasts: int
    first_as_of: date
    last_as_of: date
    direction: float | None = Field(
        description="Share of right signs; null if no forecast or outcome has a sign."
    )
    direction_base_rate: float | None = Field(
        description="The same for always naming the more frequent sign of the outcomes."
    )
    coverage: dict[str, float] = Field(
        description="Coverage in percent, mapped to the share of outcomes inside the interval."
    )
    mean_absolute_error: float = Field(description="Of the return to the median.")
    mean_absolute_error_naive: float = Field(description="The same for a forecast of no change.")
    crps: float = Field(description="Mean continuous ranked probability score of log returns.")


class History(BaseModel):
    """Response body of ``/history/{ticker}``."""

    ticker: str
    horizon: HorizonLabel
    source: Literal["walk_forward"] = Field(
        description="walk_forward: out-of-sample forecasts of the evaluation before this version"
        " was registered."
    )
    model: ModelInfo
    accuracy: Accuracy
    forecasts: list[PastForecast] = Field(description="The newest `days` forecasts by session.")
