"""A django-helpdesk that runs on 127.0.0.1, and people who use its pages, its API and its mailbox."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx

from tests.served import Sender
from tests.test_tree import ROOT

PACKAGES = Path(sys.prefix) / "django-helpdesk"
GUIDE = ROOT / "plugins/django_helpdesk/README.md"
NOT_THERE = (
    f"There is no {PACKAGES}: `./dev test` installs the real django-helpdesk there, from its own lock."
)


@dataclass
class Desk:
    """The site in tests/real/django_helpdesk with the lines that our guide asks for, on a database of its own."""

    folder: Path
    port: int
    hook: str
    """Where it sends its webhooks."""
    process: subprocess.Popen[bytes] | None = None
    visitors: list["Visitor"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Desk":
        assert PACKAGES.is_dir(), NOT_THERE
        code = re.search(r"^    # extra_mile\.py\n((?: {4}.*\n|\n)+)", GUIDE.read_text("utf-8"), re.MULTILINE)
        assert code, "the guide shows no extra_mile.py"
        (self.folder / "extra_mile.py").write_text(textwrap.dedent(code[0]), "utf-8")
        with (self.folder / "desk.log").open("ab") as log:
            command = self.command("django_helpdesk.company", f"127.0.0.1:{self.port}")
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        patience = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < patience:
            with Sender(self.port) as sender:
                if sender.ask("GET", "/login/") is not None:
                    return self
            time.sleep(0.1)
        raise RuntimeError(f"django-helpdesk did not start:\n{self.log[-3000:]}")

    def __exit__(self, *_: object) -> None:
        for visitor in self.visitors:
            visitor.http.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)

    @property
    def log(self) -> str:
        return (self.folder / "desk.log").read_text("utf-8")

    @property
    def environment(self) -> dict[str, str]:
        places = (PACKAGES, ROOT / "tests/real", self.folder)
        told = dict.fromkeys(
            ("HELPDESK_NEW_TICKET_WEBHOOK_URLS", "HELPDESK_FOLLOWUP_WEBHOOK_URLS"), self.hook
        )
        return {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            **told,
            "PYTHONPATH": os.pathsep.join(map(str, places)),
            "DJANGO_SETTINGS_MODULE": "django_helpdesk.settings",
            "HELPDESK_FOLDER": str(self.folder),
        }

    def command(self, module: str, *words: str) -> list[str]:
        """-S leaves our own packages out: the helpdesk sees Python, its lock and its site, and nothing else."""
        return [sys.executable, "-S", "-m", module, *words]

    def run(self, module: str, *words: str) -> str:
        """What a command of the site prints."""
        done = subprocess.run(
            self.command(module, *words), env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def agents(self) -> str:
        """The setting that the guide's command prints."""
        command = re.search(r"^    python manage\.py (shell .*)$", GUIDE.read_text("utf-8"), re.MULTILINE)
        assert command, "the guide shows no command that prints the agents"
        printed = self.run("django", *shlex.split(command[1]))
        return next(line for line in printed.splitlines() if line.startswith("agents = "))

    def mail(self, ticket: str, sender: str, words: str) -> None:
        """The customer answers by mail, and the desk's timer reads its mailbox."""
        message = EmailMessage()
        message["From"], message["To"] = sender, "desk@example.com"
        message["Subject"], message["Message-ID"] = (
            f"Re: [desk-{ticket}] Lost luggage",
            f"<{ticket}@example.com>",
        )
        message.set_content(words)
        (self.folder / "inbox" / f"{ticket}.eml").write_bytes(message.as_bytes())
        self.run("django", "get_email", "--quiet")

    def visitor(self) -> "Visitor":
        self.visitors.append(Visitor(httpx.Client(base_url=self.url, timeout=10, trust_env=False)))
        return self.visitors[-1]

    def agent(self, name: str) -> "Visitor":
        """Somebody who signed in by the form."""
        visitor = self.visitor()
        visitor.submit("/login/", "/login/", username=name, password=name)
        assert "sessionid" in visitor.http.cookies
        return visitor


@dataclass
class Visitor:
    """Somebody with a browser: fills the forms that a page shows."""

    http: httpx.Client

    def submit(self, page: str, action: str, **changed: str | None) -> str:
        """Fill the form with this address on that page, and send it; where it led. None leaves a box unticked."""
        shown = self.http.get(page)
        assert shown.status_code == 200, shown.text
        forms = [fields for address, fields in Forms(shown.text).found if address in (action, "")]
        # The one that asks for what we have to say: a page may show a short form and a long one with the same address
        fields = max(forms, key=lambda fields: len(changed.keys() & fields.keys()))
        assert changed.keys() <= fields.keys(), fields
        data = {name: value for name, value in {**fields, **changed}.items() if value is not None}
        answer = self.http.post(action, data=data, headers={"Referer": str(shown.url)})
        assert answer.status_code == 302, f"{answer.status_code} {answer.text}"
        return answer.headers["Location"]

    def update(self, ticket: str, **changed: str | None) -> None:
        """Ana or Ben answers on a ticket's page."""
        self.submit(f"/tickets/{ticket}/", f"/tickets/{ticket}/update/", **changed)


class Forms(HTMLParser):
    """The posted forms of a page: where each goes, and what it would send if nobody changed anything."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.fields: dict[str, str | None] = {}
        self.select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        it: dict[str, Any] = {name: value or "" for name, value in attrs}
        name, kind = it.get("name", ""), it.get("type", "text")
        if tag == "form":
            self.fields = {}
            if it.get("method", "get").lower() == "post":
                self.found.append((it.get("action", ""), self.fields))
        elif tag in ("input", "textarea") and name and kind != "file" and "disabled" not in it:
            if kind not in ("radio", "checkbox"):
                self.fields[name] = it.get("value", "")
            elif "checked" in it:
                self.fields[name] = it.get("value", "on")
            else:
                self.fields.setdefault(name, None)
        elif tag == "select":
            self.select = name if "disabled" not in it else ""
        elif tag == "option" and self.select and (self.select not in self.fields or "selected" in it):
            self.fields[self.select] = it.get("value", "")
