"""Alpha Vantage's answers: JSON text -> bars, splits and dividends, quotes.

Whether a body is an answer or a refusal is `alpha_vantage_refusals`; whether bars are good is
`market.bars.contract`.
"""

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
# Its adjusted close is left out: stored, it would have an old base at the next dividend.
_ADJUSTED = _PLAIN | {
    "volume": "6. volume",
    "dividend": "7. dividend amount",
    "split_factor": "8. split coefficient",
}
# How it writes that it has no value.
_MISSING = ("", "none", "null", "nan", "-", ".")


class RepeatingObject(dict[str, Any]):
    """A JSON object in which a name occurs twice; `pairs` has both, where a dict has the last."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


@dataclass(frozen=True)
class SymbolMatch:
    """One symbol that Alpha Vantage found for words; `score` is between 0 and 1."""

    ticker: str
    name: str
    region: str
    currency: str
    score: float


def parse_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that the text is, or None when it is cut or something else."""
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
    """Return a time series as bars, oldest first; repeated sessions stay, for validation to refuse.

    Raises
    ------
    BarsError
        With session and field of the first value that cannot be read.
    """
    rows = list(series.pairs if isinstance(series, RepeatingObject) else series.items())
    where = f"{source}, bars of {ticker}"
    dates = [row[0] for row in rows]
    columns = {"session": _dates(dates, where)}
    for name, field in (_ADJUSTED if adjusted else _PLAIN).items():
        cells = [_cell(row, field, f"{where}, session {day}") for day, row in rows]
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
    """Return SPLITS and DIVIDENDS as one row an ex-date; see `ActionsProvider.fetch_actions`.

    Announcements without a date or an amount are left out until they have one. Several payments
    on one ex-date, such as a special dividend beside the usual one, are added up.

    Raises
    ------
    BarsError
        With date and field of the first value that cannot be read.
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
    happened = (pl.col("split_factor") != 1.0) | (pl.col("dividend") != 0.0)
    return joined.filter(happened).select(ACTIONS_SCHEMA.names()).sort("session")


def parse_quote(
    fields: Mapping[str, Any], *, ticker: str, source: str, requested_at: datetime
) -> Quote:
    """Return a GLOBAL_QUOTE as a quote.

    Raises
    ------
    BarsError
        When price or trading day is missing or cannot be read.
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
        msg = f"{where}: it has no price; ask again when the exchange trades."
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
    """Return a SYMBOL_SEARCH in the order given, with our tickers.

    Raises
    ------
    BarsError
        When a score is no number.
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


def _events(rows: Iterable[Mapping[str, Any]], when: str, field: str, where: str) -> pl.DataFrame:
    # A record that stands there twice, all dates alike, is one event.
    distinct = {json.dumps(row, sort_keys=True): row for row in rows}.values()
    told = [row for row in distinct if _text(row.get(when)) and _text(row.get(field))]
    dates = [str(row[when]) for row in told]
    values = _numbers([_text(row[field]) for row in told], dates, field, where)
    bad = ~(values.is_finite() & (values >= 0)) if field == "amount" else ~(values > 0)
    _refuse(bad, dates, values.to_list(), field, where)
    return pl.DataFrame({"session": _dates(dates, where), "value": values})


def _cell(row: object, field: str, where: str) -> str | None:
    if not isinstance(row, dict) or isinstance(row, RepeatingObject) or field not in row:
        msg = f"{where}: expected one value of {field!r}, got {str(row)[:100]!r}; ask again."
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
            f"got {str(cells[at])[:100]!r}; ask again, or another provider."
        )
        raise BarsError(msg)


def _dates(texts: Sequence[str | None], where: str) -> pl.Series:
    text = pl.Series("session", texts, dtype=pl.String)
    dates = text.str.to_date("%Y-%m-%d", strict=False)
    bad = dates.is_null()
    if bad.any():
        got = texts[bad.arg_max() or 0]
        msg = f"{where}: expected a date such as {date(2024, 1, 31)}, got {str(got)[:100]!r}."
        raise BarsError(msg)
    return dates
