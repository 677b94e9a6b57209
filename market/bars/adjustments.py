"""Adjustment of bars for splits and dividends.

`market.bars.corporate_actions` writes events into bars; `market.bars.contract` validates bars.
"""

from __future__ import annotations

import polars as pl

from market.bars.contract import PRICES

# The smallest split: 5 for 4 is 1.25, and `adj_close` with few digits blurs that a little. The
# largest ordinary special dividends, such as 10 % for MSFT on 2004-11-15, stay well below.
SMALLEST_SPLIT = 1.24


def adjust_bars(bars: pl.DataFrame) -> pl.DataFrame:
    r"""Adjust prices for splits and dividends, and volume for splits.

    Prices are multiplied by the adjustment factor :math:`f_t` of their session and ticker. Where
    `adj_close` is known, :math:`f_t` is ``adj_close / close``. Elsewhere it follows from the
    nearest known factor (the next one, or else the previous one) through the events in between,
    starting at 1 at the last session if `adj_close` is null throughout:

    .. math:: f_{t-1} = f_t \frac{1}{s_t} \frac{c_t}{c_t + d_t}

    with split factor :math:`s_t`, dividend :math:`d_t` and close as traded :math:`c_t`. Returns of
    adjusted closes are therefore total returns with dividends reinvested at the close [1]_.

    Volume is multiplied by the split factors of all later sessions. A missing `split_factor` is
    inferred from ``adj_close / close``, see `infer_split`.

    The factors depend on later events, which are unknown at the cutoff. They scale whole
    stretches of history, so returns and ratios within one ticker are free of look-ahead. Levels
    are not.

    Parameters
    ----------
    bars
        Validated bars, sorted by ticker and session. A null `split_factor` that cannot be
        inferred counts as 1, a null `dividend` as 0.

    Returns
    -------
    pl.DataFrame
        `ticker`, `session`, `open`, `high`, `low`, `close` and `volume` (Float64), with the keys
        and the order of `bars`, and without nulls.

    References
    ----------
    .. [1] Center for Research in Security Prices, holding period total return. The `adj_close` of
       the sample matches it to the last digit.
    """
    return _with_factors(bars).select(
        "ticker",
        "session",
        *(pl.col(name) * pl.col("__factor__") for name in PRICES),
        pl.col("volume") * pl.col("__splits__"),
    )


def infer_split(factor: pl.Expr) -> pl.Expr:
    """Return the split factor that a jump of ``adj_close / close`` indicates.

    A split is inferred where the factor rises or falls by `SMALLEST_SPLIT` or more from one
    session to the next. Smaller splits are missed, and a dividend of a fifth of the price, or an
    `adj_close` with few digits, can be mistaken for a split. Prices that are already adjusted for
    splits, such as Yahoo's, have no such jump.

    Parameters
    ----------
    factor
        ``adj_close / close`` of one ticker, in session order.

    Returns
    -------
    pl.Expr
        The split factor, 1 without a split, null if the factor of the session or of the previous
        session is null.
    """
    jump = factor / factor.shift(1)
    is_split = (jump >= SMALLEST_SPLIT) | (jump <= 1 / SMALLEST_SPLIT)
    return pl.when(is_split).then(jump).when(jump.is_not_null()).then(1.0)


def _with_factors(bars: pl.DataFrame) -> pl.DataFrame:
    """Add the price factor (`__factor__`) and the volume factor (`__splits__`) of each bar."""
    factor = pl.col("adj_close") / pl.col("close")
    paid = pl.col("close") / (pl.col("close") + pl.col("dividend").fill_null(0.0))
    event = paid / pl.col("split_factor").fill_null(1.0)
    split = pl.coalesce("split_factor", infer_split(factor), 1.0)
    # The quotient of a known factor and the events after it is constant between known factors.
    scale = (
        (factor / pl.col("__events__"))
        .fill_null(strategy="backward")
        .fill_null(strategy="forward")
        .fill_null(1.0)
        .over("ticker")
    )
    return (
        bars.with_columns(
            _product_of_later(event).over("ticker").alias("__events__"),
            _product_of_later(split).over("ticker").alias("__splits__"),
        )
        .with_columns(scale.alias("__scale__"))
        .with_columns(
            factor.fill_null(pl.col("__events__") * pl.col("__scale__")).alias("__factor__")
        )
    )


def _product_of_later(value: pl.Expr) -> pl.Expr:
    """Return the product over all later sessions, which is 1 at the last session."""
    return value.shift(-1, fill_value=1.0).cum_prod(reverse=True)
