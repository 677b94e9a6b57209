"""Our errors in Dagster's words: permanent ones end the run at once, transient ones are retried."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from market.errors import PermanentError, TransientError


@contextmanager
def classed_failures() -> Iterator[None]:
    """Turn a Stockcast error into a Dagster failure that says whether trying again can help."""
    try:
        yield
    except PermanentError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except TransientError as error:
        raise dg.Failure(str(error), allow_retries=True) from error
