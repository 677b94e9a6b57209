"""Settings of prices: providers, tickers and the exchange calendar."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from core.settings import PREFIX, CommaSeparated, CoreSettings
from core.tickers import check_ticker
from market.calendars.corrections import parse_corrections, use_corrections
from market.providers.alpha_vantage.tiers import Tier
from market.providers.catalog import SPECS
from market.providers.files.headers.spellings import SPELLINGS

_TWO_UNIVERSES = f"{PREFIX}TICKERS and {PREFIX}UNIVERSE both name tickers: set one of them"
_NO_TICKERS = (
    f"{PREFIX}TICKERS or {PREFIX}UNIVERSE must name the tickers: this provider cannot list them"
)


class MarketSettings(CoreSettings):
    """Which bars are fetched, and from which providers."""

    provider: str = Field("sample", description="First provider of bars.", examples=list(SPECS))
    backups: CommaSeparated[str] = Field(
        (), description="Comma-separated providers to try, in this order, when the first fails."
    )
    bars: str | None = Field(
        None,
        description="Folder or glob of files of the `files` provider: CSV, JSON, Parquet or Arrow.",
    )
    columns: CommaSeparated[str] = Field(
        (),
        description="Names of columns in those files that are not recognized, by the column of a "
        "bar, such as close=Ending Price,volume=Pieces, or close=column 5 without a header.",
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
    refused_share: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="Largest share of a ticker's rows that may be refused; with more (and more "
        "than 5 rows), the ticker is left out.",
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
    real_moves: CommaSeparated[str] = Field(
        (),
        description="Real moves that look like unlisted splits, such as ACME:2022-09-14, "
        "comma-separated.",
    )
    calendar_corrections: CommaSeparated[str] = Field(
        (),
        description="Sessions to add to (+) or remove from (-) exchange calendars, such as "
        "XHKG:-2023-09-01,XBOM:+2024-03-02.",
    )

    @field_validator("provider", mode="after")
    @classmethod
    def _provider_is_registered(cls, value: str) -> str:
        if value not in SPECS:
            msg = f"must be one of {', '.join(SPECS)}"
            raise ValueError(msg)
        return value

    @field_validator("backups", mode="after")
    @classmethod
    def _backups_are_registered(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        allowed = [spec.name for spec in SPECS.values() if spec.may_be_backup]
        if not set(value) <= set(allowed):
            msg = f"each name must be one of {', '.join(allowed)}"
            raise ValueError(msg)
        return value

    @field_validator("tickers", mode="after")
    @classmethod
    def _tickers_are_valid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(check_ticker(ticker) for ticker in value))

    @field_validator("columns", mode="after")
    @classmethod
    def _columns_are_pairs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pair in value:
            column, _, name = map(str.strip, pair.partition("="))
            if column not in SPELLINGS or not name:
                msg = (
                    f"must be pairs such as close=Ending Price, where the first part is one of "
                    f"{', '.join(SPELLINGS)}; got {pair!r}"
                )
                raise ValueError(msg)
        return value

    @field_validator("real_moves", mode="after")
    @classmethod
    def _real_moves_have_a_session(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_check_move(move) for move in value)

    @field_validator("calendar_corrections", mode="after")
    @classmethod
    def _corrections_are_of_calendars(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        corrections = parse_corrections(value)
        if corrections:
            from market.calendars.published import check_exchanges  # noqa: PLC0415  # NumPy

            check_exchanges(corrections)
        return tuple(map(str, corrections))

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
            *((problem, problem) for problem in self._provider_problems()),
            (self.tickers and self.universe, _TWO_UNIVERSES),
            (self._needs_tickers and not self.tickers and not self.universe, _NO_TICKERS),
        ):
            if is_wrong:
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _calendars_are_corrected(self) -> Self:
        # Each process loads its settings once, and all its calendars must agree.
        use_corrections(parse_corrections(self.calendar_corrections))
        return self

    def _provider_problems(self) -> list[str]:
        problems = (spec.settings_problem(self) for spec in SPECS.values())
        return [problem for problem in problems if problem is not None]

    @property
    def _needs_tickers(self) -> bool:
        return not SPECS[self.provider].lists_tickers

    @property
    def providers(self) -> tuple[str, ...]:
        """The chosen providers in the order in which they are tried."""
        return (self.provider, *self.backups)


def _check_move(move: str) -> str:
    ticker, _, session = move.rpartition(":")
    try:
        return f"{check_ticker(ticker.strip())}:{date.fromisoformat(session.strip())}"
    except ValueError as error:
        msg = f"each move must be TICKER:YYYY-MM-DD, got {move!r}"
        raise ValueError(msg) from error
