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
    """Agreement of the ensemble members on the scale, before calibration."""

    narrowest: str = Field(description="Member with the smallest scale.")
    widest: str = Field(description="Member with the largest scale.")
    ratio: float = Field(
        description="Largest scale divided by the smallest. Values near 1 mean agreement."
    )


class Explanation(BaseModel):
    """Parts of a forecast, computed from the model itself.

    It states how the members, their weights and the calibration make up the width of the 80 %
    range. The centre needs no explanation: all forecasts share one expected log return per session.
    It names no market event, because the inputs of the model are daily bars only.
    """

    width_ratio: float = Field(
        description="Width of the 80 % range of the log return, divided by that of a normal"
        " distribution with the standard deviation `volatility.current` times the square root of"
        " the horizon in sessions."
    )
    contributions: dict[str, float] = Field(
        description="Parts of the natural logarithm of `width_ratio`, which is their sum: for each"
        " member its weight times the logarithm of its scale in units of that standard deviation,"
        " and for the `calibration` the logarithm of the width of its 80 % range in units of the"
        " scale, relative to the normal distribution."
    )
    agreement: MemberAgreement
    volatility: VolatilityRegime
    statements: list[str] = Field(description="The same as sentences.")
