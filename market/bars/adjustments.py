"""Splits and dividends: bars as traded -> adjusted bars, whose returns are what a holder earned.

Nothing here reads or stores bars, or judges whether they are good.
"""

from __future__ import annotations

import polars as pl

from market.bars.contract import PRICES

# The smallest split: 5 for 4 is 1.25, and `adj_close` with few digits blurs that a little. The
# largest ordinary special dividends, such as 10 % for MSFT on 2004-11-15, stay well below.
SMALLEST_SPLIT = 1.24


def adjust_bars(bars: pl.DataFrame) -> pl.DataFrame:
    r"""Return prices adjusted for splits and dividends, and volume adjusted for splits alone.

    Prices are multiplied by the adjustment factor :math:`f_t` of their session and ticker:
    ``adj_close / close`` where `adj_close` is known. Where it is not, the factor follows from its
    neighbour (the next known one, else the last) through the events between, and from the events
    alone, starting at 1 at the last session, when `adj_close` is null throughout:

    .. math:: f_{t-1} = f_t \frac{1}{s_t} \frac{c_t}{c_t + d_t}

    with split factor :math:`s_t`, dividend :math:`d_t` and close as traded :math:`c_t`, so that
    returns are total returns with dividends reinvested at the close [1]_;
    an unknown event counts as none.

    Volume is multiplied by the splits of all later sessions. A split is `split_factor` where known;
    otherwise it is inferred where ``close / adj_close`` falls by a factor of `SMALLEST_SPLIT` or
    more from one session to the next, or rises by as much (a reverse split). So a split
    smaller than 5 for 4 is missed, a dividend of a fifth of the price is taken for one, and
    `adj_close` rounded to a few digits of a tiny price can look like one. Files whose prices are
    adjusted for splits already, such as Yahoo's, have no such jump and keep their volume.

    The factors rest on events after a session, known only later. They scale whole stretches,
    so returns and ratios within one ticker are what was known then; levels are not.

    Parameters
    ----------
    bars
        Validated bars, sorted by ticker and session.

    Returns
    -------
    pl.DataFrame
        `ticker`, `session`, `open`, `high`, `low`, `close` and `volume` (Float64), same key and
        order as `bars`, without nulls.

    References
    ----------
    .. [1] Center for Research in Security Prices, holding period total return. The `adj_close` of
       the sample follows it to the last digit.
    """
    factor = pl.col("adj_close") / pl.col("close")
    paid = pl.col("close") / (pl.col("close") + pl.col("dividend").fill_null(0.0))
    event = paid / pl.col("split_factor").fill_null(1.0)
    split = pl.coalesce("split_factor", inferred_split(factor), 1.0)
    columns = bars.with_columns(
        _product_of_later(event).over("ticker").alias("__events__"),
        _product_of_later(split).over("ticker").alias("__splits__"),
    ).with_columns(
        (factor / pl.col("__events__"))
        .fill_null(strategy="backward")
        .fill_null(strategy="forward")
        .fill_null(1.0)
        .over("ticker")
        .alias("__anchor__")
    )
    adjustment = factor.fill_null(pl.col("__events__") * pl.col("__anchor__"))
    return columns.select(
        "ticker",
        "session",
        *(pl.col(name) * adjustment for name in PRICES),
        pl.col("volume") * pl.col("__splits__"),
    )


def inferred_split(factor: pl.Expr) -> pl.Expr:
    """Return the split that ``adj_close / close`` shows by its jump; see `adjust_bars`.

    1 where there is none, null where the factor of the session or of the one before is not known.
    """
    jump = factor / factor.shift(1)
    is_split = (jump >= SMALLEST_SPLIT) | (jump <= 1 / SMALLEST_SPLIT)
    return pl.when(is_split).then(jump).when(jump.is_not_null()).then(1.0)


def _product_of_later(value: pl.Expr) -> pl.Expr:
    """Return the product over all later sessions, 1 at the last one."""
    return value.shift(-1, fill_value=1.0).cum_prod(reverse=True)
