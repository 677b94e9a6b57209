"""The Dagster client: queries of Dagster's schema, and failures of the server."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from dagster_graphql.schema import create_schema
from graphql import parse, validate

from serving.dagster_client import FIND_JOB, LAUNCH_RUN, DagsterClient
from serving.http.problems import Problem

FOUND = {
    "repositoriesOrError": {
        "__typename": "RepositoryConnection",
        "nodes": [
            {"name": "r", "location": {"name": "stockcast"}, "jobs": [{"name": "training_job"}]}
        ],
    }
}


@pytest.mark.parametrize("query", [FIND_JOB, LAUNCH_RUN], ids=["find", "launch"])
def test_the_queries_are_valid_in_the_schema_of_dagster(query: str) -> None:
    assert validate(create_schema().graphql_schema, parse(query)) == []


def launch(*responses: httpx.Response | Exception) -> object:
    waiting = list(responses)

    def respond(_: httpx.Request) -> httpx.Response:
        response = waiting.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    client = DagsterClient("http://dagster/", httpx.MockTransport(respond))
    return asyncio.run(client.launch("training_job", {}))


def data(content: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={"data": content})


@pytest.mark.parametrize(
    "response",
    [httpx.ConnectError("refused"), httpx.Response(500), httpx.Response(200, text="<html>")],
    ids=["down", "error", "no-json"],
)
def test_a_dagster_that_does_not_respond_is_a_503_with_the_way_out(
    response: httpx.Response | Exception,
) -> None:
    with pytest.raises(Problem, match="STOCKCAST_DAGSTER_URL") as caught:
        launch(response)
    assert (caught.value.status, caught.value.kind) == (503, "dagster-down")


def test_a_refused_run_states_the_reason_of_dagster() -> None:
    refusal = {"launchRun": {"__typename": "PythonError", "message": "no run launcher"}}
    with pytest.raises(Problem, match="PythonError: no run launcher") as caught:
        launch(data(FOUND), data(refusal))
    assert caught.value.status == 502
    with pytest.raises(Problem, match="Cannot query"):
        launch(httpx.Response(200, json={"errors": [{"message": "Cannot query field"}]}))
