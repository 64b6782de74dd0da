"""The real server, as its operator runs it: `leaderboard run` in a process group of its own, over a real socket."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from leaderboard import weeks
from leaderboard.plugin import Secret
from plugins.demo import DemoDesk

SECRET = "shared with the demo desk"
CONFIG = """\
pull_hosts = ["127.0.0.1"]

[server]
port = {port}
secret_key = "a secret that only this test knows, 32+"
log_level = "warning"

[database]
url = "{database}"

[plugins.demo]
secret = "{secret}"
{more}
"""


@dataclass
class Served:
    """A server on 127.0.0.1; start, kill -9 and start again as often as you like."""

    folder: Path
    database: str
    more: str = ""
    """What else stands in the config, after `[plugins.demo]` and its secret."""
    secret: str = SECRET
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ("--no-jobs",)
    port: int = field(default_factory=lambda: _free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config_file(self) -> Path:
        return self.folder / "leaderboard.toml"

    def start(self) -> "Served":
        text = CONFIG.format(port=self.port, database=self.database, secret=self.secret, more=self.more)
        self.config_file.write_text(text, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "leaderboard",
            "run",
            "--config",
            str(self.config_file),
            *self.options,
        ]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env=os.environ | self.environment
            )
        patience = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < patience:
            with Sender(self.port) as sender:
                if sender.ask("GET", "/static/app.css") is not None:
                    return self
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"the server did not start:\n{(self.folder / 'server.log').read_text()[-3000:]}")

    def kill(self, sign: int = signal.SIGKILL) -> None:
        """End every process of the server, by default without any warning."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, sign)
            self.process.wait(20)
            self.process = None

    def __enter__(self) -> "Served":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


@dataclass
class Sender:
    """One kept-alive connection to a server: it costs a fraction of a client library, so the server is what is measured."""

    port: int
    timeout: float = 60
    headers: dict[str, str] = field(default_factory=dict)
    """Those of the last answer, by lower-case name."""
    _connection: HTTPConnection | None = None

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes] | None:
        """Status and content of the answer; None where there was none."""
        if self._connection is None:
            self._connection = HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            self._connection.request(method, path, body, dict(headers or {}))
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            self.close()
            return None
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, content

    def deliver(self, fact: Mapping[str, Any], source: str = "demo", secret: str = SECRET) -> int | None:
        """Sign a fact as Demo Desk does and send it; the status, or None where no answer came."""
        body = json.dumps(fact).encode()
        signed = DemoDesk(secret=Secret(secret)).sign(body, weeks.now())
        answer = self.ask("POST", f"/hooks/{source}", body, signed)
        return None if answer is None else answer[0]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fact(number: int, **more: Any) -> dict[str, Any]:
    """Thanks for Ana as Demo Desk tells them, five minutes ago; every number is another rating, ticket and customer."""
    at = weeks.now() - timedelta(minutes=5)
    found = {"id": number, "what": "thanks", "agent": "ana@example.com", "ticket": str(number)}
    found |= {"customer": f"c{number}@example.org", "words": "Thank you!", "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    return found | more


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
