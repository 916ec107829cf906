"""Servers that answer with exactly these bytes in exactly these pieces, plain or behind TLS; certificates made now."""

import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

PAUSE = 0.001
"""Seconds between two pieces, so that a client reads them apart."""
Pieces = Callable[[int], Iterable[bytes]]
"""What the request of this number (from 1) is answered with; an empty piece closes the connection."""


def openssl(*words: str | Path) -> None:
    """Run the program openssl."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl on this machine to make a certificate with")
    subprocess.run([program, *words], check=True, capture_output=True, timeout=60)


class Authority:
    """A certificate authority that nobody knows; `certificate` signs for a name."""

    _KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "authority.pem"
        self._key = folder / "authority.key"
        use = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
        made = ("-subj", "/CN=an authority of a test", *use, "-keyout", self._key, "-out", self.file)
        openssl("req", "-x509", *self._KEY, "-days", "2", *made)

    def certificate(self, name: str, days: int = 2) -> ssl.SSLContext:
        """The context of a server for a name such as IP:127.0.0.1, valid for so many days from now."""
        key, asked, names, made = (self.folder / f"leaf.{kind}" for kind in ("key", "csr", "txt", "pem"))
        names.write_text(f"subjectAltName={name}\n", encoding="ascii")
        openssl("req", *self._KEY, "-subj", "/CN=a server of a test", "-keyout", key, "-out", asked)
        signed = ("-CA", self.file, "-CAkey", self._key, "-CAcreateserial", "-days", str(days))
        openssl("x509", "-req", "-in", asked, *signed, "-extfile", names, "-out", made)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made, key)
        return context


def whole_request(connection: socket.socket) -> bytes:
    """A head, and the body that its length announces, in however many pieces they come."""
    head = b""
    while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
        head += piece
    length = re.search(rb"content-length: (\d+)", head.lower())
    wanted = head.find(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    while len(head) < wanted and (piece := connection.recv(65536)):
        head += piece
    return head


class Listening:
    """What accepts connections on a free port and serves each in a thread; `serve` is the subclass's."""

    scheme = "http"

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.opened = 0
        self.connections: list[socket.socket] = []
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"{self.scheme}://127.0.0.1:{self.listening.getsockname()[1]}"

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                self.opened += 1
                self.connections.append(connection)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve while the block runs."""
        thread = threading.Thread(target=self.accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            for each in (self.listening, *self.connections):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            thread.join(2)


class Raw(Listening):
    """A server that answers in pieces, plain or behind TLS."""

    def __init__(self, pieces: Pieces, tls: ssl.SSLContext | None) -> None:
        self.pieces, self.tls = pieces, tls
        self.scheme = "https" if tls else "http"
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(10)
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            while head := whole_request(connection):
                self.heads.append(head)
                for piece in self.pieces(len(self.heads)):
                    if not piece:
                        with suppress(OSError):
                            connection.shutdown(socket.SHUT_RDWR)
                        return connection.close()
                    connection.sendall(piece)
                    time.sleep(PAUSE)
        connection.close()
        return None


@contextmanager
def raw(pieces: Pieces, tls: ssl.SSLContext | None = None) -> Iterator[Raw]:
    """Serve while the block runs."""
    with Raw(pieces, tls).running() as made:
        yield made
