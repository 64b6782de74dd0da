"""Places in a unit of work where a test's own process kills itself, each with a name; and what such processes do.

A place is the statement that the program runs there, so nothing in the program knows of it.
"""

import os
import re
import signal
from collections.abc import Callable
from datetime import timedelta
from random import Random

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


def arm(engine: Engine, name: str, times: int = 1) -> None:
    """Let this process die by SIGKILL when it comes to that place for the `times`-th time."""
    where, beginning = FAILPOINTS[name]
    left, passed = times, False

    def hit() -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def at(moment: str) -> Callable[..., None]:
        def ran(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            nonlocal passed
            if re.match(beginning, statement):
                passed = True
                if where == moment:
                    hit()

        return ran

    def ended(moment: str) -> Callable[[object], None]:
        def ran(_: object) -> None:
            nonlocal passed
            if passed and where == moment:
                passed = False
                hit()

        return ran

    event.listen(engine, "before_cursor_execute", at("before"))
    event.listen(engine, "after_cursor_execute", at("after"))
    event.listen(engine, "commit", ended("commit"))
    event.listen(Session, "after_commit", ended("committed"))


def keep_closing(url: str, seed: int, weeks: int, failpoint: str | None, times: int) -> None:
    """A scheduler whose clock jumps to and fro over so many weeks from NOON on."""
    database = Database(url)
    if failpoint:
        arm(database.engine, failpoint, times)
    dice = Random(seed)
    for _ in range(4):
        moment = NOON + timedelta(minutes=dice.randint(0, weeks * 7 * 24 * 60))
        jobs.close_weeks(database, Config(), lambda moment=moment: moment)  # type: ignore[misc]
    database.dispose()


def send(url: str, config: Config, failpoint: str) -> None:
    """A sender of announcements, at NOON."""
    database = Database(url)
    arm(database.engine, failpoint)
    announcements.deliver_due(database, config, lambda: NOON)
