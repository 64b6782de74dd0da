"""An upgrade that is killed on its way: what tests/test_migrations.py lets another process do."""

import os
import signal
from itertools import count

from sqlalchemy import event

from leaderboard.database import Database


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
