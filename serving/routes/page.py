"""GET /: the OpenAPI page. It loads nothing from another host.

It replaces the page of BentoML, which loads a tag manager. The scripts and styles of Swagger UI are
files of BentoML.
"""

from __future__ import annotations

import base64
import hashlib

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from serving.http.openapi import TITLE

# Without `validatorUrl`, Swagger UI sends the address of the document to another host.
_SCRIPT = (
    'SwaggerUIBundle({url: "./docs.json", dom_id: "#swagger-ui", deepLinking: true,'
    " validatorUrl: null});"
)
_PAGE = f"""\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <title>{TITLE}</title>
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
_POLICY = (
    f"default-src 'self'; script-src 'self' 'sha256-{_SCRIPT_HASH}';"
    " style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)


async def get_page(_: Request) -> Response:
    """Return the page. The browser refuses to load anything from another host."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})
