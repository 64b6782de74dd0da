"""Webhook ingest over real sockets: our whole road against a bare route that writes the very same rows by plain SQL."""

import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bench import postgres
from bench.load import Load, request, send
from bench.measuring import MOMENT, ROUNDS, Figure, company, in_folder
from leaderboard.config import Config, read
from leaderboard.database import Database
from leaderboard.ledger import post
from leaderboard.plugin import Event

SECRET = "whsec_" + base64.b64encode(b"only for measuring, thirty-two!!").decode()
CONFIG = """
[server]
port = {port}
processes = {processes}
secret_key = "only for measuring, thirty-two signs"
log_level = "error"
[database]
url = "{url}"
[fair_play]
points_per_week = 100000
points_per_witness_and_week = 100000
[plugins.bench]
module = "standard"
secret = "{secret}"
"""
PEOPLE = 20


@dataclass
class Server:
    """`bench.served:app` by the server that `leaderboard run` starts, on a free port, over a database that is there."""

    folder: Path
    url: str
    bare: str = ""
    """The bare route's own copy of the database."""
    processes: int = 1
    more: str = ""
    port: int = field(default_factory=lambda: _free_port())

    @property
    def file(self) -> Path:
        return self.folder / "leaderboard.toml"

    @property
    def config(self) -> Config:
        return read(self.file.read_text())

    @contextmanager
    def running(self) -> Iterator["Server"]:
        """Serve until the end of the block."""
        text = CONFIG.format(port=self.port, processes=self.processes, url=self.url, secret=SECRET)
        self.file.write_text(text + self.more)
        known = {"LEADERBOARD_CONFIG": str(self.file), "BENCH_SECRET": SECRET}
        known["BENCH_BARE"] = self.bare
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "bench.served:app"]
        command += ["--port", str(self.port), "--workers", str(self.processes)]
        command += ["--blocking-threads", str(self.config.server.threads), "--log-level", "error", "--no-ws"]
        process = subprocess.Popen(command, env=os.environ | known, start_new_session=True)
        try:
            self._wait(process)
            yield self
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        patience = time.monotonic() + 60
        while time.monotonic() < patience and process.poll() is None:
            try:
                if send(self.port, [request("GET", "/healthz")]).statuses:
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server that is to be measured did not start")


def ingest(folder: Path, url: str | None = None, processes: int = 1, more: str = "") -> list[Figure]:
    """Deliveries by the second against the bare route, with 1, 16 and 64 connections; and how even the answers are."""
    folder.mkdir(parents=True, exist_ok=True)
    own = url or in_folder(folder / "own")
    known = Database(own)
    is_new = known.is_new()
    known.dispose()
    if is_new:
        db, _ = company(own, PEOPLE)
        who = [Event(f"first/{n}", "ticket.solved", MOMENT, (f"p{n}@example.com",)) for n in range(PEOPLE)]
        db.write(lambda session: post(session, "bench", who, MOMENT))  # from now on the accounts are known
        db.dispose()
    bare = folder / "bare.db" if url is None else postgres.copy_of(url)
    if url is None:
        shutil.copy(folder / "own" / "bench.db", folder / "bare.db")
    numbers, figures = count(time.time_ns()), []
    roads = ("/hooks/bench", "/bare/rows", "/bare/row")
    with Server(folder, own, str(bare), processes, more=more).running() as server:
        for path in roads:
            send(server.port, [signed(path, next(numbers)) for _ in range(50)], 4)
        for connections, amount in ((1, 150), (16, 400), (64, 600)):
            found: dict[str, list[Load]] = {path: [] for path in roads}
            for _ in range(ROUNDS):
                for path in roads:
                    requests = [signed(path, next(numbers)) for _ in range(amount)]
                    found[path].append(send(server.port, requests, connections))
            figures += _figures(found, connections, processes)
    return figures


def _figures(found: dict[str, list[Load]], connections: int, processes: int) -> Iterator[Figure]:
    best = {path: sorted(load.each for load in loads)[len(loads) // 2] for path, loads in found.items()}
    ours = found["/hooks/bench"]
    wrong = sum(times for load in ours for status, times in load.statuses.items() if status != 202)
    rate = 1 / best["/hooks/bench"]
    name = f"ingest, {connections} connection{'s' if connections > 1 else ''}: "
    if processes > 1:
        name = f"{processes} processes, " + name
    note = f"{rate:,.0f} a second; bare {1 / best['/bare/rows']:,.0f}"
    yield Figure(name + "to the same rows by plain SQL", best["/bare/rows"] * rate, 0.65, True, note, rate)
    note = f"bare {1 / best['/bare/row']:,.0f}"
    yield Figure(name + "to one row by plain SQL", best["/bare/row"] * rate, 0.35, True, note)
    tail = sorted(load.tail for load in ours)[len(ours) // 2]
    yield Figure(name + "p99 to p50", tail, 6, False, "")
    yield Figure(name + "answers other than 202", wrong, 0, False, "no lock error ever")


def signed(path: str, number: int) -> bytes:
    """A delivery of a customer's thanks, each of its own customer and ticket, signed as the sender would."""
    fact = {
        "key": f"csat-{number}",
        "agent": f"p{number % PEOPLE}@example.com",
        "ticket": str(number),
        "customer": f"customer-{number}",
        "text": "She found our luggage!",
    }
    moment = time.time()
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e6):06}Z"
    body = json.dumps({"type": "thanks.received", "timestamp": at, "data": fact}).encode()
    stamp = str(int(moment))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mark = hmac.digest(key, f"msg-{number}.{stamp}.".encode() + body, hashlib.sha256)
    headers = {"content-type": "application/json", "webhook-id": f"msg-{number}", "webhook-timestamp": stamp}
    headers["webhook-signature"] = "v1," + base64.b64encode(mark).decode()
    return request("POST", path, body, headers)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
