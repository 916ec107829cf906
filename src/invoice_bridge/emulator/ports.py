"""Open a port, with one clear sentence if it cannot be used."""

from __future__ import annotations

import errno
import os
import socket

from invoice_bridge.core.errors import ConfigurationError

_LAST_PORT = 65535


def listen(host: str, port: int) -> socket.socket:
    """Open a port; 0 takes a free one. Raises ConfigurationError if it cannot be used."""
    if not 0 <= port <= _LAST_PORT:
        raise ConfigurationError(f"{port} is not a port: choose a number from 0 to {_LAST_PORT}")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if (error.errno or 0) < 0:  # of getaddrinfo(3): none of errno
            raise ConfigurationError(f"{host} is no address of this machine: choose another host") from None
        why = "it is already in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
        raise ConfigurationError(f"port {port} of {host} cannot be used: {why}; choose another port") from None


def url_of(listener: socket.socket) -> str:
    """Return the URL of an open port."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
