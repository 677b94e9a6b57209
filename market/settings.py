"""Settings of prices: providers, tickers and the exchange calendar."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from core.settings import PREFIX, CommaSeparated, CoreSettings
from core.tickers import check_ticker

Tier = Literal["free", "premium_75", "premium_150", "premium_300", "premium_600", "premium_1200"]

# Providers that cannot list their tickers.
_UNLISTED = ("alpha_vantage", "yahoo")
_BARS_MISSING = f"{PREFIX}BARS must name a folder or glob for the provider 'files'"
_BARS_UNUSED = (
    f"{PREFIX}BARS names files, but 'files' is neither {PREFIX}PROVIDER nor in {PREFIX}BACKUPS: "
    f"add it to one of them, or unset {PREFIX}BARS"
)
_KEY_MISSING = (
    f"{PREFIX}ALPHA_VANTAGE_KEY must hold your key for the provider 'alpha_vantage'; "
    f"get a free key at https://www.alphavantage.co/support/#api-key"
)
_TWO_UNIVERSES = f"{PREFIX}TICKERS and {PREFIX}UNIVERSE both name tickers: set one of them"
_NO_TICKERS = (
    f"{PREFIX}TICKERS or {PREFIX}UNIVERSE must name the tickers: this provider cannot list them"
)


class MarketSettings(CoreSettings):
    """Which bars are fetched, and from which providers."""

    provider: Literal["sample", "files", "alpha_vantage", "yahoo"] = Field(
        "sample", description="First provider of bars."
    )
    backups: CommaSeparated[Literal["files", "alpha_vantage", "yahoo"]] = Field(
        (), description="Comma-separated providers to try, in this order, when the first fails."
    )
    bars: str | None = Field(
        None, description="Folder or glob of CSV or Parquet files, for the `files` provider."
    )
    tickers: CommaSeparated[str] = Field(
        (), description="Comma-separated tickers; empty selects all tickers of the provider."
    )
    universe: Path | None = Field(
        None, description="File with one ticker per line, read at each run; replaces `tickers`."
    )
    exchange: str = Field(
        "XNYS", description="MIC code of the calendar for tickers without an exchange suffix."
    )
    alpha_vantage_key: SecretStr | None = Field(
        None, description="Your Alpha Vantage key; never logged, never stored."
    )
    alpha_vantage_tier: Tier = Field(
        "free", description="Tier of that key: free, or premium by its calls per minute."
    )
    alpha_vantage_url: str = Field(
        "https://www.alphavantage.co", description="Address of Alpha Vantage."
    )
    yahoo_url: str = Field(
        "https://query2.finance.yahoo.com", description="Address of Yahoo Finance."
    )
    provider_timeout: float = Field(
        20.0, gt=0, le=100, description="Timeout of one request to a provider, in seconds."
    )
    join_tolerance: float = Field(
        0.005,
        gt=0,
        le=0.1,
        description="Largest relative difference of closes at which two providers are joined.",
    )

    @field_validator("tickers", mode="after")
    @classmethod
    def _tickers_are_valid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(check_ticker(ticker) for ticker in value))

    @field_validator("bars", mode="after")
    @classmethod
    def _bars_are_absolute(cls, value: str | None) -> str | None:
        # Processes of one run may have different working directories. `absolute` keeps a glob.
        return value and str(Path(value).expanduser().absolute())

    @field_validator("universe", mode="after")
    @classmethod
    def _universe_is_absolute(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().absolute()

    @field_validator("alpha_vantage_url", "yahoo_url", mode="after")
    @classmethod
    def _url_is_http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            msg = "must start with http:// or https://"
            raise ValueError(msg)
        return value.rstrip("/")

    @model_validator(mode="after")
    def _providers_are_complete(self) -> Self:
        for is_wrong, message in (
            (self.provider in self.backups, f"{PREFIX}BACKUPS repeats {PREFIX}PROVIDER"),
            ("files" in self.providers and not self.bars, _BARS_MISSING),
            ("files" not in self.providers and self.bars, _BARS_UNUSED),
            ("alpha_vantage" in self.providers and not self.alpha_vantage_key, _KEY_MISSING),
            (self.tickers and self.universe, _TWO_UNIVERSES),
            (self.provider in _UNLISTED and not self.tickers and not self.universe, _NO_TICKERS),
        ):
            if is_wrong:
                raise ValueError(message)
        return self

    @property
    def providers(self) -> tuple[str, ...]:
        """The chosen providers in the order in which they are tried."""
        return (self.provider, *self.backups)
