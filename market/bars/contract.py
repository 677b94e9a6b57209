"""The bar contract: columns, types, key and validation.

Reading, adjusting and storing bars live elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from core.errors import BarsError
from core.tickers import TICKER_PATTERN
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
# Columns that a frame may leave out: null says "unknown".
OPTIONAL = ("adj_close", "split_factor", "dividend", "source")
# A high may be this much (relative) below the close: room for prices that went through 32-bit
# floats. Rounding to cents keeps the order, and the bundled sample needs no tolerance at all.
OHLC_TOLERANCE = 1e-6

_ROW = "__row__"
_REASON = "reason"


@dataclass(frozen=True)
class ValidatedBars:
    """What validation returns: the good bars, and the refused ones with their reasons.

    Attributes
    ----------
    bars
        Bar contract, one row a key, sorted by ticker and session.
    quarantine
        Bar columns and `reason`, in the order given; a row with several faults lists them all.
    """

    bars: pl.DataFrame
    quarantine: pl.DataFrame


def conform_bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the columns, order and types of the bar contract.

    Missing optional columns become null; NaN becomes null; other columns are left out. No row is
    judged, moved or dropped: that is `validate_bars`.

    Raises
    ------
    BarsError
        When a required column is missing or a column cannot be read as its type.
    """
    missing = [name for name in BAR_SCHEMA if name not in frame.columns and name not in OPTIONAL]
    if missing:
        msg = (
            f"bars must have the columns {', '.join(BAR_SCHEMA)}; "
            f"missing {', '.join(missing)}, got {', '.join(frame.columns) or 'none'}."
        )
        raise BarsError(msg)
    if frame.schema["session"] not in (pl.Date, pl.Null):
        msg = (
            f"`session` must be of type Date, got {frame.schema['session']}; "
            f"turn timestamps into the exchange's local dates first."
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
            msg = f"`{name}` must be readable as {kind}, got {column.dtype}: {error}"
            raise BarsError(msg) from None
    return pl.DataFrame(conformed, schema=BAR_SCHEMA)


def validate_bars(frame: pl.DataFrame, sessions: Sessions, *, last_session: date) -> ValidatedBars:
    """Split raw bars into good ones and quarantined ones; nothing is dropped or repaired.

    A row is refused when its ticker is not written like one, its session is unknown to the
    exchange calendar or after `last_session`, a required value is missing, a price, `adj_close` or
    `split_factor` is not a positive finite number, volume or dividend is negative, or high and low
    do not enclose open and close (within a relative `OHLC_TOLERANCE`). The size of a move is no
    fault: AAPL fell 51.9 % on 2000-09-29.

    Of several faultless rows with one key the last one given stays, as the newest word on it; the
    others go to the quarantine, told apart by whether they said the same.

    Parameters
    ----------
    frame
        Raw bars as a provider returns them; optional columns may be missing (`conform_bars`).
    sessions
        The calendar of the exchange that the bars come from.
    last_session
        The last session that can be known: later ones are refused as future.

    Raises
    ------
    BarsError
        When the frame as a whole is not made of bars: columns or types are wrong.
    """
    rows = conform_bars(frame).with_row_index(_ROW)
    rows = rows.with_columns(_joined(_faults(sessions, last_session)).alias(_REASON))
    repeats = _repeated(rows.filter(pl.col(_REASON) == ""))
    rows = rows.join(repeats, on=_ROW, how="left", maintain_order="left").with_columns(
        pl.when(pl.col(_REASON) == "").then("repeat").otherwise(_REASON).alias(_REASON)
    )
    good = rows.filter(pl.col(_REASON).is_null()).select(BAR_SCHEMA.names()).sort(KEY)
    refused = rows.filter(pl.col(_REASON).is_not_null()).select(*BAR_SCHEMA.names(), _REASON)
    return ValidatedBars(bars=good, quarantine=refused)


def _faults(sessions: Sessions, last_session: date) -> list[pl.Expr]:
    """Return one expression a fault: its sentence where the row has it, else null."""
    session = pl.col("session")
    known = sessions.between(sessions.first, sessions.last).implode()
    calendar = f"the {sessions.exchange} calendar"
    faults = [
        _fault(pl.col(name).is_null(), f"{name} is missing")
        for name in BAR_SCHEMA
        if name not in OPTIONAL
    ]
    faults += [
        _fault(~pl.col("ticker").str.contains(TICKER_PATTERN), "ticker is not written like one"),
        _fault(
            session.is_between(sessions.first, sessions.last) & ~session.is_in(known),
            f"{calendar} has no session on that date",
        ),
        _fault(session < sessions.first, f"session is before {calendar} ({sessions.first})"),
        _fault(session > last_session, f"session is in the future (after {last_session})"),
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


def _fault(condition: pl.Expr, sentence: str) -> pl.Expr:
    return pl.when(condition).then(pl.lit(sentence))


def _joined(faults: list[pl.Expr]) -> pl.Expr:
    return pl.concat_str(faults, separator="; ", ignore_nulls=True)


def _repeated(rows: pl.DataFrame) -> pl.DataFrame:
    """Return row and sentence of every row whose key comes again later."""
    values = pl.struct(name for name in BAR_SCHEMA if name not in (*KEY, "source"))
    shared = rows.filter(pl.len().over(KEY) > 1)
    same = values.eq_missing(values.last().over(KEY))
    sentence = (
        pl.when(same)
        .then(pl.lit("duplicate: the same bar is given again"))
        .otherwise(pl.lit("duplicate: another bar of this session is given later"))
    )
    is_last = pl.col(_ROW) == pl.col(_ROW).max().over(KEY)
    return shared.with_columns(repeat=sentence).filter(~is_last).select(_ROW, "repeat")
