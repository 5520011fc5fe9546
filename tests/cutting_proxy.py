"""A TCP proxy that breaks connections off, as networks do."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_BLOCK = 1 << 16
_POLL_SECONDS = 0.05
# SO_LINGER of no seconds: closing resets the connection.
_RESET = struct.pack("ii", 1, 0)


@dataclass
class CuttingProxy:
    """`url` leads to another server. Of the connections on which bytes move once `cut_upload_after` or
    `cut_download_after` are set, the first `cuts` are reset after so many bytes in that direction."""

    url: str
    cut_upload_after: int | None = None
    cut_download_after: int | None = None
    cuts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def cuts_now(self, uploaded: int, downloaded: int) -> bool:
        """Whether a connection that has carried so much is to be reset; counts it."""
        with self.lock:
            is_due = self.cuts > 0 and (
                (self.cut_upload_after is not None and uploaded > self.cut_upload_after)
                or (self.cut_download_after is not None and downloaded > self.cut_download_after)
            )
            self.cuts -= is_due
            return is_due


@contextmanager
def cutting_proxy(target: str) -> Iterator[CuttingProxy]:
    """A proxy of the HTTP server at the URL `target`, while the block runs."""
    url = urlsplit(target)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_POLL_SECONDS)
        proxy = CuttingProxy(f"http://127.0.0.1:{listener.getsockname()[1]}")
        threads: list[threading.Thread] = []

        def accept() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    client, _ = listener.accept()
                    thread = threading.Thread(
                        target=_carry, args=(proxy, client, (url.hostname, url.port), over)
                    )
                    threads.append(thread)
                    thread.start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield proxy
        finally:
            over.set()
            accepting.join()
            for thread in threads:
                thread.join()


def _carry(
    proxy: CuttingProxy, client: socket.socket, target: tuple[str | None, int | None], over: threading.Event
) -> None:
    carried = {True: 0, False: 0}
    with (
        client,
        socket.create_connection(target) as server,
        selectors.DefaultSelector() as ready,
        suppress(OSError),
    ):
        client.settimeout(10)
        ready.register(client, selectors.EVENT_READ)
        ready.register(server, selectors.EVENT_READ)
        while not over.is_set():
            for key, _ in ready.select(_POLL_SECONDS):
                is_upload = key.fileobj is client
                block = key.fileobj.recv(_BLOCK)
                if not block:
                    return
                carried[is_upload] += len(block)
                if proxy.cuts_now(carried[True], carried[False]):
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    return
                (server if is_upload else client).sendall(block)
