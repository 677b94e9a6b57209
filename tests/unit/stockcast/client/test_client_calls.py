"""Requests of the client: paths, queries and bodies; the light import; the cache of tags."""

from __future__ import annotations

import inspect
import subprocess
import sys

from stockcast.client.async_operations import AsyncOperations
from stockcast.client.calls import Call
from stockcast.client.exchange import EtagCache
from stockcast.client.models import BatchForecasts, Job, PredictRequest
from stockcast.client.operations import Operations


def test_the_parts_of_a_path_are_quoted() -> None:
    call = Call("GET", "/predict/{ticker}", (Job,), parts={"ticker": "../BRK B?x"})
    assert call.url == "/predict/..%2FBRK%20B%3Fx"


def test_parameters_without_a_value_are_not_sent() -> None:
    call = Call("GET", "/x", (Job,), query={"a": None, "b": True, "c": 3})
    assert call.params == {"b": "true", "c": "3"}


def test_fields_of_a_body_that_are_not_set_are_not_sent() -> None:
    call = Call("POST", "/predict", (Job,), body=PredictRequest(ticker="AAPL"))
    assert call.content == b'{"ticker":"AAPL"}'


def test_a_response_of_several_types_is_parsed_as_the_one_that_fits() -> None:
    call = Call[BatchForecasts | Job]("POST", "/predict/batch", (BatchForecasts, Job))
    batch = b'{"horizon":"1d","count":0,"failed":0,"forecasts":[],"problems":[]}'
    assert isinstance(call.parse(batch), BatchForecasts)
    times = b'"created_at":"2026-11-25T12:00:00Z","expires_at":"2026-11-25T13:00:00Z"'
    job = b'{"id":"a","status":"running",%b,"result":null,"problem":null}' % times
    assert isinstance(call.parse(job), Job)


def test_both_clients_have_the_same_methods() -> None:
    def signatures(owner: type) -> dict[str, str]:
        methods = inspect.getmembers(owner, inspect.isfunction)
        return {name: str(inspect.signature(method)) for name, method in methods}

    assert signatures(Operations) == signatures(AsyncOperations)


def test_the_cache_forgets_the_response_that_was_not_used_for_the_longest_time() -> None:
    cache = EtagCache(max_entries=2)
    for name in ("a", "b"):
        cache.put(name, name, b"")
    cache.get("a")
    cache.put("c", "c", b"")
    assert [cache.get(name) is not None for name in ("a", "b", "c")] == [True, False, True]


def test_the_import_of_the_client_loads_no_other_package() -> None:
    program = (
        "import sys, stockcast.client, stockcast.client.models\n"
        "heavy = {'core', 'market', 'forecasting', 'registry', 'serving', 'pipelines', 'numpy',"
        " 'polars', 'pandas', 'bentoml', 'dagster', 'typer'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
