"""The training bars of a bundle as an MLflow dataset: name, digest, columns and extent.

The dataset contains the fingerprint of the bar store, but no bars.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

# Limit of MLflow for a digest.
DIGEST_LENGTH = 36
KINDS = {pl.String: "string", pl.Float64: "double", pl.Int64: "long", pl.Date: "datetime"}


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training bars with the name of their source and the fingerprint of the bar store."""

    name: str
    fingerprint: str
    bars: pl.DataFrame

    @property
    def rows(self) -> int:
        """The number of bars."""
        return self.bars.height

    def as_input(self) -> DatasetInput:
        """Return the dataset as input of an MLflow run."""
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415  takes seconds

        columns = [
            {"name": name, "type": KINDS.get(kind.base_type(), "string"), "required": True}
            for name, kind in self.bars.schema.items()
        ]
        dataset = Dataset(
            name=self.name,
            digest=self.fingerprint[:DIGEST_LENGTH],
            source_type="stockcast",
            source=json.dumps({"fingerprint": self.fingerprint}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps(self._extent()),
        )
        return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])

    def _extent(self) -> dict[str, object]:
        extent: dict[str, object] = {
            "num_rows": self.rows,
            "num_elements": self.rows * self.bars.width,
        }
        if {"ticker", "session"} <= set(self.bars.columns) and self.rows:
            first, last = self.bars.select(
                first=pl.col("session").min(), last=pl.col("session").max()
            ).row(0)
            extent |= {
                "tickers": self.bars["ticker"].n_unique(),
                "first": f"{first}",
                "last": f"{last}",
            }
        return extent
