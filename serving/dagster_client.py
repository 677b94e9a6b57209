"""Start of Dagster jobs by GraphQL, without Dagster's packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from serving.http.problems import Problem

_SECONDS = 20.0
FIND_JOB = """
query FindJob {
  repositoriesOrError {
    __typename
    ... on RepositoryConnection { nodes { name location { name } jobs { name } } }
    ... on PythonError { message }
  }
}
"""
LAUNCH_RUN = """
mutation LaunchRun($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId status } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PresetNotFoundError { message }
    ... on ConflictingExecutionParamsError { message }
    ... on RunConflict { message }
    ... on UnauthorizedError { message }
    ... on InvalidSubsetError { message }
    ... on PipelineNotFoundError { message }
    ... on NoModeProvidedError { message }
  }
}
"""


@dataclass(frozen=True)
class LaunchedRun:
    """A run of a Dagster job."""

    run_id: str
    status: str
    url: str


class DagsterClient:
    """Client of one Dagster web server.

    Parameters
    ----------
    url
        Address of the web server.
    transport
        Replaces the network in tests.
    """

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._transport = transport

    async def launch(self, job: str, tags: Mapping[str, str]) -> LaunchedRun:
        """Start a run of `job` with these tags.

        Raises
        ------
        Problem
            If Dagster does not respond, does not know the job, or refuses the run.
        """
        async with httpx.AsyncClient(timeout=_SECONDS, transport=self._transport) as client:
            selector = await self._find(client, job)
            labels = [{"key": key, "value": value} for key, value in tags.items()]
            params = {
                "selector": selector,
                "runConfigData": {},
                "executionMetadata": {"tags": labels},
            }
            launched = (await self._send(client, LAUNCH_RUN, {"params": params}))["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            reason = f"{launched['__typename']}: {launched.get('message', '')}"
            raise _refused(reason)
        run = launched["run"]
        return LaunchedRun(run["runId"], run["status"], f"{self._url}/runs/{run['runId']}")

    async def _find(self, client: httpx.AsyncClient, job: str) -> dict[str, str]:
        """Return the selector of a job in the first code location that has it."""
        found = (await self._send(client, FIND_JOB, {}))["repositoriesOrError"]
        for repository in found.get("nodes", ()):
            if any(entry["name"] == job for entry in repository["jobs"]):
                return {
                    "repositoryLocationName": repository["location"]["name"],
                    "repositoryName": repository["name"],
                    "jobName": job,
                }
        raise _refused(found.get("message") or f"no code location has the job {job}.")

    async def _send(
        self, client: httpx.AsyncClient, query: str, variables: Mapping[str, Any]
    ) -> dict[str, Any]:
        try:
            response = await client.post(
                f"{self._url}/graphql", json={"query": query, "variables": variables}
            )
            response.raise_for_status()
            body = response.json()
        except (httpx.HTTPError, ValueError) as error:
            msg = (
                f"Dagster does not respond ({type(error).__name__}); start it with `stockcast up`,"
                " or correct STOCKCAST_DAGSTER_URL."
            )
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "dagster-down", msg) from error
        if body.get("errors"):
            raise _refused(str(body["errors"][0].get("message")))
        data: dict[str, Any] = body["data"]
        return data


def _refused(reason: str) -> Problem:
    msg = f"Dagster refused the run: {reason[:500]}"
    return Problem(HTTPStatus.BAD_GATEWAY, "dagster-refused", msg)
