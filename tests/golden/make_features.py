"""Write `features.csv`: every built-in feature at chosen bars, computed with its textbook formula.

The program is plain Python on lists of floats from the raw columns of the sample. It shares no code
with the features under test: no Polars, no TA-Lib, no `ta`, no rolling updates and no package of
Stockcast. Every mean is a new sum, and every recursion starts at the first bar of the ticker.

    python tests/golden/make_features.py
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from datetime import date
from importlib import import_module
from itertools import pairwise
from pathlib import Path

# After the fall of 2000, after the closure of September 2001, before a split, a special dividend,
# the crash of 2008, the flash crash, the last session.
BARS = [
    ("AAPL", "2001-04-02"),
    ("IBM", "2001-09-17"),
    ("AAPL", "2005-02-25"),
    ("MSFT", "2004-11-15"),
    ("GOOG", "2008-10-10"),
    ("IBM", "2010-05-06"),
    ("FB", "2013-03-01"),
]

Values = Sequence[float]


def mean(values: Values) -> float:
    return math.fsum(values) / len(values)


def ema(values: Values, span: int) -> list[float]:
    """Exponential mean that starts with the first value, weight 2 / (span + 1)."""
    smoothed = [values[0]]
    for value in values[1:]:
        smoothed.append(smoothed[-1] + (value - smoothed[-1]) * 2 / (span + 1))
    return smoothed


def wilder(values: Values, span: int) -> list[float]:
    """Wilder (1978): mean of the first `span` values, then weight 1 / span of each new value."""
    smoothed = [mean(values[:span])]
    for value in values[span:]:
        smoothed.append((smoothed[-1] * (span - 1) + value) / span)
    return smoothed


def features(prices: Sequence[Values], v: Values, day: date) -> dict[str, float]:
    o, h, low, c = prices
    r = [math.log(b / a) for a, b in pairwise(c)]
    out = {f"log_return_past_{n}": math.log(c[-1] / c[-1 - n]) for n in (1, 2, 5, 10, 21)}
    out["log_return_past_1_lag_1"] = math.log(c[-2] / c[-3])
    out["gap"] = math.log(o[-1] / c[-2])
    out |= {f"close_to_sma_{n}": c[-1] / mean(c[-n:]) - 1 for n in (5, 20, 50)}
    out["close_to_high_63"] = math.log(c[-1] / max(h[-63:]))
    out |= trend(h, low, c) | oscillators(h, low, c) | flows(c, v)

    log_range = [math.log(a / b) for a, b in zip(h, low, strict=True)]
    body = [math.log(b / a) for a, b in zip(o, c, strict=True)]
    for n in (1, 5, 21):
        squares = [x * x for x in log_range[-n:]]
        out[f"parkinson_{n}"] = math.sqrt(mean(squares) / (4 * math.log(2)))
    for n in (5, 21):
        pairs = zip(log_range[-n:], body[-n:], strict=True)
        terms = [x * x / 2 - (2 * math.log(2) - 1) * y * y for x, y in pairs]
        out[f"garman_klass_{n}"] = math.sqrt(mean(terms))
    for n in (5, 21, 63):
        out[f"abs_return_{n}"] = mean([abs(x) for x in r[-n:]])
    weights = [0.94**k for k in range(120)]
    weighted = [w * x * x for w, x in zip(weights, reversed(r), strict=False)]
    out["ewma_volatility"] = math.sqrt(math.fsum(weighted) / math.fsum(weights))
    out |= in_volatilities(prices, out["ewma_volatility"])
    out["weekday_sin"] = math.sin(2 * math.pi * day.isoweekday() / 7)
    out["weekday_cos"] = math.cos(2 * math.pi * day.isoweekday() / 7)
    return out


def in_volatilities(prices: Sequence[Values], s: float) -> dict[str, float]:
    """Corsi (2009) with Garman-Klass ranges and signed returns, in units of the volatility `s`."""
    o, h, low, c = prices
    r = [math.log(b / a) for a, b in pairwise(c)]
    gap = [math.log(b / a) for a, b in zip(c, o[1:], strict=False)]
    variance = []
    for day in range(1, len(c)):
        klass = math.log(h[day] / low[day]) ** 2 / 2
        klass -= (2 * math.log(2) - 1) * math.log(c[day] / o[day]) ** 2
        variance.append(gap[day - 1] ** 2 + max(klass, 0.0))

    def log_of(squares: Values, small: float = 0.02) -> float:
        return math.log(mean(squares) / s**2 + small) / 2

    out = {"log_ewma_volatility": math.log(s)}
    for n in (1, 2, 5, 10, 21, 63):
        out[f"scaled_realised_{n}"] = log_of(variance[-n:], 0.05 if n == 1 else 0.02)
    for n in (5, 21, 63):
        out[f"scaled_abs_return_{n}"] = math.log(mean([abs(x) for x in r[-n:]]) / s + 0.02)
        out[f"scaled_return_{n}"] = math.log(c[-1] / c[-1 - n]) / (s * math.sqrt(n))
    for n in (5, 21):
        out[f"scaled_fall_{n}"] = log_of([min(x, 0.0) ** 2 for x in r[-n:]])
    out["scaled_gap_21"] = log_of([x * x for x in gap[-21:]])
    out["scaled_shock"] = min(max(r[-1] / s, -4.0), 4.0)
    out["scaled_shock_down"] = min(out["scaled_shock"], 0.0)
    out["scaled_week_down"] = max(min(out["scaled_return_5"], 0.0), -4.0)
    out["scaled_drawdown_63"] = math.log(c[-1] / max(c[-63:])) / s
    return out


def trend(h: Values, low: Values, c: Values) -> dict[str, float]:
    macd = [a - b for a, b in zip(ema(c, 12), ema(c, 26), strict=True)]
    true_range, up, down = [], [], []
    for i in range(1, len(c)):
        true_range.append(max(h[i], c[i - 1]) - min(low[i], c[i - 1]))
        rise, fall = h[i] - h[i - 1], low[i - 1] - low[i]
        up.append(rise if rise > fall and rise > 0 else 0.0)
        down.append(fall if fall > rise and fall > 0 else 0.0)
    atr = wilder(true_range, 14)
    plus = [100 * a / b for a, b in zip(wilder(up, 14), atr, strict=True)]
    minus = [100 * a / b for a, b in zip(wilder(down, 14), atr, strict=True)]
    dx = [100 * abs(a - b) / (a + b) for a, b in zip(plus, minus, strict=True)]
    return {
        "macd": macd[-1] / c[-1],
        "macd_histogram": (macd[-1] - ema(macd, 9)[-1]) / c[-1],
        "adx_14": wilder(dx, 14)[-1] / 100,
        "directional_14": (plus[-1] - minus[-1]) / 100,
        "atr_14": atr[-1] / c[-1],
    }


def oscillators(h: Values, low: Values, c: Values) -> dict[str, float]:
    moves = [b - a for a, b in pairwise(c)]
    gain = wilder([max(m, 0.0) for m in moves], 14)[-1]
    loss = wilder([max(-m, 0.0) for m in moves], 14)[-1]
    rsi = 100 - 100 / (1 + gain / loss)
    sma = mean(c[-20:])
    deviation = math.sqrt(mean([(x - sma) ** 2 for x in c[-20:]]))
    highest, lowest = max(h[-14:]), min(low[-14:])
    typical = [sum(x) / 3 for x in zip(h[-20:], low[-20:], c[-20:], strict=True)]
    spread = mean([abs(x - mean(typical)) for x in typical])
    return {
        "rsi_14": rsi / 50 - 1,
        "bollinger_position_20": (c[-1] - sma) / (2 * deviation),
        "stochastic_14": 2 * (c[-1] - lowest) / (highest - lowest) - 1,
        "cci_20": (typical[-1] - mean(typical)) / (0.015 * spread) / 100,
    }


def flows(c: Values, v: Values) -> dict[str, float]:
    signs = [(b > a) - (b < a) for a, b in zip(c[-21:], c[-20:], strict=False)]
    flow = math.fsum(s * x for s, x in zip(signs, v[-20:], strict=True))
    week, month, quarter = mean(v[-5:]), mean(v[-20:]), mean(v[-50:])
    return {
        "obv_flow_20": flow / math.fsum(v[-20:]),
        "volume_ratio_20": (v[-1] - month) / (v[-1] + month),
        "volume_trend_5_50": (week - quarter) / (week + quarter),
    }


def main() -> None:
    stocks = import_module("bokeh_sampledata.stocks")
    with (Path(__file__).parent / "features.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["ticker", "session", "feature", "value"])
        for ticker, session in BARS:
            raw = getattr(stocks, ticker)
            n = list(raw["date"]).index(session) + 1
            factor = [a / c for a, c in zip(raw["adj_close"][:n], raw["close"][:n], strict=True)]
            prices = [
                [p * f for p, f in zip(raw[column][:n], factor, strict=True)]
                for column in ("open", "high", "low", "close")
            ]
            # There is no split in the 50 sessions before any chosen bar.
            volume = [float(x) for x in raw["volume"][:n]]
            for name, value in features(prices, volume, date.fromisoformat(session)).items():
                writer.writerow([ticker, session, name, f"{value:.12g}"])


if __name__ == "__main__":
    main()
