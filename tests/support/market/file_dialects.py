"""The bars of `TRADED` in the dialects of several sources."""

from __future__ import annotations

from support.market.file_formats import TRADED


def dialect(
    header: str,
    dates: tuple[str, str, str] = ("2013-02-27", "2013-02-28", "2013-03-01"),
    row: str = "{date},{open},{high},{low},{close},{volume}",
    *,
    number: str = "{:.2f}",
    volume: str = "{}",
    marks: tuple[str, str] = (",", "."),
) -> str:
    """Return the bars of `TRADED` as text; `marks` are the thousands and the decimal mark."""

    def mark(text: str) -> str:
        return text.translate(str.maketrans({",": marks[0], ".": marks[1]}))

    lines = []
    for day, (_, *prices, shares) in zip(dates, TRADED, strict=True):
        texts = [mark(number.format(price)) for price in prices]
        values = dict(zip(("open", "high", "low", "close"), texts, strict=True))
        lines.append(row.format(date=day, volume=mark(volume.format(shares)), **values))
    return "\n".join([header, *lines]) + "\n"


ENGLISH = "Date,Open,High,Low,Close,Volume"
US_DATES = ("02/27/2013", "02/28/2013", "03/01/2013")
EU_DATES = ("27.02.2013", "28.02.2013", "01.03.2013")
SEMICOLONS = "{date};{open};{high};{low};{close};{volume}"
EUROPEAN = {"row": SEMICOLONS, "dates": EU_DATES, "number": "{:,.2f}", "marks": (".", ",")}
# The order of Nasdaq, Investing.com and MarketWatch: quoted, last price first.
INVESTING = '"{date}","{close}","{open}","{high}","{low}","{volume}","-0.71%"'
