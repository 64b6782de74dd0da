"""What tests let other processes do: forked from a server that has imported this once, each starts in milliseconds."""

import multiprocessing
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from multiprocessing.context import ForkServerProcess
from typing import Any

from sqlalchemy import event, text
from sqlmodel import Session

from leaderboard import audit, deliveries
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.ledger import post
from leaderboard.plugin import Event
from tests.make import NOON
from tests.plugins.pulls import zendesk
from tests.plugins.tools import ZendeskTool

MORNING = NOON - timedelta(hours=12)


def start(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """A process that runs `work`, one of this module's; `.kill()` is a SIGKILL."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "tests.workers", "tests.failpoints"])
    process = context.Process(target=work, args=arguments)
    process.start()
    return process


def award(url: str, lane: int, each: int) -> None:
    """Post so many facts for the same two people, one unit of work each."""
    database = Database(url)

    def work(session: Session, number: int) -> None:
        # Made inside the unit of work, so that facts come (nearly) in order: each is added to what the last one left, and a
        # lost update would stay lost. Out of order, the week is counted again and would heal.
        at = MORNING + timedelta(seconds=time.monotonic() % 40_000)
        who = ("ana@example.com", "ben@example.com")[number % 2]
        post(session, "desk", [Event(f"article/{lane}/{number}", "knowledge.shared", at, (who,))], NOON)

    for number in range(each):
        database.write(partial(work, number=number))
    database.dispose()


def boards(database: Database) -> str:
    """Every score, tally and credit, a line each, in an order that is not the database's."""
    queries = {
        "score": "SELECT team_id, period, guideline, person_id, points FROM score WHERE points <> 0",
        "tally": "SELECT person_id, week, colleague, customer, promise, work, last_key FROM tally "
        "WHERE colleague + customer + promise + work > 0",
        "credit": "SELECT id, points FROM credit",
    }
    with database.reading() as session:
        lines = [
            f"{name} {' '.join(map(str, row))}"
            for name, query in queries.items()
            for row in session.execute(text(query))
        ]
    return "\n".join(sorted(lines)) + "\n"


def rebuild(url: str) -> None:
    """Rebuild, reading rows the other way round where nobody asked for an order, and print the boards."""
    database = Database(url)
    if database.is_sqlite:

        @event.listens_for(database.engine, "connect")
        def _connect(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA reverse_unordered_selects=ON")

    audit.rebuild(database, NOON)
    sys.stdout.write(boards(database))
    database.dispose()


def pull(url: str, address: str) -> None:
    """Pull a Zendesk that answers at this address, to its end."""
    tool = ZendeskTool()
    tool.address = address
    config = Config(plugins={"zendesk": zendesk(tool).make()}, pull_hosts=("127.0.0.1",))
    database = Database(url)
    deliveries.pull(database, config, "zendesk", lambda: NOON)
    database.dispose()
