"""How other people's files spell the columns of a bar. What stands in the cells is `cells`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.errors import BarsError

# Yahoo's, Alpha Vantage's, Stooq's, Tiingo's and our own names, reduced by `_reduce`.
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
    # Yahoo's splits beside prices that are adjusted for them already: see `files`.
    "stock_splits": ("stocksplits",),
    "period": ("per",),
}
REQUIRED = ("session", "open", "high", "low", "close", "volume")
# Names that hold the date only where no better one is there: Stooq has <TIME> beside <DATE>, and
# pandas writes an index without a name.
_LAST_RESORT = ("time", "", "index", "indexlevel0", "unnamed0")


def match_columns(columns: Sequence[str], where: str) -> dict[str, str]:
    """Return the file's own name of every bar column it has.

    Parameters
    ----------
    columns
        The header as it stands in the file.
    where
        The file's name, for errors.

    Raises
    ------
    BarsError
        When a required column is missing, or two columns mean the same.
    """
    reduced = [_reduce(name) for name in columns]
    found: dict[str, str] = {}
    for meaning, spellings in SPELLINGS.items():
        same = [name for name, short in zip(columns, reduced, strict=True) if short in spellings]
        if len(same) > 1:
            msg = (
                f"{where}: the columns {' and '.join(map(repr, same))} both mean `{meaning}`; "
                f"rename or remove all but one."
            )
            raise BarsError(msg)
        if same:
            found[meaning] = same[0]
    if "session" not in found:
        found |= _date_without_name(columns, reduced)
    missing = [meaning for meaning in REQUIRED if meaning not in found]
    if missing:
        msg = (
            f"{where}: no column for {', '.join(missing)} among "
            f"{', '.join(map(repr, columns))}; name it as in "
            f"Date,Open,High,Low,Close,Adj Close,Volume."
        )
        raise BarsError(msg)
    return found


def _date_without_name(columns: Sequence[str], reduced: Sequence[str]) -> dict[str, str]:
    for last_resort in _LAST_RESORT:
        if last_resort in reduced:
            at = reduced.index(last_resort)
            # A comma at the end of each line makes a nameless column too; only the first is a date.
            if last_resort or at == 0:
                return {"session": columns[at]}
    return {}


def _reduce(name: str) -> str:
    """Reduce ``1. open``, ``<OPEN>`` and ``Open`` to ``open``, and a repeated name to the name."""
    once = re.sub(r"_duplicated_\d+$", "", name)
    unnumbered = re.sub(r"^\s*\d+[a-z]?\.\s", "", once.strip().lower())
    return re.sub(r"[^a-z0-9]", "", unnumbered)
