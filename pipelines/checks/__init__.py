"""Asset checks of the stored bars, their quality, the features and the models."""

from pipelines.checks.bars import few_refused_rows
from pipelines.checks.models import coverage, no_leak, parity
from pipelines.checks.quality import bar_quality

__all__ = ["bar_quality", "coverage", "few_refused_rows", "no_leak", "parity"]
