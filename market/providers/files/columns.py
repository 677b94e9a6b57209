"""Column names of files of other sources, and their mapping to the columns of a bar."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from core.errors import BarsError

# Names per column of a bar, in tiers: a name of a later tier counts only if no name of an earlier
# tier is in the header, because `Last` is the close only where there is no `Close`. Two names of
# one tier in one header are refused. `normalize_name` is applied to both sides.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "ticker": (
        "ticker symbol",
        "tckrsymb secid ric ts_code stock_code act_symbol 股票代码 代码 銘柄コード",
        "code kode instrument isin",
    ),
    "session": (
        (
            "session date timestamp datetime datum fecha data dato 日期 日付 날짜 дата "
            "päivämäärä tarih"
        ),
        (
            "trade_date trading_date traddt exchange_date pricedate date_time quote_date day "
            "tag 交易日期 일자 begins_at window_start open_time ts_event"
        ),
        "unix unixtime epoch t time",
    ),
    "open": (
        "open",
        (
            "open_price opening_price px_open openprc opnpric eröffnung eröffnungskurs erster "
            "eröffn apertura abertura ouverture ouv öppningskurs otwarcie openingskoers åpning "
            "開盤 start_price 开盘 开盘价 開盤價 始値 시가 откр цена_открытия acilis"
        ),
        "o",
    ),
    "high": (
        "high",
        (
            "high_price px_high askhi hghpric hoch höchstkurs tageshoch max maximum máximo "
            "máxima massimo plus_haut haut najwyzszy najwyższy hoog högst day_high 最高 最高价 "
            "最高價 高値 고가 макс максимум yüksek"
        ),
        "h",
    ),
    "low": (
        "low",
        (
            "low_price px_low bidlo lwpric tief tiefstkurs tagestief min minimum mínimo mínima "
            "minimo plus_bas bas najnizszy najniższy laag lägst day_low 最低 最低价 最低價 安値 "
            "저가 мин минимум düşük"
        ),
        "l",
    ),
    "close": (
        "close",
        (
            "close_last close_price closing_price clspric schlusskurs schluss schlußkurs cierre "
            "fechamento clôture chiusura zamkniecie zamknięcie slotkoers stängningskurs "
            "closecloseprice_adjusted_for_splits clot 收盘 收盘价 收盤 收盤價 終値 종가 закр "
            "цена_закрытия kapanis"
        ),
        (
            "last last_price lastpric px_last price ltp prc zuletzt letzter último ultimo "
            "dernier laatste senaste senast kurs цена"
        ),
        "c",
    ),
    "adj_close": (
        "adj_close adjusted_close close_adj adj_closing_price adjusted_closing_price",
        (
            "adjcloseadjusted_close_price_adjusted_for_splits_and_dividend_and_or_capital_gain_distributions "  # noqa: E501  # Yahoo's page
            "adjustment_close ajuste"
        ),
    ),
    "volume": (
        "volume vol",
        (
            "total_traded_quantity traded_quantity total_trade_quantity tottrdqty ttltradgvol "
            "traded_volume total_volume share_volume no_of_shares number_of_shares px_volume "
            "quantity volume_shares stück stuecke stücke 成交量 成交股數 出来高 売買高 거래량 "
            "объем объём hacim"
        ),
        "volumen volúmen umsatz wolumen volym omsatt_antal tick_vol tickvolume",
        "v",
    ),
    "split_factor": ("split_factor split_coefficient split_ratio",),
    "dividend": ("dividend dividends dividend_amount div_cash ex_dividend",),
    # Splits for which Yahoo's prices are already adjusted; see `FilesProvider`.
    "stock_splits": ("stock_splits",),
    "period": ("per",),
    "currency": (
        "currency ccy crncy devise währung waehrung moneda moeda valuta waluta 通貨 币种",
    ),
}
PRICE_COLUMNS = ("open", "high", "low", "close")
REQUIRED = ("session", *PRICE_COLUMNS, "volume")
# Names of the date if there is no better one: pandas writes an index without a name.
_LAST_RESORT = ("", "index", "indexlevel0", "unnamed0")


# Units of prices and volumes behind a name. A ticker in brackets names a column of that ticker.
_UNIT = re.compile(
    r"\s*[(\[](?:in\s+)?(?:[$€£¥₹₩]|p|pence|cents?|USD|EUR|GBP|GB[Xp]|JPY|CHF|CAD|AUD|HKD|CNY|INR"
    r"|KRW|[Ss]hares)[)\]]\s*$"
)
_VOLUME_UNIT = re.compile(
    r"^\s*vol.*[(\[](?:in\s+)?(?P<unit>'?000s?|thousands?|k|m|mn|mio\.?|millions?|lakhs?|crores?)"
    r"[)\]]\s*$",
    re.IGNORECASE,
)
_VOLUME_POWERS = {"'": 3, "0": 3, "t": 3, "k": 3, "m": 6, "l": 5, "c": 7}


def volume_power(name: str) -> int:
    """Return the power of ten in the name of a volume column, as in ``Volume (M)``; 0 if none."""
    match = _VOLUME_UNIT.match(name)
    return 0 if match is None else _VOLUME_POWERS[match["unit"][0].lower()]


def normalize_name(name: str) -> str:
    """Return ``open`` for ``1. open``, ``<OPEN>``, ``Open (USD)`` and ``Open_duplicated_0``."""
    once = _UNIT.sub("", re.sub(r"_duplicated_\d+$", "", name))
    if volume_power(once):
        return "volume"
    unnumbered = re.sub(r"^\s*\d+[a-z]?\.\s", "", once.strip().casefold())
    letters = "".join(
        c for c in unicodedata.normalize("NFKD", unnumbered) if unicodedata.category(c) != "Mn"
    )
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", letters))


_TIERS = {
    meaning: [tuple(map(normalize_name, tier.split())) for tier in tiers]
    for meaning, tiers in SPELLINGS.items()
}
_KNOWN = {name for tiers in _TIERS.values() for tier in tiers for name in tier}
_PRICE_NAMES = {
    name: meaning for meaning in PRICE_COLUMNS for tier in _TIERS[meaning] for name in tier
}
_IN_WIDE_TABLES = (*PRICE_COLUMNS, "adj_close", "volume", "dividend", "stock_splits")
# Names that a header row above or below the tickers may have.
LONG_NAMES = {
    name: meaning
    for meaning in _IN_WIDE_TABLES
    for tier in _TIERS[meaning]
    for name in tier
    if len(name) > 1
}
# Names that one header combines with the tickers. More names would be ambiguous.
WIDE_NAMES = {name: meaning for meaning in _IN_WIDE_TABLES for name in _TIERS[meaning][0]}


def count_known(cells: Sequence[str]) -> int:
    """Return the number of cells that are known column names."""
    return sum(normalize_name(cell) in _KNOWN for cell in cells)


def has_all_prices(columns: Sequence[str]) -> bool:
    """Return whether a header has a known name for each of open, high, low and close."""
    return {_PRICE_NAMES.get(normalize_name(name)) for name in columns} >= {*PRICE_COLUMNS}


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
    for meaning, tiers in _TIERS.items():
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
    """Return a phrase for each column whose name is not one of the usual names."""
    return [
        f"{name!r} as {meaning}"
        for meaning, name in matched.items()
        if normalize_name(name) not in _TIERS[meaning][0] and name
    ]


def _fallback_date(columns: Sequence[str], normalized: Sequence[str]) -> dict[str, str]:
    for last_resort in _LAST_RESORT:
        if last_resort in normalized:
            at = normalized.index(last_resort)
            # A trailing comma on each line gives a last column without a name. It is no date.
            if last_resort or at == 0:
                return {"session": columns[at]}
    return {}
