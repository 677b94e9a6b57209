"""Bodies of requests for forecasts."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StrictBool

from serving.http.schemas.parameters import (
    DEFAULT_HORIZON,
    SYNONYMS,
    HorizonLabel,
    Inclusion,
    Ticker,
)

MAX_CALLER_BARS = 5_000

# Bounds of the numbers of a caller. The sum of the volumes of all bars fits in 64 bits.
MAX_PRICE = 1e12
MAX_VOLUME = 10**15
FIRST_SESSION, LAST_SESSION = date(1900, 1, 1), date(2100, 12, 31)

Price = Annotated[float, Field(gt=0, le=MAX_PRICE, allow_inf_nan=False)]


def describe_synonyms(schema: dict[str, Any]) -> None:
    """Add the synonyms of the fields to the JSON schema of a body, each instead of its field.

    The models do not add them by themselves, because BentoML rejects `not` in a schema.
    """
    properties: dict[str, Any] = schema["properties"]
    required: list[str] = schema.get("required", [])
    for synonym, name in SYNONYMS.items():
        if name not in properties:
            continue
        field = {key: value for key, value in properties[name].items() if key != "title"}
        properties[synonym] = field | {"description": f"Synonym of `{name}`."}
        either = [{"required": [name]}, {"required": [synonym]}]
        if name in required:
            required.remove(name)
            schema["oneOf"] = either
        else:
            schema["not"] = {"required": [name, synonym]}
    if not required:
        schema.pop("required", None)


class CallerBar(BaseModel):
    """One daily bar from the caller: prices as traded, volume in shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    session: date = Field(
        ge=FIRST_SESSION,
        le=LAST_SESSION,
        json_schema_extra={"pattern": "^(19[0-9]{2}|20[0-9]{2}|2100)-"},
    )
    open: Price
    high: Price
    low: Price
    close: Price
    volume: int = Field(ge=0, le=MAX_VOLUME)
    adj_close: Price | None = Field(
        None, description="Close adjusted for splits and dividends. Defaults to `close`."
    )


class PredictRequest(BaseModel):
    """Request for one forecast. With `bars`, the forecast uses these bars only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ticker: Ticker = Field(
        validation_alias=AliasChoices("ticker", "symbol"),
        description="For example AAPL, BRK.B or AZN.L. With `bars`, any ticker is accepted and its"
        " suffix selects the exchange.",
    )
    horizon: HorizonLabel = Field(
        DEFAULT_HORIZON,
        validation_alias=AliasChoices("horizon", "timeframe"),
        description="1d is 1 session ahead, 1w is 5 sessions, 1m is 21 sessions.",
    )
    bars: list[CallerBar] | None = Field(
        None,
        min_length=1,
        max_length=MAX_CALLER_BARS,
        description="Daily bars in any order. The forecast starts from the last session.",
    )
    include: list[Inclusion] = Field(
        [],
        max_length=2,
        description="Parts of the response. `members` is always there; `explanation` adds the"
        " contributions to the width of the 80 % range.",
    )
    include_reasoning: StrictBool = Field(
        default=False, description="Synonym of `explanation` in `include`."
    )

    @property
    def explained(self) -> bool:
        """Whether the response has an explanation."""
        return self.include_reasoning or "explanation" in self.include
