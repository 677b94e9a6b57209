"""Parsing of numbers. The columns of a file together decide on its decimal mark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from core.errors import BarsError
from market.providers.files.headers.spellings import volume_power
from market.providers.files.layout import ROW

# Spellings of a missing value.
_MISSING = (
    *("", "null", "none", "nan", "nat", "nil", "n/a", "na", "n.a.", "#n/a", "#n/a n/a", "#na"),
    *("-", "--", "---", "\u2013", "\u2014", "n/d", "n.d.", "n.v.", ".", "...", "<na>", "\\n", "?"),
)
_POWERS = {
    3: "k tsd tsd. thousand",
    4: "万 萬",
    6: "m mn mm mio mio. mln million",
    8: "億 亿",
    9: "b bn g mrd mrd. mld billion",
    12: "t tn",
}
_MAGNITUDES = {name: power for power, names in _POWERS.items() for name in names.split()}
_INVISIBLE = " \t\n\u00a0\u2009\u202f\u200b\u200e\u200f\ufeff"
_SIGNS = "$€£¥₹₩₽₺₪฿₫￥円元圓원"
_CODES = (
    "usd|eur|gbp|gbx|jpy|chf|cad|aud|nzd|hkd|sgd|cny|rmb|inr|krw|brl|zar|sek|nok|dkk|pln|czk|huf|"
    "try|mxn|us|hk|ca|au|nt|rs\\.?|kr\\.?|zł|r"
)
_CURRENCY = rf"(?:(?:{_CODES})?\s*[{_SIGNS}]|(?:{_CODES}))"
_PREFIX = rf"^([+-]?)\s*{_CURRENCY}\s*"
_SUFFIX = rf"\s*{_CURRENCY}$"
_SHARES = r"\s*(?:shares|stk\.?|stück|pcs\.?|株|股|주)$"
_UNIT = rf"(?:\s*({'|'.join(map(re.escape, sorted(_MAGNITUDES, key=len, reverse=True)))}))"
# Decimal point with commas between thousands (also of India), and decimal comma with points.
_STYLES = {
    ".": r"^[+-]?(?:[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}|\d+)?(?:\.\d*)?(?:e[+-]?\d+)?$",
    ",": r"^[+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)?(?:,\d*)?(?:e[+-]?\d+)?$",
}


class Numbers:
    """The way in which the numbers of one file are written.

    Parameters
    ----------
    table
        Cells of the whole file.
    columns
        Columns with numbers.
    where
        Name of the file for errors.
    volume
        The one of `columns` that counts shares.

    Raises
    ------
    BarsError
        If the decimal mark of a column can be read in two ways, or a column has two currencies.
    """

    def __init__(
        self, table: pl.DataFrame, columns: Sequence[str], where: str, volume: str
    ) -> None:
        self.where = where
        text = {
            name: _cleaned(table.get_column(name))
            for name in columns
            if not is_typed(table.get_column(name))
        }
        for name in text:
            _refuse_mixed_currencies(table.get_column(name), name, where)
        self.marks = _decimal_marks(text, where, volume)

    @property
    def has_comma(self) -> bool:
        """Whether a column is read with a decimal comma."""
        return "," in self.marks.values()

    def read(self, table: pl.DataFrame, column: str) -> pl.Series:
        """Return a column as Float64. Missing cells are null.

        Raises
        ------
        BarsError
            With row, column and value of the first cell that is not a number.
        """
        numbers, bad = self.parse(table, column)
        raise_at_first(table, column, bad, self.where, "a number such as 1234.5")
        return numbers

    def parse(self, table: pl.DataFrame, column: str) -> tuple[pl.Series, pl.Series]:
        """Return a column as Float64, and which of its cells are no numbers."""
        cells = table.get_column(column)
        if is_typed(cells):
            return cells.cast(pl.Float64), cells.is_null() & cells.is_not_null()
        text = _cleaned(cells)
        numbers = _parsed(text, self.marks[column])
        return numbers, text.is_not_null() & numbers.is_null()

    def read_volumes(self, table: pl.DataFrame, column: str) -> pl.Series:
        """Return a column as Int64, rounded to whole shares; see `read`.

        A unit in the name of the column, such as ``Volume (M)``, multiplies the numbers.
        """
        numbers = self.read(table, column).fill_nan(None) * 10.0 ** volume_power(column)
        volumes = numbers.round().cast(pl.Int64, strict=False)
        bad = numbers.is_not_null() & volumes.is_null()
        raise_at_first(table, column, bad, self.where, "a number of shares such as 1500000")
        return volumes


def is_typed(cells: pl.Series) -> bool:
    """Return whether cells are numbers already, not text."""
    return cells.dtype.is_numeric() or cells.dtype == pl.Null


def text_of(cells: pl.Series) -> pl.Series:
    """Return cells as text without surrounding spaces. Missing cells are null."""
    cells = cells.cast(pl.String)
    if (cells.str.len_bytes() != cells.str.len_chars()).any():
        cells = cells.str.normalize("NFKC")  # digits of full width
    # Spreadsheets write ="1.5" or '1.5 to keep a text, and web pages add invisible marks.
    stripped = (
        cells.str.strip_chars(_INVISIBLE).str.replace("^=?[\"'](.*?)[\"']?$", "$1")
    ).str.strip_chars(_INVISIBLE)
    return stripped.set(stripped.str.to_lowercase().is_in(_MISSING), None)


def _cleaned(cells: pl.Series) -> pl.Series:
    """Return text without currencies and spaces; (1.5) becomes -1.5."""
    text = text_of(cells).str.to_lowercase()
    if text.str.contains(r"^[+-]?[\d.]+$").fill_null(value=True).all():
        return text
    return (
        text.str.replace_all(r"[\u2212\u2013]", "-")
        .str.replace(r"^\((.*)\)$", "-$1")
        .str.replace(_PREFIX, "$1")
        .str.replace(_SHARES, "")
        .str.replace(_SUFFIX, "")
        .str.replace_all(r"[\s'\u2019`\u00b4\u00a0\u2009\u202f]+(\d{3})", "$1")
        .str.strip_chars()
    )


def _parsed(text: pl.Series, mark: str) -> pl.Series:
    if mark == ".":
        numbers = text.cast(pl.Float64, strict=False)
        if numbers.null_count() == text.null_count():
            return numbers
    cell = pl.col("cell")
    amount = cell.str.replace(_UNIT + "$", "")
    if mark == ".":
        plain = amount.str.replace_all(",", "", literal=True)
    else:
        plain = amount.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    unit = cell.str.extract(_UNIT + "$", 1)
    exponent = unit.replace_strict(_MAGNITUDES, default=None, return_dtype=pl.Int64)
    # Spellings of infinity have no digits.
    fits = cell.str.contains(_STYLES[mark].removesuffix("$") + _UNIT + "?$") | ~cell.str.contains(
        r"\d"
    )
    number = pl.concat_str(
        plain,
        pl.when(exponent.is_not_null()).then(pl.format("e{}", exponent)).otherwise(pl.lit("")),
    )
    frame = pl.DataFrame({"cell": text})
    return frame.select(pl.when(fits).then(number).cast(pl.Float64, strict=False)).to_series()


def _decimal_marks(text: Mapping[str, pl.Series], where: str, volume: str) -> dict[str, str]:
    parsed = {name: {m: _parsed(cells, m) for m in _STYLES} for name, cells in text.items()}
    failures = {
        name: {mark: (text[name].is_not_null() & numbers.is_null()).sum() for mark, numbers in of}
        for name, of in ((name, styles.items()) for name, styles in parsed.items())
    }
    # Cells that no style can parse are no evidence; they are refused one by one.
    possible = {
        name: {mark for mark, n in counts.items() if n == min(counts.values())}
        for name, counts in failures.items()
    }
    proven = {next(iter(marks)) for marks in possible.values() if len(marks) == 1}
    chosen = {}
    for name, marks in possible.items():
        common = marks & proven if len(proven) == 1 else marks
        # Whole numbers of shares have no decimal mark, but volumes such as 5.646 M have.
        has_units = (text[name].drop_nulls().str.contains(_UNIT + "$")).all()
        is_decided = name != volume or proven == {","} or len(marks) == 1 or has_units
        if len(common) == 1 and is_decided:
            chosen[name] = next(iter(common))
            continue
        fits_both = pl.DataFrame(parsed[name]).select(pl.all_horizontal(pl.all().is_not_null()))
        undecided = text[name].filter(fits_both.to_series())
        commas = undecided.str.contains(",", literal=True)
        points = undecided.str.contains(".", literal=True)
        # Programs write prices with a decimal point. Volumes are whole numbers.
        if not (commas.any() if name != volume else points.any()):
            chosen[name] = "."
        else:
            first = undecided.filter(commas | points)[0]
            msg = (
                f"{where}, column {name!r}: the mark in {first!r} can be a decimal mark or stand "
                f"between thousands, and no other number decides it; write numbers as 1234.5."
            )
            raise BarsError(msg)
    return chosen


def _refuse_mixed_currencies(cells: pl.Series, column: str, where: str) -> None:
    signs = cells.cast(pl.String).str.extract(f"([{_SIGNS}])").unique().drop_nulls().sort()
    if len(signs) > 1:
        msg = (
            f"{where}, column {column!r}: the prices are in several currencies "
            f"({', '.join(signs)}); convert them to one."
        )
        raise BarsError(msg)


def raise_at_first(
    table: pl.DataFrame, column: str, bad: pl.Series, where: str, expected: str
) -> None:
    """Raise a BarsError with row, column and value of the first bad cell, if any."""
    first = bad.arg_max() if bad.any() else None
    if first is None:
        return
    msg = (
        f"{where}, row {table.get_column(ROW)[first]}, column {column!r}: expected {expected}, "
        f"got {table.get_column(column)[first]!r}; correct the cell, or leave it empty if the "
        f"value is missing."
    )
    raise BarsError(msg)
