"""Our errors in Dagster's words: permanent ones end the run at once, transient ones are retried."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from core.errors import PermanentError, TransientError

STOPPED = "Stopped. What was taken in is kept; the next run goes on from there."


@contextmanager
def classed_failures(*, may_retry: bool = True) -> Iterator[None]:
    """Turn a Stockcast error into a Dagster failure that says whether trying again can help.

    Without `may_retry` it is not tried again, whatever the error: somebody waits for the answer.
    """
    try:
        yield
    except PermanentError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except TransientError as error:
        raise dg.Failure(str(error), allow_retries=may_retry) from error


@contextmanager
def ended_when_stopped() -> Iterator[None]:
    """End a step that a person or a machine stops; Dagster would take that for a cause to retry."""
    try:
        yield
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as error:
        raise dg.Failure(STOPPED, allow_retries=False) from error
