"""Places in a unit of work where a test's own process kills itself, each with a name; and what such processes do.

A place is the statement that the program runs there, so nothing in the program knows of it.
"""

import os
import re
import signal
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from sqlalchemy import Engine, event
from sqlmodel import Session

from leaderboard import announcements, jobs
from leaderboard.config import Config
from leaderboard.database import Database
from tests.make import NOON

FAILPOINTS = {
    "closing: before the week's row": ("before", "INSERT INTO closed_week"),
    "closing: after the week's row": ("after", "INSERT INTO closed_week"),
    "closing: after the winners": ("after", "INSERT INTO recognition"),
    "closing: before the commit": ("commit", "INSERT INTO closed_week"),
    "closing: after the commit": ("committed", "INSERT INTO closed_week"),
    "announcing: before the words are frozen": ("before", "UPDATE closed_week"),
    "announcing: after the outbox": ("after", "INSERT INTO announcement"),
    "announcing: before the commit": ("commit", "UPDATE closed_week"),
    "announcing: after the commit": ("committed", "UPDATE closed_week"),
    "sending: after the lease": ("committed", "UPDATE announcement SET .*attempts="),
    "sending: before the mark": ("before", "UPDATE announcement SET .*sent_at="),
}
"""Name -> where, and how the statement begins (a pattern): before or after it, or before or after the commit of its work."""


def arm(engine: Engine, name: str) -> None:
    """Let this process die by SIGKILL when it comes to that place; said before its first connection."""
    where, beginning = FAILPOINTS[name]
    passed = False

    def hit() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def ran(moment: str, statement: object) -> None:
        nonlocal passed
        if re.match(beginning, str(statement)):
            passed = True
            if where == moment:
                hit()

    def ended(moment: str) -> Callable[[object], None]:
        def ran(_: object) -> None:
            nonlocal passed
            if passed and where == moment:
                passed = False
                hit()

        return ran

    event.listen(engine, "do_connect", partial(_watch, ran))
    event.listen(engine, "commit", ended("commit"))
    event.listen(Session, "after_commit", ended("committed"))


def _watch(
    ran: Callable[[str, object], None], dialect: Any, _record: object, _args: object, given: dict[str, Any]
) -> None:
    """Let the driver's own cursors say what runs: not every statement of ours goes through SQLAlchemy's hands."""
    driver = dialect.loaded_dbapi

    class Watched(driver.Cursor):  # type: ignore[misc, name-defined]
        def execute(self, statement: object, *more: Any, **options: Any) -> Any:
            ran("before", statement)
            found = super().execute(statement, *more, **options)
            ran("after", statement)
            return found

        def executemany(self, statement: object, *more: Any, **options: Any) -> Any:
            ran("before", statement)
            found = super().executemany(statement, *more, **options)
            ran("after", statement)
            return found

    if dialect.name == "postgresql":
        given["cursor_factory"] = Watched
        return

    class Connection(driver.Connection):  # type: ignore[misc, name-defined]
        def cursor(self, factory: Any = Watched) -> Any:
            return super().cursor(factory)

    given["factory"] = Connection


def keep_closing(url: str, seed: int, weeks: int, failpoint: str | None) -> None:
    """A scheduler whose clock jumps to and fro over so many weeks from NOON on, first to their end."""
    database = Database(url)
    if failpoint:
        arm(database.engine, failpoint)
    dice, end = Random(seed), weeks * 7 * 24 * 60
    for minutes in (end, *(dice.randint(0, end) for _ in range(3))):
        moment = NOON + timedelta(minutes=minutes)
        jobs.close_weeks(database, Config(), lambda moment=moment: moment)  # type: ignore[misc]
    database.dispose()


def send(url: str, config: Config, failpoint: str) -> None:
    """A sender of announcements, at NOON."""
    database = Database(url)
    arm(database.engine, failpoint)
    announcements.deliver_due(database, config, lambda: NOON)
