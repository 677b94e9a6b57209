"""``python -m serving``: the forecast service in one process, run by uvicorn.

It sets the environment variables of BentoML before the import of BentoML.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from core.errors import PermanentError, SettingsError
from core.settings import load_settings
from serving.observability.log_format import configure_logging
from serving.observability.metric_files import METRICS_FOLDER, temporary_folder
from serving.settings import ServingSettings


def main() -> int:
    """Run the service until a signal stops it; return the exit code."""
    try:
        settings = load_settings(ServingSettings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logging(settings.log_format)
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    # At shutdown uvicorn raises the signal again. This handler lets the folder below be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        _check_address(settings.host, settings.port)
        with temporary_folder(settings.home / "serving") as folder:
            os.environ.setdefault("BENTOML_HOME", str(folder / "bentoml"))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder / METRICS_FOLDER)
            _serve(settings)
    except PermanentError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _check_address(host: str, port: int) -> None:
    """Raise a `PermanentError` unless the service can listen, before it loads anything."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        msg = (
            f"The service cannot listen on {host}:{port} ({error.strerror}); stop the other program"
            " or set STOCKCAST_HOST and STOCKCAST_PORT."
        )
        raise PermanentError(msg) from None


def _serve(settings: ServingSettings) -> None:
    import uvicorn  # noqa: PLC0415

    # BentoML reads its environment at import.
    from serving.server import DrainingServer  # noqa: PLC0415
    from serving.service import Stockcast, stop_being_ready  # noqa: PLC0415

    config = uvicorn.Config(
        Stockcast.to_asgi(),  # type: ignore[attr-defined]  # a BentoML service
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,  # its records go to our handler
        server_header=False,
        # Rate limits need the address of the caller behind a proxy; nothing else uses it.
        proxy_headers=settings.rate_limit > 0,
        log_level="warning",
    )
    DrainingServer(config, settings.drain_seconds, stop_being_ready).run()


if __name__ == "__main__":
    sys.exit(main())
