"""Explanation of a forecast."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Regime = Literal["calm", "normal", "turbulent"]


class VolatilityRegime(BaseModel):
    """Volatility per session at `as_of`, relative to the sessions before it."""

    current: float = Field(description="EWMA volatility of the log return of one session.")
    typical: float = Field(description="Median over the window of the model.")
    sessions: int = Field(description="Sessions in the window.")
    ratio: float = Field(description="`current` divided by `typical`.")
    regime: Regime = Field(
        description="turbulent from a ratio of 1.25, calm up to 0.8, otherwise normal."
    )


class MemberAgreement(BaseModel):
    """Agreement of the ensemble members, before calibration."""

    same_direction: bool
    spread: float = Field(
        description="Highest minus lowest log return of the members, in units of the scale of the"
        " ensemble. Small values mean agreement."
    )


class Explanation(BaseModel):
    """Parts of a forecast, computed from the model itself.

    It states how the members, their weights and the calibration add up to the price target. It
    names no market event, because the model sees daily bars only.
    """

    log_return: float = Field(
        description="Log return from the close to the price target, the sum of `contributions`."
    )
    contributions: dict[str, float] = Field(
        description="Log return of each member times its weight, and of the `calibration`: the"
        " median of the past errors in units of the present scale."
    )
    agreement: MemberAgreement
    volatility: VolatilityRegime
    statements: list[str] = Field(description="The same as sentences.")
