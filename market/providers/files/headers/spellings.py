"""The names of columns in the files of other sources, by the column of a bar that they mean."""

from __future__ import annotations

import re
import unicodedata

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
            "trade_date trading_date traddt exchange_date pricedate date_time "
            "quote_date day tag 交易日期 일자 begins_at window_start open_time ts_event"
        ),
        "unix unixtime epoch t time",
    ),
    "open": (
        "open",
        (
            "open_price opening_price px_open openprc opnpric eröffnung eröffnungskurs "
            "erster eröffn apertura abertura ouverture ouv öppningskurs otwarcie "
            "openingskoers åpning 開盤 åbning avaus avauskurssi açiliş start_price 开盘 开盘价 "
            "開盤價 始値 시가 откр цена_открытия acilis"
        ),
        "o",
    ),
    "high": (
        "high",
        (
            "højeste ylin high_price px_high askhi hghpric hoch höchstkurs tageshoch max maximum "
            "máximo máxima massimo plus_haut haut najwyzszy najwyższy hoog högst "
            "day_high 最高 最高价 最高價 高値 고가 макс максимум yüksek"
        ),
        "h",
    ),
    "low": (
        "low",
        (
            "laveste alin low_price px_low bidlo lwpric tief tiefstkurs tagestief min "
            "minimum mínimo mínima minimo plus_bas bas najnizszy najniższy laag lägst day_low "
            "最低 最低价 最低價 安値 저가 мин минимум düşük"
        ),
        "l",
    ),
    "close": (
        "close",
        (
            "close_last close_price closing_price clspric schlusskurs schluss "
            "schlußkurs cierre fechamento clôture chiusura zamkniecie zamknięcie "
            "slotkoers stängningskurs closecloseprice_adjusted_for_splits clot lukket "
            "päätös päätöskurssi 收盘 收盘价 收盤 收盤價 終値 종가 закр цена_закрытия kapanis"
        ),
        (
            "last last_price lastpric px_last price ltp prc zuletzt letzter último "
            "ultimo dernier laatste senaste senast şimdi kurs цена"
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
            "total_traded_quantity traded_quantity total_trade_quantity tottrdqty "
            "ttltradgvol traded_volume total_traded_volume total_volume share_volume "
            "no_of_shares number_of_shares px_volume quantity volume_shares stück "
            "stuecke stücke 成交量 成交股數 出来高 売買高 거래량 объем объём hacim hac "
            "volumi volyymi kpl"
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
# Units of prices and volumes behind a name. A ticker in brackets names a column of that ticker.
_UNIT = re.compile(
    r"\s*[(\[](?:in\s+)?(?:[$€£¥₹₩]|p|pence|cents?|USD|EUR|GBP|GB[Xp]|JPY|CHF|CAD|AUD|HKD|CNY|INR"
    r"|KRW|[Ss]hares|[円元원株股주])[)\]]\s*$"
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
    unnumbered = re.sub(r"^\s*\d+[a-z]?\.\s", "", once.strip().casefold().replace("\u0131", "i"))
    letters = "".join(
        c for c in unicodedata.normalize("NFKD", unnumbered) if unicodedata.category(c) != "Mn"
    )
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", letters))


TIERS = {
    meaning: [tuple(map(normalize_name, tier.split())) for tier in tiers]
    for meaning, tiers in SPELLINGS.items()
}
KNOWN = {name for tiers in TIERS.values() for tier in tiers for name in tier}
PRICE_NAMES = {
    name: meaning for meaning in PRICE_COLUMNS for tier in TIERS[meaning] for name in tier
}
_IN_WIDE_TABLES = (*PRICE_COLUMNS, "adj_close", "volume", "dividend", "stock_splits")
# Names that a header row above or below the tickers may have.
LONG_NAMES = {
    name: meaning
    for meaning in _IN_WIDE_TABLES
    for tier in TIERS[meaning]
    for name in tier
    if len(name) > 1
}
# Names that one header combines with the tickers. More names would be ambiguous.
WIDE_NAMES = {name: meaning for meaning in _IN_WIDE_TABLES for name in TIERS[meaning][0]}
