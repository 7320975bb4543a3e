"""A port whose answers come a few bytes at a time, for longer than anybody should wait, and then end."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

PLACES = ("status", "headers", "body")
_BEGUN = {"status": b"", "headers": b"HTTP/1.1 200 OK\r\n", "body": b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"}
_DROP = {"status": b"H", "headers": b"X-Wait: y\r\n", "body": b" "}


@contextlib.contextmanager
def dripping_port(place: str) -> Iterator[int]:
    """The port, on loopback; `place` is where its answers drip: one of `PLACES`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, place), daemon=True).start()
        yield listening.getsockname()[1]


def _accept(listening: socket.socket, place: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=_drip, args=(listening.accept()[0], place), daemon=True).start()


def _drip(connection: socket.socket, place: str) -> None:
    with contextlib.suppress(OSError), connection:
        connection.recv(65536)
        connection.sendall(_BEGUN[place])
        for _ in range(60):
            connection.sendall(_DROP[place])
            time.sleep(0.02)
