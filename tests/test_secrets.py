"""P23: secrets are planted wherever there are any, a real server is led through its errors, and then nobody can find one.

Looked for in the log, on every page, file and API answer, in metrics, in what commands print, among all processes, and (for
those that need not be kept as they are) in every table.
"""

import base64
import hashlib
import hmac
import html
import json
import re
import struct
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

import httpx
import pytest
from sqlalchemy import MetaData, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from leaderboard import people, weeks
from leaderboard.database import Database
from leaderboard.plugin import Secret
from leaderboard.tables import Person
from plugins.demo import DemoDesk
from tests import make
from tests.conftest import Mailbox
from tests.served import Served

RULES = tomllib.loads((Path(__file__).parent / "permissions.toml").read_text("utf-8"))
PLACES = {
    "handle": "ana",
    "person": "ana",
    "slug": "care",
    "team": "care",
    "week": "2026-W46",
    "name": "demo",
    "source": "demo",
    "int:number": "1",
}
"""What stands in an address for the names in it; what is missing here is not found, and its page is looked at all the same."""


def canary(name: str) -> str:
    """A secret that is like no other text, with signs that escape differently everywhere."""
    return f"Zq7 {name}&\"ö'/+<{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def spellings(secret: str) -> set[bytes]:
    """The secret as it is, and escaped for addresses, HTML, JSON, Python, in hexadecimal and base64 (at any offset)."""
    raw = secret.encode()
    plain = {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        html.escape(secret).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        raw.hex(),
        raw.hex().upper(),
        raw.hex("%"),
        raw.hex(":"),
    }
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode()
        inner = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        plain |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return {one.encode("utf-8") for one in plain}


def test_a_secret_is_recognised_however_it_is_escaped() -> None:
    """Of the searcher itself: every way of writing is found in the middle of a text."""
    secret = canary("itself")
    for number in range(9):
        around = b"x" * number + secret.encode() + b"y" * number
        for text_ in (
            around,
            base64.b64encode(around),
            base64.urlsafe_b64encode(around),
            around.hex().encode(),
        ):
            assert any(one in text_ for one in spellings(secret)), text_
    assert len(spellings(secret)) >= 16


@dataclass
class Visit:
    """Somebody's browser, and all that it was shown since `watching` began."""

    served: Served
    seen: dict[str, bytes] = field(default_factory=dict)
    watching: bool = False

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.served.url, timeout=30)

    def note(self, answer: httpx.Response) -> httpx.Response:
        if self.watching:
            headers = "\n".join(f"{k}: {v}" for k, v in answer.headers.multi_items() if k != "set-cookie")
            name = f"{len(self.seen)} {answer.request.method} {answer.request.url.path} {answer.status_code}"
            self.seen[name] = headers.encode() + b"\n\n" + answer.content
        return answer

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **more: object) -> httpx.Response:
        return self.note(self.http.get(path, **more))  # type: ignore[arg-type]

    def submit(self, page: str, path: str, **form: str) -> httpx.Response:
        """Post a form with the CSRF token that a page of ours has."""
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.http.get(page).text)
        assert found, page
        return self.note(self.http.post(path, data={**form, "csrf_token": found[1]}))


def code_of(key: str, ahead: int = 0) -> str:
    """RFC 6238: the six digits of this key now, or so many half minutes later."""
    secret = base64.b32decode(re.sub(r"[\s-]", "", key).upper())
    digest = hmac.digest(secret, struct.pack(">Q", int(time.time()) // 30 + ahead), hashlib.sha1)
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4]) & 0x7FFFFFFF) % 1_000_000:06}"


@dataclass
class Planted:
    """A server full of secrets: by name, those that are in the config or in people's hands."""

    served: Served
    db: Database
    configured: dict[str, str]
    personal: dict[str, str] = field(default_factory=dict)
    output: dict[str, bytes] = field(default_factory=dict)

    def command(self, *words: str) -> None:
        """Run `leaderboard …`, and keep what it prints."""
        command = [sys.executable, "-m", "leaderboard", *words, "--config", str(self.served.config_file)]
        done = subprocess.run(command, capture_output=True, timeout=60)
        self.output[f"leaderboard {' '.join(words)}"] = done.stdout + done.stderr


@pytest.fixture
def planted(
    db: Database,
    database_url: str,
    tmp_path: Path,
    smtp: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Planted]:
    monkeypatch.setenv("LEADERBOARD_SERVER__LOG_LEVEL", "debug")
    with db.writing() as work:
        cast = make.company(work, weeks.now())
        for handle in ("ana", "ada"):
            work.get_one(Person, cast[handle]).password = people.hash_password(
                canary(f"password of {handle}")
            )
    configured = {
        name: canary(name) for name in ("mail", "oidc", "api token", "previous", "database", "redis")
    }
    configured["standard"] = base64.b64encode(hashlib.sha256(b"standard").digest()).decode()
    if not db.is_sqlite:  # trusts whoever asks, so any password will do
        url = make_url(database_url).set(password=configured["database"])
        database_url = url.render_as_string(hide_password=False)
    more = f"""
previous_secret = {json.dumps(configured["previous"])}
address = "http://127.0.0.1:9"
api_token = {json.dumps(configured["api token"])}
[plugins.standard]
secret = "whsec_{configured["standard"]}"
[redis]
url = {json.dumps(f"redis://:{quote(configured['redis'], safe='')}@127.0.0.1:9/0")}
[mail]
server = "127.0.0.1"
port = {smtp.port}
security = "none"
username = "em"
password = {json.dumps(configured["mail"])}
[sign_in.oidc]
issuer = "http://127.0.0.1:9"
client_id = "em"
client_secret = {json.dumps(configured["oidc"])}
[announce]
schemas = ["json"]
hosts = ["127.0.0.1"]
timeout = 2
"""
    served = Served(tmp_path, database_url, more)
    with served:
        text_ = served.config_file.read_text("utf-8")
        for name in ("secret_key", "secret"):
            found = re.search(rf'^{name} = "(.+)"$', text_, re.MULTILINE)
            assert found
            configured[name] = found[1]
        yield Planted(served, db, configured)


def sign_up(visit: Visit, planted: Planted, who: str) -> None:
    """Sign in, and take all that one can have: second factor, recovery codes, a token, a reset link."""
    mine = planted.personal
    mine[f"password of {who}"] = canary(f"password of {who}")
    form = {"email": f"{who}@example.com", "password": mine[f"password of {who}"]}
    assert visit.submit("/sign-in", "/sign-in", **form).headers["Location"] == "/"
    scopes = "admin" if who == "ada" else "read"
    page = visit.submit("/me/security", "/me/tokens", name="x", scopes=scopes, days="30").text
    (mine[f"token of {who}"],) = re.findall(r"em_[\w-]{20,}", page)
    page = visit.submit("/me/second-factor", "/me/second-factor", setup="authenticator").text
    (key,) = re.findall(r"Key: <code>([^<]+)</code>", page)
    (action,) = re.findall(r'action="(/me/second-factor/[^"]+)"', page)
    done = visit.submit("/me", action, code=code_of(key))
    assert done.headers["Location"] == "/me/security"
    mine[f"second factor of {who}"] = key
    mine[f"second factor of {who}, plain"] = re.sub(r"[\s-]", "", key)
    page = visit.submit("/me/recovery-codes", "/me/recovery-codes").text
    for number, code in enumerate(re.findall(r"<li><code>([^<]+)</code>", page)):
        mine[f"recovery code {number} of {who}"] = code


def lead_through_errors(visit: Visit, planted: Planted, link: str) -> None:
    """What goes wrong in a company's life, with a secret at hand each time."""
    served, mine = planted.served, planted.personal
    desk = DemoDesk(secret=Secret(planted.configured["secret"]))
    with httpx.Client(base_url=served.url, timeout=30) as tool:
        wrong = {"X-Demo-Signature": planted.configured["secret"], "X-Demo-Timestamp": "1"}
        visit.note(tool.post("/hooks/demo", content=b"{}", headers=wrong))
        signed = desk.sign(b"{", weeks.now()) | {
            "X-Key": planted.configured["secret"],
            "Authorization": "Basic x",
        }
        address = f"/hooks/demo?key={quote(planted.configured['secret'])}&a=1"
        assert visit.note(tool.post(address, content=b"{", headers=signed)).json()["state"] == "failed"
        for token in ("em_wrong", mine["token of ana"]):  # hers only reads
            visit.note(tool.get("/metrics", headers={"Authorization": f"Bearer {token}"}))
    with Visit(served, visit.seen, watching=True) as stranger:
        be_a_stranger(stranger, planted, link)
    planted.command("pull", "demo")
    visit.submit("/me", "/lead/team/care/channels", kind="apprise", name="Room", target=mine["channel"])
    visit.submit("/me", "/lead/team/care/channels/1/test")
    with planted.db.engine.begin() as connection:  # and now a fault: a table is not there
        connection.execute(text("ALTER TABLE signed_in RENAME TO gone"))
        connection.execute(text("ALTER TABLE person RENAME TO away"))
    for path in ("/", "/me", link, "/healthz"):
        assert visit.get(path).status_code >= 500 or path == "/healthz"
    with planted.db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO person"))
        connection.execute(text("ALTER TABLE gone RENAME TO signed_in"))


