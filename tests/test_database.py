"""Units of work and how they queue; what a database is known to do wrong."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session

from leaderboard.database import Database, Unavailable, beat, pulse
from leaderboard.sqlite import sqlite_affected
from leaderboard.tables import Heartbeat
from tests.make import NOON


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("3.6.23", False),
        ("3.7.0", True),
        ("3.40.1", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.45.0", True),
        ("3.50.6", True),
        ("3.50.7", False),
        ("3.51.2", True),
        ("3.51.3", False),
        ("3.53.4", False),
    ],
)
def test_a_sqlite_that_can_damage_its_file_is_known(version: str, affected: bool) -> None:
    assert sqlite_affected(version) is affected


def test_a_database_says_what_it_is(db: Database) -> None:
    name, _, number = db.version().partition(" ")
    assert name == ("SQLite" if db.is_sqlite else "PostgreSQL")
    assert number.replace(".", "").isdigit()


def line_up(db: Database, threads: Sequence[Thread]) -> None:
    """Let these come one behind the other while somebody else writes, and wait for their end."""
    with db.writing():
        for place, thread in enumerate(threads, 1):
            thread.start()
            while len(db._gate._waiting) < place:
                sleep(0.001)
    for thread in threads:
        thread.join()


class Waiting:
    """Units of work that come while another one writes, and what became of each."""

    def __init__(self, db: Database, works: Sequence[Callable[[Session], Any]]) -> None:
        self.outcomes: list[Any] = [None] * len(works)
        self.too_early: list[Any] = []
        """What anybody was answered before the commit that holds it."""
        self.commits = 0
        event.listen(db.engine, "commit", self._count)
        threads = [Thread(target=self._run, args=(db, place, work)) for place, work in enumerate(works)]
        line_up(db, threads)
        event.remove(db.engine, "commit", self._count)
        self.commits -= 1  # that of the unit they waited for

    def _count(self, _: Any) -> None:
        sleep(0.05)  # whoever has an answer already has the time to take it away
        self.too_early = self.too_early or [outcome for outcome in self.outcomes if outcome is not None]
        self.commits += 1

    def _run(self, db: Database, place: int, work: Callable[[Session], Any]) -> None:
        try:
            self.outcomes[place] = db.write(work, together=True)
        except Exception as error:  # noqa: BLE001 (looked at by the test)
            self.outcomes[place] = error


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    db = Database(f"sqlite:///{tmp_path / 'waiting.db'}")
    db.upgrade()
    yield db
    db.dispose()


def beat_and_say(number: int) -> Callable[[Session], int]:
    def work(session: Session) -> int:
        beat(session, number)
        return number

    return work


def fail(session: Session) -> None:
    beat(session)
    raise ValueError("of no concern to the others")


def nothing(session: Session) -> None:
    return None


def beats(db: Database) -> int:
    with db.reading() as session:
        return pulse(session)


def test_units_that_wait_together_share_one_commit_and_each_gets_its_own_answer(file: Database) -> None:
    waiting = Waiting(file, [beat_and_say(number) for number in range(10)])
    assert waiting.outcomes == list(range(10))
    assert waiting.commits == 1
    assert waiting.too_early == []


def test_units_that_come_one_after_the_other_each_say_that_something_changed(file: Database) -> None:
    """They share a session, which must not think that it has said so already."""
    for number in range(3):
        file.write(beat_and_say(0), together=True)
        assert beats(file) == number + 1


def test_a_unit_sees_what_others_wrote_since_the_last_one(file: Database) -> None:
    held: list[Heartbeat] = []

    def said(session: Session) -> str | None:
        held.append(session.get_one(Heartbeat, "clock"))  # what nobody holds is forgotten by itself
        return held[-1].error

    with file.writing() as session:
        session.add(Heartbeat(job="clock", started_at=NOON))
    assert file.write(said, together=True) is None
    with file.writing() as session:
        session.get_one(Heartbeat, "clock").error = "it stands still"
    assert file.write(said, together=True) == "it stands still"


def test_one_that_fails_takes_nobody_along(file: Database) -> None:
    waiting = Waiting(file, [beat_and_say(1), fail, nothing, beat_and_say(2)])
    assert waiting.outcomes[0::2] == [1, None]
    assert waiting.outcomes[3] == 2
    assert isinstance(waiting.outcomes[1], ValueError)
    assert beats(file) == 2
    assert file.write(beat_and_say(3), together=True) == 3  # and the gate is open


def test_a_database_that_is_full_tells_everyone_who_waits(file: Database) -> None:
    def swell(session: Session) -> None:
        session.connection().exec_driver_sql("PRAGMA max_page_count = 1")
        session.connection().exec_driver_sql("CREATE TABLE swollen AS SELECT randomblob(10000000) AS much")

    waiting = Waiting(file, [swell, beat_and_say(1)])
    assert [type(outcome) for outcome in waiting.outcomes] == [Unavailable, Unavailable]
    assert beats(file) == 0


def test_a_unit_that_must_go_alone_is_not_taken_along(file: Database) -> None:
    order: list[str] = []

    def alone() -> None:
        with file.writing():
            order.append("alone")

    def together(name: str) -> Thread:
        return Thread(target=lambda: file.write(lambda _: order.append(name), together=True))

    threads = [together("first"), Thread(target=alone), together("last")]
    line_up(file, threads)
    assert order == ["first", "alone", "last"]


def test_a_unit_inside_another_is_refused(file: Database) -> None:
    with file.writing(), pytest.raises(RuntimeError, match="inside another"), file.writing():
        pass
