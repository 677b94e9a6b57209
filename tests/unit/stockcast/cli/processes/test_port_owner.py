"""The owner of a port: this process, a child in its session, or another process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from stockcast.cli.processes.port_owner import owns_port
from stockcast.cli.processes.service_process import free_port

LISTEN = """
import socket, subprocess, sys
if sys.argv[1] == "parent":
    sys.exit(subprocess.run([sys.executable, "-c", sys.argv[2], "child", sys.argv[2]]).returncode)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


def test_a_process_owns_the_port_that_it_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        assert owns_port(os.getpid(), port)
        assert not owns_port(os.getpid(), free_port())


def test_a_process_owns_the_port_of_a_child_in_its_session() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, "parent", LISTEN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())

        assert owns_port(process.pid, port)
        assert not owns_port(os.getpid(), port)
        process.communicate()
