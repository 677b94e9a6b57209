"""Mapping of the columns of a file to the columns of a bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.errors import BarsError
from market.providers.files.headers.spellings import (
    KNOWN,
    PRICE_COLUMNS,
    PRICE_NAMES,
    TIERS,
    normalize_name,
)

REQUIRED = ("session", *PRICE_COLUMNS, "volume")
# Names of the date if there is no better one: pandas writes an index without a name.
_LAST_RESORT = ("", "index", "indexlevel0", "unnamed0")


def count_known(cells: Sequence[str]) -> int:
    """Return the number of cells that are known column names."""
    return sum(normalize_name(cell) in KNOWN for cell in cells)


def has_all_prices(columns: Sequence[str]) -> bool:
    """Return whether a header has a known name for each of open, high, low and close."""
    return {PRICE_NAMES.get(normalize_name(name)) for name in columns} >= {*PRICE_COLUMNS}


def match_columns(
    columns: Sequence[str], where: str, named: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the name in the file of each bar column that the file has.

    Parameters
    ----------
    columns
        Header of the file.
    where
        Name of the file for errors.
    named
        Names that the user has set, by bar column. They take precedence.

    Raises
    ------
    BarsError
        If a required column is missing, or two columns map to the same bar column.
    """
    normalized = [normalize_name(name) for name in columns]
    matched: dict[str, str] = {}
    for meaning, name in (named or {}).items():
        if normalize_name(name) in normalized:
            matched[meaning] = columns[normalized.index(normalize_name(name))]
    free = [
        (name, short)
        for name, short in zip(columns, normalized, strict=True)
        if name not in matched.values()
    ]
    for meaning, tiers in TIERS.items():
        if meaning not in matched and (same := _find(meaning, tiers, free, where)) is not None:
            matched[meaning] = same
    if "session" not in matched:
        matched |= _fallback_date(columns, normalized)
    missing = [meaning for meaning in REQUIRED if meaning not in matched]
    if missing:
        msg = (
            f"{where}: no column for {', '.join(missing)} among "
            f"{', '.join(map(repr, columns))}; use a header such as "
            f"Date,Open,High,Low,Close,Adj Close,Volume, or name the columns in STOCKCAST_COLUMNS "
            f"({missing[0]}=Your Name)."
        )
        raise BarsError(msg)
    return matched


def _find(
    meaning: str,
    tiers: Sequence[Sequence[str]],
    columns: Sequence[tuple[str, str]],
    where: str,
) -> str | None:
    for tier in tiers:
        same = [name for name, short in columns if short in tier]
        if len(same) > 1:
            msg = (
                f"{where}: the columns {' and '.join(map(repr, same))} both map to `{meaning}`; "
                f"rename or remove all but one, or set STOCKCAST_COLUMNS={meaning}={same[0]}."
            )
            raise BarsError(msg)
        if same:
            return same[0]
    return None


def describe_columns(matched: Mapping[str, str]) -> list[str]:
    """Return a phrase for each column with a name that is not one of the usual names."""
    return [
        f"{name!r} as {meaning}"
        for meaning, name in matched.items()
        if normalize_name(name) not in TIERS[meaning][0] and name
    ]


def _fallback_date(columns: Sequence[str], normalized: Sequence[str]) -> dict[str, str]:
    for last_resort in _LAST_RESORT:
        if last_resort in normalized:
            at = normalized.index(last_resort)
            # A trailing comma on each line gives a last column without a name. It is no date.
            if last_resort or at == 0:
                return {"session": columns[at]}
    return {}
