"""Refuses connections to other machines: no test needs one, nor any command.

Python imports a file of this name as it starts, from a folder on PYTHONPATH; so the
children of a test refuse them too.
"""

import functools
import socket

HERE = ("localhost", "127.", "::1")


def is_here(host: object) -> bool:
    """Whether a host's name or address, None for any, is this machine's."""
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    return not name or name.startswith(HERE)


def _refuse(host: object) -> None:
    raise RuntimeError(f"a connection to {host} was asked for; tests need no network")


def _guarded(connect):
    @functools.wraps(connect)
    def guarded(self, address):
        if self.family != getattr(socket, "AF_UNIX", None) and not is_here(address[0]):
            _refuse(address[0])
        return connect(self, address)

    return guarded


def _guarded_lookup(lookup):
    @functools.wraps(lookup)
    def guarded(host, *arguments, **options):
        if not is_here(host):
            _refuse(host)
        return lookup(host, *arguments, **options)

    return guarded


for _name in ("connect", "connect_ex"):
    setattr(socket.socket, _name, _guarded(getattr(socket.socket, _name)))
socket.getaddrinfo = _guarded_lookup(socket.getaddrinfo)
