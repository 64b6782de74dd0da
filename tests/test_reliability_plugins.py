"""P36: a plugin that raises, hangs, returns garbage or 100 MB neither stops nor slows the rest."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from leaderboard import deliveries
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.deliveries import pulling, receiving
from leaderboard.deliveries.bounds import PATIENCE
from leaderboard.plugin import Account, Delivery, Event, Page, Plugin, Secret
from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Event as EventRow
from leaderboard.tables import Source
from plugins.demo import DemoDesk
from tests.make import NOON, Clock, Company
from tests.served import Sender, Served, fact
from tests.test_reliability import Tried
from tests.trials import eventually, trials

FOREIGN = '''\
"""A helpdesk from another package, with every mistake its author could make."""

import time

from leaderboard.plugin import Event, Plugin


class Foreign(Plugin):
    def verify(self, delivery):
        self.behave(delivery.header("x-verify"))

    def events(self, delivery):
        mistake = delivery.header("x-events")
        self.behave(mistake)
        if mistake == "garbage":
            yield {"key": "fact/1"}
        text = "x" * 100_000_000 if mistake == "large" else "Thank you"
        yield Event("fact/1", "thanks.received", delivery.received_at, ("ana@example.com",), text=text)

    def behave(self, mistake):
        if mistake == "hang":
            time.sleep(3600)
        if mistake == "raise":
            raise ZeroDivisionError("a mistake of the plugin")
'''


@pytest.mark.promise(number=36)
def test_a_plugin_that_hangs_at_the_door_leaves_threads_to_the_others(
    db: Database, database_url: str, company: Company, tmp_path: Path, record_property: Tried
) -> None:
    (tmp_path / "foreign_desk.py").write_text(FOREIGN)
    served = Served(
        tmp_path,
        database_url,
        more='[plugins.foreign]\nmodule = "foreign_desk"',
        environment={"PYTHONPATH": str(tmp_path)},
    )

    def ask(headers: dict[str, str]) -> int | None:
        with Sender(served.port, timeout=4) as sender:
            answer = sender.ask("POST", "/hooks/foreign", b"{}", headers)
            if answer and answer[0] == 503:
                assert 0 < int(sender.headers["retry-after"]) < 60
            return None if answer is None else answer[0]

    with served, Sender(served.port, timeout=20) as good:
        mistakes = (
            {"x-verify": "raise"},
            {"x-events": "raise"},
            {"x-events": "garbage"},
            {"x-events": "large"},
        )
        assert [ask(mistake) for mistake in mistakes] == [503, 202, 202, 202]
        hanging = [{"x-verify": "hang"}, {"x-events": "hang"}] * 4
        with ThreadPoolExecutor(len(hanging)) as pool:
            answers = Counter(pool.map(ask, hanging))
        assert answers == {None: 4, 503: 4}, "four of eight threads are lost to it, and no more"
        number = trials(30)
        assert [good.deliver(fact(one)) for one in range(1, number + 1)] == [202] * number
        page = good.ask("GET", "/sign-in")
        assert page is not None
        assert page[0] == 200
        assert ask({}) == 503, "its own deliveries are asked to come again, at once"
    record_property("deliveries beside a plugin that hangs", number)
    with db.reading() as session:
        states = Counter(session.execute(select(DeliveryRow.source, DeliveryRow.state)))
        assert states == {("foreign", "failed"): 3, ("demo", "done"): number}
        assert session.execute(select(func.count()).select_from(EventRow)).scalar_one() == number
        refused = session.get_one(Source, "foreign")
    assert (refused.refused, refused.refused_reason) == (1, "the plugin failed; the log says why")


def test_nobody_waits_behind_a_plugin_that_is_known_to_be_slow() -> None:
    lanes, release = deliveries.Lanes(4), threading.Event()
    inside = threading.Semaphore(0)

    def hang(source: str) -> None:
        with lanes.lane(source):
            inside.release()
            release.wait()

    threads = [threading.Thread(target=hang, args=(source,)) for source in ("slow", "slow", "slower")]
    for thread in threads:
        thread.start()
        inside.acquire()
    try:
        for source in ("slow", "good"):  # one lane of four is for the pages alone
            with pytest.raises(deliveries.Busy), lanes.lane(source):
                pass
        time.sleep(PATIENCE)
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(deliveries.Busy), lanes.lane("slow"):
                pass
        assert time.monotonic() - began < 100 * PATIENCE / 2
    finally:
        release.set()
        for thread in threads:
            thread.join()
    with lanes.lane("slow"), lanes.lane("slow"):
        pass


class Foreign(Plugin):
    """A plugin that does as its `mood` says, until `mended` is set."""

    mood: str
    secret: Secret = Secret("s")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        self._err()
        yield Event(f"fact/{delivery.body.decode()}", "thanks.received", NOON, ("ana@example.com",))

    def api_url(self) -> str | None:
        return "http://127.0.0.1:1"

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        self._err()
        yield Page(
            (Event(f"pulled/{self.mood}", "thanks.received", NOON, ("ana@example.com",)),), "1", last=True
        )

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        if self.mood == "accounts":
            raise KeyError("email")
        return iter(())

    def _err(self) -> None:
        if self.mood == "hang":
            MENDED.wait(20)
        if self.mood == "raise" and not MENDED.is_set():
            raise ZeroDivisionError("what no database takes: \0 \ud800")


MENDED = threading.Event()


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """Sources that fail in every way before one that works; the clock waits for tenths of a second instead of many."""
    MENDED.clear()
    monkeypatch.setattr(pulling, "WAITS_FOR", 0.3)
    monkeypatch.setattr(receiving, "TRANSLATES_FOR", 0.3)
    yield Config(plugins={mood: Foreign(mood=mood) for mood in ("hang", "raise", "accounts", "well")})
    MENDED.set()


def sources(db: Database) -> dict[str, Source]:
    with db.reading() as session:
        return {row.name: row for row in session.execute(select(Source)).scalars()}


def keys(db: Database) -> list[str]:
    with db.reading() as session:
        return sorted(session.execute(select(EventRow.key)).scalars())


@pytest.mark.promise(number=36)
def test_a_plugin_that_hangs_or_raises_in_its_pull_keeps_no_other_waiting_and_is_told(
    db: Database, company: Company, house: Config, clock: Clock
) -> None:
    assert deliveries.pull_due(db, house, clock) == 4
    assert eventually(lambda: keys(db) == ["pulled/well"])
    found = sources(db)
    assert {name: row.pull_failures for name, row in found.items()} == {
        "hang": 0,
        "raise": 1,
        "accounts": 1,
        "well": 0,
    }
    assert r"ZeroDivisionError: what no database takes: \x00 \ud800" in (found["raise"].pull_error or "")
    assert "KeyError" in (found["accounts"].pull_error or "")
    clock.forward(minutes=16)
    deliveries.pull_due(db, house, clock)
    hangs = sources(db)["hang"]
    assert (hangs.pull_failures, (hangs.pull_error or "")[:50]) == (1, pulling.STILL_RUNS[:50])
    assert threading.active_count() < 20, "it hangs in one thread, however often the clock ticks"
    MENDED.set()
    assert eventually(lambda: "pulled/hang" in keys(db))
    assert eventually(lambda: sources(db)["hang"].pull_failures == 0)
    clock.forward(hours=1)
    deliveries.pull_due(db, house, clock)
    assert keys(db) == ["pulled/hang", "pulled/raise", "pulled/well"]


@pytest.mark.promise(number=9)
def test_a_delivery_that_its_plugin_hangs_on_keeps_no_other_waiting(
    db: Database, company: Company, house: Config, clock: Clock, record_property: Tried
) -> None:
    """P9, P36: failed deliveries of plugins that hang, raise and are well again, tried by the clock side by side."""
    each = trials(5)
    desk = house.model_copy(update={"plugins": {**house.plugins, "demo": DemoDesk(secret=Secret("s"))}})
    for number in range(each):
        for source in ("raise", "demo"):
            delivery = Delivery(str(number).encode(), {}, clock())
            assert deliveries.receive(db, desk, source, delivery).state == "failed"
    swapped = {"raise": Foreign(mood="hang"), "demo": Foreign(mood="well")}
    mended = desk.model_copy(update={"plugins": {**desk.plugins, **swapped}})
    clock.forward(minutes=2)
    assert deliveries.work_through(db, mended, clock) == 2 * each
    with db.reading() as session:
        rows = session.execute(select(DeliveryRow.source, DeliveryRow.state, DeliveryRow.reason)).all()
    assert Counter((source, state) for source, state, _ in rows) == {
        ("raise", "failed"): each,
        ("demo", "done"): each,
    }
    assert all(
        (reason or "").startswith("the plugin hangs") for source, _, reason in rows if source == "raise"
    )
    MENDED.set()
    assert eventually(lambda: not receiving._beside.is_busy(id(swapped["raise"])))
    clock.forward(hours=1)
    assert deliveries.work_through(db, mended, clock) == each
    assert len(keys(db)) == 2 * each
    record_property("deliveries tried beside one that hangs", each)


UNFIT: dict[str, dict[str, Any]] = {
    "100 MB of text": {"text": "x" * 100_000_000},
    "a NUL": {"customer": "a\0b"},
    "half a character": {"ticket": "\ud800"},
    "a number for a name": {"giver": 7},
    "agents as one text": {"agents": "ana@example.com"},
    "a thousand agents": {"agents": tuple(map(str, range(1000)))},
    "bytes": {"text": b"Thank you"},
    "a time before time": {"occurred_at": datetime.min.replace(tzinfo=NOON.tzinfo)},
    "a time after time": {"due_at": datetime.max.replace(tzinfo=NOON.tzinfo)},
    "a naive time": {"occurred_at": NOON.replace(tzinfo=None)},
    "no time": {"occurred_at": "2026-11-18"},
    "a large number": {"evidence": {"n": 2**70}},
    "not a number": {"evidence": {"n": float("nan")}},
    "a nest": {"evidence": {"n": {"m": 1}}},
    "a guideline that does not exist": {"guideline": "seriousness"},
    "no object": {"kind": "fact.withdrawn"},
    "another kind": {"kind": "coffee.made"},
}


class Careless(Plugin):
    """Yields an event with something in it that no event may have."""

    def events(self, delivery: Delivery) -> Iterator[Event]:
        common = {
            "key": "fact/1",
            "kind": "thanks.received",
            "occurred_at": NOON,
            "agents": ("ana@example.com",),
        }
        yield Event(**{**common, **UNFIT.get(delivery.body.decode(), {})})


@pytest.mark.promise(number=36)
def test_whatever_a_plugin_makes_of_a_delivery_it_fails_with_its_reason_and_the_next_earns(
    db: Database, company: Company, record_property: Tried
) -> None:
    config = Config(plugins={"careless": Careless()})
    for what in UNFIT:
        receipt = deliveries.receive(db, config, "careless", Delivery(what.encode(), {}, NOON))
        assert receipt.state == "failed", what
        assert receipt.reason
        assert len(receipt.reason) < 5_000
    assert deliveries.receive(db, config, "careless", Delivery(b"well", {}, NOON)).new == 1
    assert deliveries.work_through(db, config, lambda: NOON + timedelta(minutes=2)) == len(UNFIT)
    assert keys(db) == ["fact/1"]
    record_property("kinds of garbage", len(UNFIT))


@pytest.mark.promise(number=36)
def test_a_process_in_which_nothing_can_run_any_more_ends_and_says_where() -> None:
    """What holds the interpreter itself (a hopeless pattern) stops every thread; the server then starts another process."""
    stuck = (
        'from leaderboard.deliveries import watch\nimport re\nwatch(1)\nre.match(r"(a+)+$", "a" * 60 + "b")'
    )
    done = subprocess.run([sys.executable, "-c", stuck], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert 'File "<string>", line 4' in done.stderr
