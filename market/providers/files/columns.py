"""Column names of files of other sources, and their mapping to the columns of a bar."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.errors import BarsError

# Names of Yahoo, Alpha Vantage, Stooq, Tiingo and our own, normalized by `_normalize`.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "ticker": ("ticker", "symbol"),
    "session": ("session", "date", "timestamp", "datetime"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "adj_close": ("adjclose", "adjustedclose"),
    "volume": ("volume", "vol"),
    "split_factor": ("splitfactor", "splitcoefficient"),
    "dividend": ("dividend", "dividends", "dividendamount", "divcash"),
    # Splits for which Yahoo's prices are already adjusted; see `FilesProvider`.
    "stock_splits": ("stocksplits",),
    "period": ("per",),
}
REQUIRED = ("session", "open", "high", "low", "close", "volume")
# Names of the date if there is no better one: Stooq has <TIME> in addition to <DATE>, and pandas
# writes an index without a name.
_LAST_RESORT = ("time", "", "index", "indexlevel0", "unnamed0")


def match_columns(columns: Sequence[str], where: str) -> dict[str, str]:
    """Return the name in the file of each bar column that the file has.

    Parameters
    ----------
    columns
        Header of the file.
    where
        Name of the file for errors.

    Raises
    ------
    BarsError
        If a required column is missing, or two columns map to the same bar column.
    """
    normalized = [_normalize(name) for name in columns]
    matched: dict[str, str] = {}
    for meaning, spellings in SPELLINGS.items():
        same = [name for name, short in zip(columns, normalized, strict=True) if short in spellings]
        if len(same) > 1:
            msg = (
                f"{where}: the columns {' and '.join(map(repr, same))} both map to `{meaning}`; "
                f"rename or remove all but one."
            )
            raise BarsError(msg)
        if same:
            matched[meaning] = same[0]
    if "session" not in matched:
        matched |= _fallback_date(columns, normalized)
    missing = [meaning for meaning in REQUIRED if meaning not in matched]
    if missing:
        msg = (
            f"{where}: no column for {', '.join(missing)} among "
            f"{', '.join(map(repr, columns))}; use a header such as "
            f"Date,Open,High,Low,Close,Adj Close,Volume."
        )
        raise BarsError(msg)
    return matched


def _fallback_date(columns: Sequence[str], normalized: Sequence[str]) -> dict[str, str]:
    for last_resort in _LAST_RESORT:
        if last_resort in normalized:
            at = normalized.index(last_resort)
            # A trailing comma on each line gives a last column without a name. It is no date.
            if last_resort or at == 0:
                return {"session": columns[at]}
    return {}


def _normalize(name: str) -> str:
    """Return ``open`` for ``1. open``, ``<OPEN>``, ``Open`` and ``Open_duplicated_0``."""
    once = re.sub(r"_duplicated_\d+$", "", name)
    unnumbered = re.sub(r"^\s*\d+[a-z]?\.\s", "", once.strip().lower())
    return re.sub(r"[^a-z0-9]", "", unnumbered)
