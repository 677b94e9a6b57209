"""Conversion of errors to Dagster failures: permanent errors end the run, transient ones retry."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from core.errors import PermanentError, TransientError

STOPPED = "Stopped. Ingested bars are kept; the next run continues from there."


@contextmanager
def classed_failures(*, may_retry: bool = True) -> Iterator[None]:
    """Raise a Stockcast error as a Dagster failure that allows a retry if it is transient.

    Without `may_retry`, no error is retried, for a run that a person waits for.
    """
    try:
        yield
    except PermanentError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except TransientError as error:
        raise dg.Failure(str(error), allow_retries=may_retry) from error


@contextmanager
def ended_when_stopped() -> Iterator[None]:
    """End an interrupted step without a retry, which Dagster would start otherwise."""
    try:
        yield
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as error:
        raise dg.Failure(STOPPED, allow_retries=False) from error
