"""GET /: the web page, its files under /static, and GET /docs: the OpenAPI page.

Nothing is loaded from another host. The scripts and styles of Swagger UI on /docs are files of
BentoML. Its own page is not used, because it loads a tag manager.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from serving.http.openapi import TITLE

STATIC = Path(__file__).parents[1] / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A browser must not combine files of two versions of the service, so it asks for changes.
_FILE_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
_PAGE_HEADERS = {
    **_FILE_HEADERS,
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
}

# The table of `mimetypes` depends on the machine and on other libraries.
_MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

# Without `validatorUrl`, Swagger UI sends the address of the document to another host.
_SCRIPT = (
    'SwaggerUIBundle({url: "./docs.json", dom_id: "#swagger-ui", deepLinking: true,'
    " validatorUrl: null});"
)
_DOCS = f"""\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <title>{TITLE} API</title>
    <link rel="stylesheet" href="./static_content/swagger-ui.css">
    <link rel="icon" href="data:,">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="./static_content/swagger-ui-bundle.js"></script>
    <script>{_SCRIPT}</script>
  </body>
</html>
"""
_SCRIPT_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_DOCS_POLICY = (
    f"default-src 'self'; script-src 'self' 'sha256-{_SCRIPT_HASH}';"
    " style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)


async def get_page(_: Request) -> Response:
    """Return the web page. The browser refuses to load anything from another host."""
    return FileResponse(STATIC / "index.html", headers=_PAGE_HEADERS)


async def get_docs(_: Request) -> Response:
    """Return the OpenAPI page."""
    return HTMLResponse(_DOCS, headers={"Content-Security-Policy": _DOCS_POLICY})


class _PageFiles(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_FILE_HEADERS)
        if media_type := _MEDIA_TYPES.get(Path(path).suffix):
            response.headers["content-type"] = media_type
        return response


PAGES = (
    Route("/", get_page),
    Route("/docs", get_docs),
    Mount("/static", _PageFiles(directory=STATIC)),
)
