"""The real server, as its operator runs it: `leaderboard run` in a process group of its own, over a real socket."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

CONFIG = """\
[server]
port = {port}
secret_key = "a secret that only this test knows, 32+"
log_level = "warning"

[database]
url = "{database}"

[plugins.demo]
secret = "shared with the demo desk"
{more}
"""


@dataclass
class Served:
    """A server on 127.0.0.1; start, kill -9 and start again as often as you like."""

    folder: Path
    database: str
    more: str = ""
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
        text = CONFIG.format(port=self.port, database=self.database, more=self.more)
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
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                httpx.get(f"{self.url}/sign-in", timeout=5)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return self
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
