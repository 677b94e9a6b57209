"""Which process listens on a port, from Linux's tables of sockets and of open files."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"


def owns_port(process_id: int, port: int) -> bool:
    """Return whether a process, or another one of its session, listens on a TCP port."""
    sockets = {f"socket:[{inode}]" for inode in _listening_sockets(port)}
    return any(
        not sockets.isdisjoint(_open_files(int(entry.name)))
        for entry in _PROC.iterdir()
        if entry.name.isdecimal() and _belongs(int(entry.name), process_id)
    )


def _listening_sockets(port: int) -> Iterator[str]:
    """Yield the inodes of the sockets that listen on `port`, of any address."""
    for table in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):  # a kernel without IPv6
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                _, address, _, state, *_, inode = line.split()[:10]
                if state == _LISTENING and int(address.rpartition(":")[2], 16) == port:
                    yield inode


def _belongs(process_id: int, leader: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):
        return process_id == leader or os.getsid(process_id) == leader
    return False


def _open_files(process_id: int) -> Iterator[str]:
    with suppress(OSError):  # it has ended, or belongs to another user
        for file in (_PROC / str(process_id) / "fd").iterdir():
            with suppress(FileNotFoundError):
                yield str(file.readlink())
