"""A code location with a job of the training's name that trains nothing."""

import dagster as dg


@dg.op
def record() -> None:
    """Do nothing."""


@dg.job
def training_job() -> None:
    """Run the op."""
    record()


defs = dg.Definitions(jobs=[training_job])
