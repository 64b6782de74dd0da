"""A sender that costs next to nothing: ready-made requests over kept-alive sockets, in one thread, by readiness."""

import selectors
import socket
import statistics
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came of sending: seconds in all, each answer's seconds, and how often each status came."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    heads: list[bytes] = field(default_factory=list)
    """The answers' status lines and headers."""

    @property
    def each(self) -> float:
        """Seconds of wall time for one request."""
        return self.seconds / len(self.latencies)

    @property
    def tail(self) -> float:
        """p99 by p50 of the latencies."""
        return statistics.quantiles(self.latencies, n=100)[98] / statistics.median(self.latencies)


def request(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def send(port: int, requests: Iterable[bytes], connections: int = 1) -> Load:
    """Send these requests over so many connections, each with one under way; wait for every answer."""
    waiting, load = deque(requests), Load()
    wait = selectors.DefaultSelector()
    for _ in range(min(connections, len(waiting))):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wait.register(one, selectors.EVENT_READ, _Answer())
    begun = time.perf_counter()
    for key in list(wait.get_map().values()):
        key.data.begin(key.fileobj, waiting)
    while wait.get_map():
        for key, _ in wait.select(60):
            answer: _Answer = key.data
            if not answer.take(key.fileobj.recv(1 << 20)):  # type: ignore[union-attr]
                continue
            load.latencies.append(time.perf_counter() - answer.begun)
            load.heads.append(answer.head)
            load.statuses[answer.status] = load.statuses.get(answer.status, 0) + 1
            if waiting:
                answer.begin(key.fileobj, waiting)
            else:
                wait.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
    load.seconds = time.perf_counter() - begun
    return load


class _Answer:
    """What has come of one answer so far."""

    def __init__(self) -> None:
        self.begun = 0.0
        self.status = 0
        self.head = b""
        self._read = b""

    def begin(self, connection: object, waiting: deque[bytes]) -> None:
        self._read, self.begun = b"", time.perf_counter()
        connection.sendall(waiting.popleft())  # type: ignore[attr-defined]

    def take(self, part: bytes) -> bool:
        """Whether the answer is complete."""
        if not part:
            raise ConnectionError("the server closed a connection in the middle of an answer")
        self._read += part
        self.head, found, body = self._read.partition(b"\r\n\r\n")
        if not found:
            return False
        self.status = int(self.head[9:12])
        if self.status in (204, 304):
            return True
        lengths = [line for line in self.head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return len(body) >= int(lengths[0].partition(b":")[2]) if lengths else body.endswith(b"0\r\n\r\n")
