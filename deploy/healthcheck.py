"""Check the health of a service of `docker-compose.yml`; the exit status is 0 if it is healthy.

Only the standard library is used: the images contain no curl, and both contain this file.
"""

import json
import sys
import urllib.request

TIMEOUT = 5.0
LOCATIONS = """
{ repositoriesOrError {
    __typename
    ... on RepositoryConnection { nodes { location { name } } }
    ... on PythonError { message }
} }
"""


def check_http(url: str) -> None:
    """Raise an error unless GET `url` succeeds."""
    with urllib.request.urlopen(url, timeout=TIMEOUT):
        return


def dagster_problem(url: str, name: str) -> str | None:
    """Return why Dagster at `url` has not loaded the code location `name`, or None.

    The web server returns every page even if a code location is broken, so the check uses GraphQL.
    """
    body = json.dumps({"query": LOCATIONS}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/graphql", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        result = json.load(response)["data"]["repositoriesOrError"]
    if result["__typename"] != "RepositoryConnection":
        return (
            f"Dagster cannot list its code locations: {result.get('message', result['__typename'])}"
        )
    loaded = [node["location"]["name"] for node in result["nodes"]]
    return None if name in loaded else f"code location {name!r} is not loaded; loaded: {loaded}"


def main(arguments: list[str]) -> int:
    """Run one check, selected by the arguments, and return the exit status."""
    problem = None
    try:
        match arguments:
            case ["http", url]:
                check_http(url)
            case ["dagster", url, location]:
                problem = dagster_problem(url, location)
            case _:
                problem = "usage: healthcheck.py http URL | dagster URL LOCATION"
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        sys.stderr.write(problem + "\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
