"""Parsing of Alpha Vantage's responses into bars, splits and dividends, quotes and matches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from core.errors import BarsError
from market.bars.contract import conform_bars
from market.providers.alpha_vantage.symbols import ticker_of
from market.providers.protocol import ACTIONS_SCHEMA, Quote

_PLAIN = {
    "open": "1. open",
    "high": "2. high",
    "low": "3. low",
    "close": "4. close",
    "volume": "5. volume",
}
# The adjusted close is left out: after the next dividend, a stored value would be outdated.
_ADJUSTED = _PLAIN | {
    "volume": "6. volume",
    "dividend": "7. dividend amount",
    "split_factor": "8. split coefficient",
}
# Spellings of a missing value.
_MISSING = ("", "none", "null", "nan", "-", ".")


class RepeatingObject(dict[str, Any]):
    """A JSON object with a repeated name. `pairs` has every value, the dict the last one."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


@dataclass(frozen=True)
class SymbolMatch:
    """One result of a symbol search. `score` is between 0 and 1, the best match."""

    ticker: str
    name: str
    region: str
    currency: str
    score: float


def parse_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object in `text`, or None if `text` is truncated or not an object."""
    try:
        body = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else RepeatingObject(pairs)


def parse_bars(
    series: Mapping[str, Any], *, ticker: str, source: str, adjusted: bool
) -> pl.DataFrame:
    """Return a time series as bars, oldest first. Repeated sessions are kept for validation.

    Raises
    ------
    BarsError
        With session and field of the first value that cannot be parsed.
    """
    rows = list(series.pairs if isinstance(series, RepeatingObject) else series.items())
    where = f"{source}, bars of {ticker}"
    dates = [row[0] for row in rows]
    columns = {"session": _dates(dates, where)}
    for name, field in (_ADJUSTED if adjusted else _PLAIN).items():
        cells = [_cell(row, field, f"{where}, session {session}") for session, row in rows]
        columns[name] = _numbers(cells, dates, field, where)
    columns["volume"] = columns["volume"].round().cast(pl.Int64, strict=False)
    frame = pl.DataFrame(columns).sort("session", maintain_order=True)
    return conform_bars(frame.with_columns(ticker=pl.lit(ticker), source=pl.lit(source)))


def parse_actions(
    splits: Iterable[Mapping[str, Any]],
    dividends: Iterable[Mapping[str, Any]],
    *,
    ticker: str,
    source: str,
) -> pl.DataFrame:
    """Return SPLITS and DIVIDENDS rows in the form of `ActionsProvider.fetch_actions`.

    Rows without a date or an amount are dropped: Alpha Vantage completes them later. Dividends on
    one ex-date, such as a regular and a special one, are added; splits are multiplied.

    Raises
    ------
    BarsError
        With date and field of the first value that cannot be parsed.
    """
    factors = _events(splits, "effective_date", "split_factor", f"{source}, splits of {ticker}")
    amounts = _events(dividends, "ex_dividend_date", "amount", f"{source}, dividends of {ticker}")
    joined = (
        factors.group_by("session")
        .agg(split_factor=pl.col("value").product())
        .join(
            amounts.group_by("session").agg(dividend=pl.col("value").sum()),
            on="session",
            how="full",
            coalesce=True,
        )
        .with_columns(
            pl.lit(ticker).alias("ticker"),
            pl.col("split_factor").fill_null(1.0),
            pl.col("dividend").fill_null(0.0),
        )
    )
    has_action = (pl.col("split_factor") != 1.0) | (pl.col("dividend") != 0.0)
    return joined.filter(has_action).select(ACTIONS_SCHEMA.names()).sort("session")


def parse_quote(
    fields: Mapping[str, Any], *, ticker: str, source: str, requested_at: datetime
) -> Quote:
    """Return GLOBAL_QUOTE fields as a quote.

    Raises
    ------
    BarsError
        If the price or the session is missing or cannot be parsed.
    """
    where = f"{source}, quote of {ticker}"
    names = ("05. price", "06. volume", "08. previous close")
    cells = [_text(fields.get(name)) for name in names]
    price, volume, previous = (
        _numbers([cell], [ticker], name, where).item()
        for name, cell in zip(names, cells, strict=True)
    )
    session = _dates([_text(fields.get("07. latest trading day"))], where).item()
    if price is None:
        msg = f"{where}: the response has no price; try again when the exchange is open."
        raise BarsError(msg)
    return Quote(
        ticker=ticker,
        price=price,
        previous_close=previous,
        volume=None if volume is None else round(volume),
        session=session,
        requested_at=requested_at,
        source=source,
    )


def parse_matches(rows: Sequence[Mapping[str, Any]], *, source: str) -> list[SymbolMatch]:
    """Return SYMBOL_SEARCH rows as matches with our tickers, in the order of the response.

    Raises
    ------
    BarsError
        If a score is not a number.
    """
    symbols = [str(row.get("1. symbol", "")) for row in rows]
    field = "9. matchScore"
    scores = _numbers([_text(row.get(field)) for row in rows], symbols, field, f"{source}, search")
    return [
        SymbolMatch(
            ticker=ticker_of(symbol),
            name=str(row.get("2. name", "")),
            region=str(row.get("4. region", "")),
            currency=str(row.get("8. currency", "")),
            score=score,
        )
        for row, symbol, score in zip(rows, symbols, scores.fill_null(0.0), strict=True)
    ]


def _events(
    rows: Iterable[Mapping[str, Any]], date_field: str, field: str, where: str
) -> pl.DataFrame:
    # Identical rows are one event.
    distinct = {json.dumps(row, sort_keys=True): row for row in rows}.values()
    complete = [row for row in distinct if _text(row.get(date_field)) and _text(row.get(field))]
    dates = [str(row[date_field]) for row in complete]
    values = _numbers([_text(row[field]) for row in complete], dates, field, where)
    bad = ~(values.is_finite() & (values >= 0)) if field == "amount" else ~(values > 0)
    _refuse(bad, dates, values.to_list(), field, where)
    return pl.DataFrame({"session": _dates(dates, where), "value": values})


def _cell(row: object, field: str, where: str) -> str | None:
    if not isinstance(row, dict) or isinstance(row, RepeatingObject) or field not in row:
        msg = f"{where}: expected one value of {field!r}, got {str(row)[:100]!r}; try again later."
        raise BarsError(msg)
    return _text(row[field])


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return None if text.lower() in _MISSING else text


def _numbers(
    cells: Sequence[str | None], dates: Sequence[str], field: str, where: str
) -> pl.Series:
    text = pl.Series(field, cells, dtype=pl.String)
    numbers = text.cast(pl.Float64, strict=False)
    _refuse(text.is_not_null() & numbers.is_null(), dates, cells, field, where)
    return numbers


def _refuse(
    bad: pl.Series, dates: Sequence[str], cells: Sequence[object], field: str, where: str
) -> None:
    if bad.any():
        at = bad.arg_max() or 0
        msg = (
            f"{where}, session {dates[at]}, field {field!r}: expected a number such as 12.34, "
            f"got {str(cells[at])[:100]!r}; try again later, or use another provider."
        )
        raise BarsError(msg)


def _dates(texts: Sequence[str | None], where: str) -> pl.Series:
    text = pl.Series("session", texts, dtype=pl.String)
    dates = text.str.to_date("%Y-%m-%d", strict=False)
    bad = dates.is_null()
    if bad.any():
        text_shown = str(texts[bad.arg_max() or 0])[:100]
        msg = f"{where}: expected a date such as {date(2024, 1, 31)}, got {text_shown!r}."
        raise BarsError(msg)
    return dates
