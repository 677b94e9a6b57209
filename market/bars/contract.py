"""The bar contract: columns, types, key and validation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from core.errors import BarsError
from core.tickers import TICKER_PATTERN
from market.bars.duplicates import find_duplicates
from market.calendars.sessions import Sessions

KEY = ("ticker", "session")
PRICES = ("open", "high", "low", "close")
BAR_SCHEMA = pl.Schema(
    {
        "ticker": pl.String(),
        "session": pl.Date(),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "adj_close": pl.Float64(),
        "volume": pl.Int64(),
        "split_factor": pl.Float64(),
        "dividend": pl.Float64(),
        "source": pl.String(),
    }
)
# Columns that a frame may omit. Null means "unknown".
OPTIONAL = ("adj_close", "split_factor", "dividend", "source")
# Relative tolerance of the order of high, low, open and close, for prices that were stored as
# 32-bit floats. Rounding to cents keeps the order, and the bundled sample needs no tolerance.
OHLC_TOLERANCE = 1e-6

IN_FUTURE = "session is in the future"

_ROW = "__row__"
_REASON = "reason"


@dataclass(frozen=True)
class ValidatedBars:
    """The result of `validate_bars`: valid bars, and refused rows with their reasons.

    Attributes
    ----------
    bars
        Valid bars, one row per key, sorted by ticker and session.
    quarantine
        Refused rows in their original order: bar columns and `reason`, which lists every fault.
    set_aside
        Rows that are no faults of the data, with the same columns as `quarantine`: rows before the
        first session of the calendar, and rows without any value on days without a session.
    """

    bars: pl.DataFrame
    quarantine: pl.DataFrame
    set_aside: pl.DataFrame


def conform_bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with the columns, order and types of the bar contract.

    Missing optional columns are filled with null, NaN becomes null, and other columns are dropped.
    Rows keep their order and are not validated, see `validate_bars`.

    Raises
    ------
    BarsError
        If a required column is missing, or a column cannot be cast to its type.
    """
    missing = [name for name in BAR_SCHEMA if name not in frame.columns and name not in OPTIONAL]
    if missing:
        msg = (
            f"`frame` must have the columns {', '.join(BAR_SCHEMA)}; "
            f"missing {', '.join(missing)}, got {', '.join(frame.columns) or 'none'}."
        )
        raise BarsError(msg)
    if frame.schema["session"] not in (pl.Date, pl.Null):
        msg = (
            f"`session` must be of type Date, got {frame.schema['session']}; "
            f"convert timestamps to local dates of the exchange first."
        )
        raise BarsError(msg)
    columns = [
        pl.col(name) if name in frame.columns else pl.lit(None).alias(name) for name in BAR_SCHEMA
    ]
    conformed = []
    selected = frame.select(columns)
    for name, kind in BAR_SCHEMA.items():
        column = selected.get_column(name)
        if column.dtype.is_float():
            column = column.fill_nan(None)
        try:
            conformed.append(column.cast(kind))
        except pl.exceptions.PolarsError as error:
            msg = f"`{name}` must be castable to {kind}, got {column.dtype}: {error}"
            raise BarsError(msg) from None
    return pl.DataFrame(conformed, schema=BAR_SCHEMA)


