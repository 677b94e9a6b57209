"""Ask a service of `docker-compose.yml` whether it does its work; leave with 0 when it does.

Standard library only: the images hold no curl, and this file is copied into both of them.
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


def answers(url: str) -> None:
    """Return quietly when GET `url` is answered with success; any other answer is an error."""
    with urllib.request.urlopen(url, timeout=TIMEOUT):
        return


def has_location(url: str, name: str) -> str | None:
    """Return why the Dagster at `url` has not loaded the code location `name`, or None.

    Its web server answers every page while a code location is broken, so the page is no proof.
    """
    body = json.dumps({"query": LOCATIONS}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/graphql", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        found = json.load(answer)["data"]["repositoriesOrError"]
    if found["__typename"] != "RepositoryConnection":
        return f"Dagster cannot list its code: {found.get('message', found['__typename'])}"
    loaded = [node["location"]["name"] for node in found["nodes"]]
    return None if name in loaded else f"code location {name!r} is not loaded; loaded are {loaded}"


def main(arguments: list[str]) -> int:
    """Run the check that the command line names."""
    problem = None
    try:
        match arguments:
            case ["http", url]:
                answers(url)
            case ["dagster", url, location]:
                problem = has_location(url, location)
            case _:
                problem = "usage: healthcheck.py http URL | dagster URL LOCATION"
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        sys.stderr.write(problem + "\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
