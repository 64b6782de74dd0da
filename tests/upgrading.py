"""An upgrade or a restore that is killed on its way: what tests let another process do."""

import os
import signal
from itertools import count
from pathlib import Path

from sqlalchemy import event

from leaderboard.backup import restore
from leaderboard.database import Database
from tests.make import NOON


def upgrade_and_die(url: str, revision: str, place: int | str) -> None:
    """Upgrade, and be killed before the statement of that number, before the "commit", or once it is "committed"."""
    database, ran = Database(url), count()

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with database.rebuilding() as connection:
        event.listen(connection, "before_cursor_execute", lambda *_: next(ran) == place and die())
        if place == "commit":
            event.listen(connection, "commit", die)
        database.migrate(connection, revision)
    die()


def restore_and_die(url: str, file: Path, part: float) -> None:
    """Restore over what is there, and be killed when so much of the way (0 to 1) is behind."""

    def heard(done: int, of: int) -> None:
        if done >= part * of:
            os.kill(os.getpid(), signal.SIGKILL)

    restore(Database(url), file, NOON, heard, replace=True)
