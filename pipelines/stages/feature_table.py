"""The `feature_table` stage: bars, adjusted bars and features of the followed tickers."""

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import ClassVar

import polars as pl

from core.errors import BarsError
from forecasting.features.feature_set import FeatureSet, compute_features
from market.bars.adjustments import adjust_bars
from market.quality.holes import bars_after_holes
from market.quality.report import unusable_tickers
from pipelines.stages.store import StageReader


class FeatureTable(StageReader):
    """A finished feature table."""

    NAME: ClassVar[str] = "feature_table"

    @property
    def bars(self) -> pl.DataFrame:
        """Bars as traded."""
        return self.stage.frame("bars")

    @property
    def adjusted(self) -> pl.DataFrame:
        """Bars adjusted for splits and dividends."""
        return self.stage.frame("adjusted")

    @property
    def features(self) -> pl.DataFrame:
        """Key ``(ticker, session)`` and one column a feature."""
        return self.stage.frame("features")

    @property
    def lookback(self) -> int:
        """The number of sessions in a window."""
        return int(self.stage.document("lookback"))

    @property
    def data_fingerprint(self) -> str:
        """The bar store's fingerprint of the bars."""
        return str(self.stage.document("data_fingerprint"))

    @property
    def left_out(self) -> dict[str, str]:
        """Tickers that are left out because of their bars, with the reason."""
        return dict(self.stage.document("left_out"))

    @property
    def shortened(self) -> dict[str, str]:
        """Tickers of which older bars are not used because of a long hole, with the reason."""
        return dict(self.stage.document("shortened"))


def build_feature_table(
    folder: Path,
    *,
    read_bars: Callable[[], pl.DataFrame],
    features: FeatureSet,
    lookback: int,
    data_fingerprint: str,
    real_moves: Collection[str] = (),
    faulty: Mapping[str, str] | None = None,
) -> None:
    """Compute the features of every ticker with usable bars, and write the stage into `folder`.

    Parameters
    ----------
    real_moves
        Confirmed moves, see `market.quality.report.unusable_tickers`.
    faulty
        Tickers for which no features can be computed, with the reasons.
    """
    bars, shortened = bars_after_holes(read_bars())
    bars, left_out = _usable_bars(bars, real_moves)
    adjusted = adjust_bars(bars)
    bars.write_parquet(folder / "bars.parquet")
    adjusted.write_parquet(folder / "adjusted.parquet")
    compute_features(adjusted, features).write_parquet(folder / "features.parquet")
    documents = {
        "data_fingerprint": data_fingerprint,
        "lookback": lookback,
        "left_out": {**(faulty or {}), **left_out},
        "shortened": shortened,
    }
    for name, content in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def _usable_bars(
    bars: pl.DataFrame, real_moves: Collection[str]
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return the bars of tickers that features may be made from, and why others are left out."""
    left_out = unusable_tickers(bars, real_moves)
    usable = bars.filter(~pl.col("ticker").is_in(list(left_out)))
    if usable.is_empty():
        msg = "\n".join(f"{ticker}: {reason}" for ticker, reason in left_out.items())
        raise BarsError(msg)
    return usable, left_out