def validate_bars(frame: pl.DataFrame, sessions: Sessions, *, last_session: date) -> ValidatedBars:
    """Split raw bars into valid bars, refused rows and rows set aside; no row is changed.

    A row is set aside if its session is before the calendar, which therefore cannot judge it, or if
    it has no value and the calendar has no session on that date. Any other row is refused if

    - a required value is missing,
    - the ticker is malformed,
    - the session is not in the exchange calendar, or is after `last_session`,
    - a price, `adj_close` or `split_factor` is not a positive finite number,
    - the volume is negative, or the dividend is negative or infinite,
    - `high` and `low` do not enclose `open` and `close` (relative tolerance `OHLC_TOLERANCE`).

    A large move is not a fault: AAPL fell by 51.9 % on 2000-09-29. Missing values of optional
    columns are valid.

    Of several valid rows with the same key, the settled bar is kept and the other rows are refused
    as duplicates. If the rows do not show which bar is settled, all of them are refused, see
    `market.bars.duplicates`.

    Parameters
    ----------
    frame
        Raw bars of a provider; optional columns may be missing, see `conform_bars`.
    sessions
        Calendar of the exchange of the bars.
    last_session
        Last closed session; later rows are refused.

    Raises
    ------
    BarsError
        If the columns or types of the frame do not match the bar contract.
    """
    rows = conform_bars(frame).with_row_index(_ROW)
    columns = [*BAR_SCHEMA.names(), _REASON]
    rows = rows.with_columns(_concatenate(_no_faults(sessions, last_session)).alias(_REASON))
    set_aside = rows.filter(pl.col(_REASON) != "").select(columns)
    rows = rows.filter(pl.col(_REASON) == "")
    rows = rows.with_columns(_concatenate(_faults(sessions, last_session)).alias(_REASON))
    duplicates = find_duplicates(rows.filter(pl.col(_REASON) == ""), row=_ROW, key=KEY)
    rows = rows.join(duplicates, on=_ROW, how="left", maintain_order="left").with_columns(
        pl.when(pl.col(_REASON) == "").then("duplicate").otherwise(_REASON).alias(_REASON)
    )
    valid = rows.filter(pl.col(_REASON).is_null()).select(BAR_SCHEMA.names()).sort(KEY)
    refused = rows.filter(pl.col(_REASON).is_not_null()).select(columns)
    return ValidatedBars(bars=valid, quarantine=refused, set_aside=set_aside)


def _no_faults(sessions: Sessions, last_session: date) -> list[pl.Expr]:
    """Return the descriptions of rows that are set aside, like `_faults`."""
    session = pl.col("session")
    open_dates = sessions.between(sessions.first, last_session).implode()
    has_no_value = pl.all_horizontal(pl.col(*PRICES, "adj_close").is_null()) & (
        pl.col("volume").fill_null(0) == 0
    )
    is_closed = session.is_between(sessions.first, last_session) & ~session.is_in(open_dates)
    before = f"before the first session of the {sessions.exchange} calendar ({sessions.first})"
    without = f"without values, on days without a session of {sessions.exchange}"
    return [
        _fault(session < sessions.first, before),
        _fault(has_no_value & is_closed, without),
    ]


def _faults(sessions: Sessions, last_session: date) -> list[pl.Expr]:
    """Return one expression per fault: its description where the row has it, null elsewhere."""
    session = pl.col("session")
    calendar_sessions = sessions.between(sessions.first, last_session).implode()
    calendar = f"the {sessions.exchange} calendar"
    faults = [
        _fault(pl.col(name).is_null(), f"{name} is missing")
        for name in BAR_SCHEMA
        if name not in OPTIONAL
    ]
    faults += [
        _fault(~pl.col("ticker").str.contains(TICKER_PATTERN), "ticker is malformed"),
        _fault(
            session.is_between(sessions.first, last_session) & ~session.is_in(calendar_sessions),
            f"{calendar} has no session on that date",
        ),
        _fault(session > last_session, f"{IN_FUTURE} (after {last_session})"),
    ]
    faults += [
        _fault(~(pl.col(name).is_finite() & (pl.col(name) > 0)), f"{name} is not a positive number")
        for name in (*PRICES, "adj_close", "split_factor")
    ]
    faults += [
        _fault(pl.col("volume") < 0, "volume is negative"),
        _fault(
            ~(pl.col("dividend").is_finite() & (pl.col("dividend") >= 0)),
            "dividend is not zero or a positive number",
        ),
    ]
    return faults + _order_faults()


def _order_faults() -> list[pl.Expr]:
    above = pl.col("high") * (1 + OHLC_TOLERANCE)
    below = pl.col("low") * (1 - OHLC_TOLERANCE)
    return [
        _fault(above < pl.max_horizontal("open", "close"), "high is below open or close"),
        _fault(below > pl.min_horizontal("open", "close"), "low is above open or close"),
        _fault(above < pl.col("low"), "high is below low"),
    ]


def _fault(condition: pl.Expr, description: str) -> pl.Expr:
    return pl.when(condition).then(pl.lit(description))


def _concatenate(faults: list[pl.Expr]) -> pl.Expr:
    return pl.concat_str(faults, separator="; ", ignore_nulls=True)
