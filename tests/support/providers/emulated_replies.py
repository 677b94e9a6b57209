"""HTTP responses of emulated providers, and the faults that all of them share."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

Status = Literal[
    "status_302",
    "status_403",
    "status_404",
    "status_429",
    "status_500",
    "status_503",
]
_PIECES = 20
# Faults with a valid text: they concern the transfer or the symbol.
_VALID_TEXT = {None, "slow", "drip", "cut_body", "other_symbol"}


@dataclass(frozen=True)
class Reply:
    """One response. `fault` is applied during the transfer."""

    text: str
    status: int = 200
    fault: str | None = None

    def send(
        self,
        handler: BaseHTTPRequestHandler,
        headers: Mapping[str, str],
        *,
        slow_seconds: float,
        stopping: threading.Event,
    ) -> None:
        if self.fault == "slow":
            stopping.wait(slow_seconds)
        content = self.text.encode()
        handler.send_response(self.status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if self.fault == "cut_body":
            content = content[: len(content) // 2]
        if self.fault == "drip":
            for at in range(_PIECES):
                handler.wfile.write(content[at::_PIECES][:1])
                if stopping.wait(slow_seconds / _PIECES):
                    return
        else:
            handler.wfile.write(content)


def spoilt(
    fault: str | None, body: dict[str, Any], own: Mapping[str, Callable[[], str]], *, page: str
) -> Reply:
    """Apply a fault to a response. `own` has the texts of a provider by fault, `page` its HTML."""
    if fault in _VALID_TEXT:
        return Reply(json.dumps(body), fault=fault)
    if fault.startswith("status_"):
        return Reply(page, int(fault[-3:]))
    if fault == "cut_text":
        text = json.dumps(body)
        return Reply(text[: len(text) // 2])
    return Reply(own[fault]())
