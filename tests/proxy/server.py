"""The proxy as a server: a port, threads, and the doors for tests."""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

from proxy.cypress import Cypress
from proxy.exchange import Exchange
from proxy.faults import Faults
from proxy.log import RequestLog
from proxy.master import Master
from proxy.security import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType

    from typing_extensions import Self

TOKEN = "test-token"
USER = "tester"


class Failures:
    """Keeps the exceptions of what runs under it: mistakes of the proxy, and what functions in `Run` raise."""

    def __init__(self) -> None:
        self.seen: list[Exception] = []

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self.seen.append(error)
        return True


class ProxyServer:
    """A proxy on a port of this machine.

    >>> with ProxyServer() as proxy:
    ...     client = YtClient(proxy.address, token=proxy.token)

    `tokens` maps tokens to users; without it there is one, `TOKEN`, of the user `USER`. `clock` gives seconds that only
    grow; leases of transactions run on it. With `lingering_uploads`, an upload that breaks off keeps its lock for 15
    seconds of that clock, unless the transaction around it ends; without, the lock goes with the connection.
    `missing_commands` are not known, as commands are that an older server does not have.
    """

    def __init__(
        self,
        *,
        tokens: dict[str, str] | None = None,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        serves_heavy: bool = True,
        lingering_uploads: bool = False,
        missing_commands: Collection[str] = (),
    ) -> None:
        self.tokens = Tokens({TOKEN: USER} if tokens is None else tokens)
        self.token = TOKEN if tokens is None else next(iter(tokens))
        self.log = RequestLog()
        self.faults = Faults()
        self.serves_heavy = serves_heavy
        self.missing_commands = frozenset(missing_commands)
        self.stopping = threading.Event()
        self.failures = Failures()
        self._directory = tempfile.TemporaryDirectory(prefix="test-proxy-")
        self.directory = self._directory.name
        """Where the contents of large files lie."""
        self.master = Master(self.directory, clock=clock)
        self.master.files.lingering = lingering_uploads
        self.cypress = Cypress(self.master)
        self._lock = threading.Lock()
        self._connections: dict[int, socket.socket] = {}
        self._threads: set[threading.Thread] = set()
        self._next_connection = 0
        self._reopen_at: float | None = None
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.settimeout(0)
        self._listener: socket.socket | None = _listen(port)
        self.port: int = self._listener.getsockname()[1]
        self.hosts: list[str] = [self.address]
        self._acceptor = threading.Thread(target=self._accept_loop, name=f"proxy-{self.port}", daemon=True)
        self._acceptor.start()

    @property
    def address(self) -> str:
        """`localhost:PORT`, as clients take it."""
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        """`http://localhost:PORT`."""
        return f"http://{self.address}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop: close the port and all connections, wait for the threads, remove the contents.

        Raises:
            RuntimeError: the proxy itself failed at a request, or a function of the test did.
        """
        if self.stopping.is_set():
            return
        self.stopping.set()
        self.faults.clear()
        self._wake()
        self._acceptor.join()
        self._close_connections()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()
        self._wake_sender.close()
        self._wake_receiver.close()
        self._directory.cleanup()
        if self.failures.seen:
            raise RuntimeError("the test proxy failed") from self.failures.seen[0]

    def refuse(self, seconds: float | None = None) -> None:
        """Close the port and every connection; listen again after so many seconds, or when `accept()` is called."""
        with self._lock:
            self._reopen_at = None if seconds is None else time.monotonic() + seconds
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        self._wake()
        self._close_connections()

    def accept(self) -> None:
        """Listen again."""
        with self._lock:
            if self._listener is None and not self.stopping.is_set():
                self._listener = _listen(self.port)
            self._reopen_at = None
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_sender.send(b"x")

    def _close_connections(self) -> None:
        with self._lock:
            connections = list(self._connections.values())
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept_loop(self) -> None:
        _trace_nothing()
        while not self.stopping.is_set():
            with self._lock:
                listener, reopen_at = self._listener, self._reopen_at
            if listener is None and reopen_at is not None and time.monotonic() >= reopen_at:
                self.accept()
                continue
            self._accept_one(listener, None if reopen_at is None else reopen_at - time.monotonic())
        with self._lock:
            if self._listener is not None:
                self._listener.close()
                self._listener = None

    def _accept_one(self, listener: socket.socket | None, timeout: float | None) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_receiver, selectors.EVENT_READ)
            if listener is not None:
                try:
                    selector.register(listener, selectors.EVENT_READ)
                except (ValueError, OSError):
                    return
            ready = [key.fileobj for key, _ in selector.select(timeout)]
        if self._wake_receiver in ready:
            with contextlib.suppress(BlockingIOError):
                self._wake_receiver.recv(1024)
        if listener is not None and listener in ready:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            self._serve(connection, address)

    def _serve(self, connection: socket.socket, address: object) -> None:
        connection.settimeout(None)
        with self._lock:
            index = self._next_connection
            self._next_connection += 1
            self._connections[index] = connection
            thread = threading.Thread(target=self._converse, args=(connection, address, index), daemon=True)
            self._threads.add(thread)
        thread.start()

    def _converse(self, connection: socket.socket, address: object, index: int) -> None:
        _trace_nothing()
        try:
            Exchange(connection, address, self, index)
        except (OSError, ValueError):
            pass  # The connection is gone.
        finally:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            with self._lock:
                del self._connections[index]
                self._threads.discard(threading.current_thread())


def _trace_nothing() -> None:
    """Have coverage leave this thread alone: nothing here is measured, and it would take longer than the requests."""
    sys.settrace(None)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener
