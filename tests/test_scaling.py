"""Beyond one process: several servers, each of several processes, behind a proxy, with standby schedulers, on one database."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, update

from leaderboard import config, people, weeks
from leaderboard.__main__ import main
from leaderboard.audit import audit
from leaderboard.database import Database
from leaderboard.tables import Announcement, Channel, ClosedWeek, Event, Person, PointsEntry, Team
from leaderboard.web.access import check_shared
from tests import make
from tests.conftest import Mailbox, Postgres
from tests.make import PASSWORD
from tests.served import Sender, Served, fact

TOO_LONG = "x" * 1025
"""No password: it is refused without the slow hash, so guesses are quick."""
FIRST_WEEK = weeks.week_of(weeks.now(), "UTC") - 4


# ---------------------------------------------------------------- a proxy, a browser, two servers


class Proxy:
    """A reverse proxy as operators put before us: takes turns between the servers that answer, and says who asked."""

    def __init__(self, ports: list[int]) -> None:
        turns = cycle(range(len(ports)))

        class Pass(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                said = [
                    part for part in (self.headers.get("X-Forwarded-For"), self.client_address[0]) if part
                ]
                headers = {
                    **{name: value for name, value in self.headers.items() if name.lower() != "connection"},
                    "X-Forwarded-For": ", ".join(said),
                    "X-Forwarded-Proto": "http",
                    "X-Forwarded-Host": self.headers["Host"],
                }
                first = next(turns)
                for step in range(len(ports)):
                    behind = HTTPConnection("127.0.0.1", ports[(first + step) % len(ports)], timeout=30)
                    try:
                        behind.connect()
                    except ConnectionRefusedError:
                        continue  # it is down: the next one
                    try:
                        behind.request(self.command, self.path, body or None, headers)
                        answer = behind.getresponse()
                        content = answer.read()
                    except (OSError, HTTPException):
                        break  # it died over it: nobody knows whether it was done
                    finally:
                        behind.close()
                    self.send_response(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in ("content-length", "connection", "date", "server"):
                            self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                    return
                self.send_error(502)

            do_POST = do_GET  # noqa: N815 (http.server's name)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Pass)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Browser:
    """Somebody at an address of the loopback network, with cookies, who fills forms; each request may go to another port."""

    address: str = "127.0.0.1"
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""

    def ask(
        self, port: int, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers by lower-case name, and text."""
        connection = HTTPConnection("127.0.0.1", port, timeout=30, source_address=(self.address, 0))
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if form is not None:
            body = urlencode(form | {"csrf_token": self.token})
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request("GET" if form is None else "POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(cookie).items()}
        connection.close()
        if found := re.search(r'name="csrf_token"[^>]* value="([^"]+)"', text):
            self.token = found[1]
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text

    def sign_in(
        self, port: int, email: str = "ana@example.com", password: str = PASSWORD, **headers: str
    ) -> int:
        """What the sign-in form answers: 302 inside, 200 wrong, 429 too often."""
        if not self.token:
            self.ask(port, "/sign-in")
        return self.ask(port, "/sign-in", {"email": email, "password": password}, **headers)[0]


@dataclass
class Cluster:
    """Servers on one database, a proxy before them, and the company in it."""

    database: Database
    url: str
    servers: list[Served]
    proxy: Proxy
    company: make.Company

    @property
    def ports(self) -> list[int]:
        return [server.port for server in self.servers]


def settle(url: str) -> tuple[Database, make.Company]:
    """The cast, weeks that are due by the real clock, a password for Ana and Lea, and Care's address for announcements."""
    database, stored = Database(url), people.hash_password(PASSWORD)
    with database.writing() as session:
        company = make.company(session)
        for team_id in company.teams.values():
            session.get_one(Team, team_id).first_week = str(FIRST_WEEK)
            session.add(Channel(team_id=team_id, kind="email", name="All", target="all@example.com"))
        for handle in ("ana", "lea"):
            session.get_one(Person, company[handle]).password = stored
    return database, company


@pytest.fixture(scope="module")
def cluster(
    postgres: Postgres, valkey_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Two servers on one PostgreSQL and one Valkey, the first of two processes, behind a proxy that they trust."""
    name = postgres.make()
    url = postgres.address(name)
    database, company = settle(url)
    shared = {
        "LEADERBOARD_REDIS__URL": f"redis://{valkey_server.host}:{valkey_server.port}/0",
        "LEADERBOARD_SERVER__TRUSTED_PROXIES": "1",
    }
    servers = [
        Served(
            tmp_path_factory.mktemp(name),
            url,
            environment=shared | {"LEADERBOARD_SERVER__PROCESSES": processes},
        )
        for name, processes in (("a", "2"), ("b", "1"))
    ]
    side_by_side(*(server.start for server in servers))
    proxy = Proxy([server.port for server in servers])
    try:
        yield Cluster(database, url, servers, proxy, company)
    finally:
        proxy.close()
        for server in servers:
            server.kill()
        database.dispose()
        postgres.drop(name)


def side_by_side(*works: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def stored(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.execute(select(Event.key)).scalars())


def assert_sound(database: Database) -> None:
    with database.reading() as session:
        assert list(audit(session)) == []


# ---------------------------------------------------------------- PostgreSQL: two servers, a proxy, schedulers


@pytest.mark.promise(number=3)
def test_the_same_delivery_at_two_servers_earns_once(cluster: Cluster) -> None:
    answers: Counter[int | None] = Counter()
    same = fact(1)

    def lane(port: int) -> None:
        with Sender(port) as sender:
            answers.update(sender.deliver(same) for _ in range(25))

    side_by_side(*(partial(lane, port) for port in cluster.ports * 4))
    assert answers == {202: 200}
    with cluster.database.reading() as session:
        assert session.execute(select(func.count()).where(Event.key == "rating/1/thanks")).scalar_one() == 1
        points = session.execute(select(func.sum(PointsEntry.points))).scalar_one()
    assert points == 8


@pytest.mark.promise(number=30)
def test_limits_are_shared_by_all_servers_and_not_dodged_by_a_header(cluster: Cluster) -> None:
    """P30, beyond one server: guesses at one account count together; the proxy says who guesses, the guesser does not."""
    guesser = Browser("127.0.0.6")
    one = [guesser.sign_in(cluster.ports[n % 2], "ben@example.com", TOO_LONG) for n in range(22)]
    assert one == [200] * 20 + [429] * 2
    guesser = Browser("127.0.0.2")
    many = [
        guesser.sign_in(
            cluster.proxy.port, f"p{n}@example.com", TOO_LONG, **{"X-Forwarded-For": f"10.0.0.{n}"}
        )
        for n in range(62)
    ]
    assert many == [200] * 60 + [429] * 2
    assert Browser("127.0.0.3").sign_in(cluster.proxy.port, "p1@example.com", TOO_LONG) == 200


def test_a_page_asked_at_one_server_is_known_at_the_other_and_so_is_signing_out(cluster: Cluster) -> None:
    ana, (here, there) = Browser("127.0.0.4"), cluster.ports
    assert ana.sign_in(there) == 302
    status, headers, _ = ana.ask(here, "/board")
    assert status == 200
    for port in (there, here, cluster.proxy.port):
        assert ana.ask(port, "/board", **{"If-None-Match": headers["etag"]})[0] == 304
    with Sender(there) as sender:
        assert sender.deliver(fact(50_001)) == 202
    for port in (here, there):
        assert ana.ask(port, "/board", **{"If-None-Match": headers["etag"]})[0] == 200
    kept = dict(ana.cookies)
    assert ana.ask(here, "/me")[0] == 200
    assert ana.ask(here, "/sign-out", {})[0] == 302
    assert Browser("127.0.0.4", kept).ask(there, "/board")[0] == 302


@dataclass
class Scheduler:
    """`leaderboard scheduler` in a process of its own."""

    config_file: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "leaderboard", "scheduler", "--config", str(self.config_file)]
        self.process = subprocess.Popen(command, env=os.environ | self.environment)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.mark.promise(number=18)
def test_two_schedulers_close_each_week_once_and_the_standby_announces_it_once(
    cluster: Cluster, smtp: Mailbox
) -> None:
    """P18 and P19 with the real commands; the lead presses Announce at both servers at once, and one scheduler dies."""
    mail = {"SERVER": smtp.host, "PORT": str(smtp.port), "SECURITY": "none", "SENDER": "em@example.com"}
    environment = {f"LEADERBOARD_MAIL__{name}": value for name, value in mail.items()}
    schedulers = [Scheduler(cluster.servers[0].config_file, environment) for _ in range(2)]

    def closed() -> list[tuple[int, str]]:
        with cluster.database.reading() as session:
            return sorted((row.team_id, row.week) for row in session.execute(select(ClosedWeek)).scalars())

    def until(done: Callable[[], bool]) -> None:
        patience = time.monotonic() + 30
        while not done() and time.monotonic() < patience:
            time.sleep(0.05)

    try:
        for scheduler in schedulers:
            scheduler.start()
        sure = [str(FIRST_WEEK + number) for number in range(3)]
        until(lambda: len(closed()) >= 2 * len(sure))
        found = closed()
        assert len(found) == len(set(found))
        assert {(team_id, week) for team_id in cluster.company.teams.values() for week in sure} <= set(found)
        schedulers[0].kill()
        lea = [Browser("127.0.0.5"), Browser("127.0.0.5")]
        desk = f"/lead/weeks/care/{FIRST_WEEK}"
        for browser, port in zip(lea, cluster.ports, strict=True):
            assert browser.sign_in(port, "lea@example.com") == 302
            assert browser.ask(port, desk)[0] == 200
        answers: list[int] = []

        def press(browser: Browser, port: int) -> None:
            answers.append(browser.ask(port, desk, {"action": "announce", "opening": ""})[0])

        side_by_side(*(partial(press, *pair) for pair in zip(lea, cluster.ports, strict=True)))
        assert sorted(answers) == [303, 422]
        with (
            cluster.database.writing() as session
        ):  # the minute in which an announcement may be called back is over
            session.execute(update(Announcement).values(next_try_at=Announcement.created_at))
        until(lambda: bool(smtp.messages))
        time.sleep(6)  # one more tick of the standby
    finally:
        for scheduler in schedulers:
            scheduler.kill()
    assert len(smtp.messages) == 1
    with cluster.database.reading() as session:
        assert [row.state for row in session.execute(select(Announcement)).scalars()] == ["sent"]
    assert_sound(cluster.database)


@pytest.mark.promise(number=1)
def test_a_killed_server_loses_nothing_and_the_other_goes_on(cluster: Cluster) -> None:
    """P1, beyond one server: the helpdesk sends again what was not answered. The last of the cluster: it loses a server."""
    acknowledged: dict[int, int] = {}
    first, killed = cluster.servers[0], threading.Event()

    def lane(number: int) -> None:
        with Sender(cluster.proxy.port) as sender:
            for fact_number in range(1000 * number, 1000 * number + 30):
                for attempt in range(1, 5):
                    if sender.deliver(fact(fact_number)) == 202:
                        acknowledged[fact_number] = attempt
                        break

    def kill() -> None:
        while len(acknowledged) < 30:
            time.sleep(0.005)
        first.kill()
        killed.set()

    side_by_side(kill, *(partial(lane, number) for number in range(1, 5)))
    assert killed.is_set()
    assert len(acknowledged) == 120
    assert {f"rating/{number}/thanks" for number in acknowledged} <= stored(cluster.database)
    assert_sound(cluster.database)


# ---------------------------------------------------------------- SQLite: several processes on one machine


@pytest.mark.promise(number=15)
def test_several_processes_on_one_sqlite_file_queue_at_its_gate(
    migrated_sqlite: Path, valkey_url: str, tmp_path: Path
) -> None:
    """Three processes write at once, and one of them is killed: no lock error, nothing lost, nothing twice."""
    file = tmp_path / "leaderboard.db"
    file.write_bytes(migrated_sqlite.read_bytes())
    database, _ = settle(f"sqlite:///{file}")
    shared = {"LEADERBOARD_SERVER__PROCESSES": "3", "LEADERBOARD_REDIS__URL": valkey_url}
    answers: Counter[int | None] = Counter()
    acknowledged: set[int] = set()
    with Served(tmp_path, f"sqlite:///{file}", environment=shared) as served:
        assert served.process is not None
        mine = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children")
        workers = [int(pid) for pid in mine.read_text().split()]

        def lane(number: int) -> None:
            with Sender(served.port) as sender:
                for fact_number in (*range(100 * number, 100 * number + 15), 1):
                    for _ in range(10):
                        status = sender.deliver(fact(fact_number))
                        answers[status] += 1
                        if status == 202:
                            acknowledged.add(fact_number)
                            break
                        time.sleep(0.05)

        def kill() -> None:
            while len(acknowledged) < 30:
                time.sleep(0.005)
            os.kill(workers[-1], signal.SIGKILL)

        side_by_side(kill, *(partial(lane, number) for number in range(1, 7)))
    assert len(workers) >= 3
    assert set(answers) <= {202, None}
    assert len(acknowledged) == 91
    keys = {f"rating/{number}/thanks" for number in acknowledged}
    assert keys == stored(database)
    assert_sound(database)
    database.dispose()


def test_what_cannot_be_shared_does_not_start_and_says_which_setting(tmp_path: Path) -> None:
    """In one line and by its own exit status, before any worker of the server is there to die of it."""
    file = tmp_path / "leaderboard.toml"
    file.write_text(
        f'[server]\nprocesses = 2\nsecret_key = "{"k" * 40}"\n[database]\nurl = "sqlite:///{tmp_path}/x.db"'
    )
    answer = CliRunner().invoke(main, ["run", "--config", str(file)])
    assert answer.exit_code == 1
    assert "[redis] url is needed when [server] processes is more than 1" in answer.output
    check_shared(config.read(file.read_text() + '\n[redis]\nurl = "redis://127.0.0.1:6379/0"'))