def be_a_stranger(stranger: Visit, planted: Planted, link: str) -> None:
    """Somebody who is not signed in, and makes mistakes."""
    mine = planted.personal
    for email, password in (
        ("nobody@example.com", mine["password of ana"]),
        ("ana@example.com", "wrong password"),
    ):
        stranger.submit("/sign-in", "/sign-in", email=email, password=password)
    # the mail server here takes no password, so this letter fails
    stranger.submit("/sign-in/forgot", "/sign-in/forgot", email="ben@example.com")
    stranger.get("/sign-in/single")  # the provider is gone
    stranger.get(link)


def walk(visit: Visit, planted: Planted, *whose: str) -> int:
    """Every page, file and API answer that there is for these."""
    headers = {"Authorization": f"Bearer {planted.personal['token of ada']}"}
    count = 0
    for who in whose:
        for rule, methods in RULES[who].items():
            if "GET" not in methods.split() or rule.startswith(("/static", "/sign-in/single")):
                continue
            path = re.sub(r"<([^>]+)>", lambda found: PLACES.get(found[1], "1"), rule)
            machine = rule.startswith(("/api/", "/metrics"))
            visit.get(path, headers=headers if machine else {})
            count += 1
    return count


class Watcher(threading.Thread):
    """Reads the command line of every process on this machine, over and over."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.lines: set[bytes] = set()
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.wait(0.1):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.lines.add(place.read_bytes().replace(b"\0", b" "))
                except OSError:
                    continue  # it has ended


def tables(db: Database) -> str:
    """All that is stored, as text."""
    known = MetaData()
    known.reflect(db.engine)
    with db.engine.connect() as connection:
        return "\n".join(
            repr(tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row))
            for table in known.tables.values()
            for row in connection.execute(select(table))
        )


def leaks(secrets: dict[str, str], places: dict[str, bytes]) -> list[str]:
    """Which secret stands where. A page may hold what stands in its own address."""
    written = {name: spellings(secret) for name, secret in secrets.items()}
    return [
        f"the {name} is in {place}, after {content.partition(way)[0][-200:]!r}"
        for place, content in places.items()
        for name, ways in written.items()
        for way in sorted(ways)
        if secrets[name] not in place and way in content
    ]


def test_an_error_of_the_database_names_no_value(db: Database) -> None:
    """Its text goes to the log, and values are people's words, hashes and tokens."""
    for statement in ("SELECT nothing FROM nowhere WHERE a = :a", "UPDATE person SET nothing = :a"):
        with db.engine.connect() as connection, pytest.raises(DBAPIError) as caught:
            connection.execute(text(statement), {"a": canary("value")})
        assert leaks({"value": canary("value")}, {"error": str(caught.value).encode()}) == []


def test_no_secret_is_seen_anywhere(planted: Planted, smtp: Mailbox) -> None:
    watcher = Watcher()
    watcher.start()
    served = planted.served
    with Visit(served) as ana, Visit(served) as ada:
        for visit, who in ((ana, "ana"), (ada, "ada")):
            sign_up(visit, planted, who)
        page = ada.submit("/admin/people/ben", "/admin/people/ben/link").text
        (link,) = re.findall(r"(/sign-in/forgot/[\w.-]+)", page)
        planted.personal["reset link"] = link.rpartition("/")[2]
        planted.personal["channel"] = f"json://127.0.0.1:9/{hashlib.sha256(b'channel').hexdigest()}"
        ana.watching = ada.watching = True
        lead_through_errors(ada, planted, link)
        pages = walk(ada, planted, *RULES) + walk(ana, planted, "member")
        planted.personal["session of ada"] = str(ada.http.cookies["extra_mile"])
    assert pages > 90
    assert not smtp.messages, "the letter did not go out"
    watcher.enough.set()
    watcher.join()
    secrets = planted.configured | planted.personal
    secrets["channel"] = urlsplit(secrets["channel"]).path[1:]
    log = (served.folder / "server.log").read_bytes()
    assert b"failed, reference" in log
    assert b"a letter about signing in was not sent" in log
    assert any(b"courier" in line for line in watcher.lines)
    places = (
        ada.seen | ana.seen | planted.output | {"the log": log, "the process list": b"\n".join(watcher.lines)}
    )
    assert leaks(secrets, places) == []
    # what must be read again (a channel's address) is stored as it is; the rest is a hash, encrypted, or not there at all
    kept = {name: secret for name, secret in secrets.items() if name not in ("channel", "session of ada")}
    assert leaks(kept, {"the database": tables(planted.db).encode()}) == []
