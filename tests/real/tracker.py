"""An RT that runs on 127.0.0.1, from Debian's files and on a SQLite of its own, and people who use its API and its mail."""

import os
import re
import subprocess
import textwrap
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx

from tests.served import Sender
from tests.test_tree import ROOT

SETUP = Path("/usr/sbin/rt-setup-database-5")
SERVER = Path("/usr/share/request-tracker5/libexec/standalone_httpd")
INSTALLED = SETUP.is_file() and SERVER.is_file()
LEFT_OUT = (
    "Request Tracker was left out: it is not installed here. As root on Debian or Ubuntu ./dev test installs it; "
    "by hand: apt-get install --no-install-recommends request-tracker5 rt5-db-sqlite"
)
GUIDE = ROOT / "plugins/request_tracker/README.md"


@dataclass
class Tracker:
    """RT with the company of tests/real/request_tracker and the scrip that our guide asks for."""

    folder: Path
    port: int
    hook: str
    """Where the scrip posts to."""
    secret: str
    process: subprocess.Popen[bytes] | None = None
    people: list["User"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Tracker":
        for name in ("no more settings", "pages", "sessions"):
            (self.folder / name).mkdir()
        (self.folder / "scrip.pl").write_text(self._scrip(), "utf-8")
        self._set_up("--action", "init", "--skip-create")
        self._set_up("--action", "insert", "--datafile", str(ROOT / "tests/real/request_tracker/company.pl"))
        with (self.folder / "rt.log").open("ab") as log:
            command = [SERVER, "--host", "127.0.0.1", "--port", str(self.port)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        patience = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < patience:
            with Sender(self.port) as sender:
                if sender.ask("GET", "/REST/2.0/rt") is not None:
                    return self
            time.sleep(0.1)
        raise RuntimeError(f"RT did not start:\n{self.log[-3000:]}")

    def __exit__(self, *_: object) -> None:
        for user in self.people:
            user.http.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)

    @property
    def log(self) -> str:
        return (self.folder / "rt.log").read_text("utf-8")

    def token(self, name: str) -> str:
        return (self.folder / f"{name}.token").read_text("utf-8")

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: held for name, held in os.environ.items() if not name.lower().endswith("_proxy")}
        site = ROOT / "tests/real/request_tracker/site.pm"
        return inherited | {
            "RT_SITE_CONFIG": str(site),
            "RT_SITE_CONFIG_DIR": str(self.folder / "no more settings"),
            "RT_FOLDER": str(self.folder),
            "RT_PORT": str(self.port),
        }

    def _scrip(self) -> str:
        """As it stands in the guide, with what a person puts in there."""
        block = re.search(
            r"^ +my \$address = (?:.*\n|\n)+?^ +return 1;\n(?=\n\S)", GUIDE.read_text("utf-8"), re.MULTILINE
        )
        assert block, "the guide shows no scrip"
        code = textwrap.dedent(block[0])
        for placeholder, put in (
            ("https://<public_url>/hooks/request_tracker", self.hook),
            ("your long random text", self.secret),
        ):
            assert code.count(placeholder) == 1
            code = code.replace(placeholder, put)
        return code

    def _set_up(self, *words: str) -> None:
        command = [SETUP, *words, "--dba", "nobody", "--dba-password", "none"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def mail(self, sender: str, subject: str, words: str) -> None:
        """A mail from outside with a picture, through the gateway that a mail server hands it to."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, "desk@fairhaven.example", subject
        message["Message-ID"] = f"<{len(words)}.{time.monotonic_ns()}@example.org>"
        message.set_content(words)
        message.add_attachment(b"\x89PNG\0", maintype="image", subtype="png", filename="us.png")
        form = {
            "action": "correspond",
            "queue": "General",
            "SessionType": "REST",
            "message": message.as_string(),
        }
        answer = httpx.post(
            f"{self.url}/REST/1.0/NoAuth/mail-gateway", data=form, timeout=20, trust_env=False
        )
        assert answer.text.startswith("ok"), answer.text + self.log[-2000:]

    def agent(self, name: str) -> "User":
        credentials = {"Authorization": f"token {self.token(name)}"}
        http = httpx.Client(base_url=f"{self.url}/REST/2.0", headers=credentials, timeout=20, trust_env=False)
        self.people.append(User(http))
        return self.people[-1]


@dataclass
class User:
    """Somebody at work, by REST 2.0."""

    http: httpx.Client

    def newest(self) -> str:
        """The number of the newest ticket."""
        asked = {"query": "id > 0", "orderby": "id", "order": "DESC"}
        return str(self.http.get("/tickets", params=asked).json()["items"][0]["id"])

    def write(self, ticket: str, how: str, words: str) -> None:
        """`how`: comment, which colleagues see, or correspond, which goes to the customer."""
        self._sent(
            self.http.post(f"/ticket/{ticket}/{how}", json={"Content": words, "ContentType": "text/plain"})
        )

    def change(self, ticket: str, **fields: Any) -> None:
        self._sent(self.http.put(f"/ticket/{ticket}", json=fields))

    def take(self, ticket: str) -> None:
        self._sent(self.http.put(f"/ticket/{ticket}/take", json={}))

    def publish(self, name: str) -> None:
        self._sent(self.http.post("/article", json={"Class": "Answers", "Name": name}))

    def _sent(self, answer: httpx.Response) -> None:
        assert answer.status_code in (200, 201), answer.text
        assert "denied" not in answer.text.lower(), answer.text
