"""What tests let other processes do: forked from a server that has imported this once, each starts in milliseconds."""

import multiprocessing
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from multiprocessing.context import ForkServerProcess
from typing import Any

from sqlmodel import Session

from leaderboard.database import Database
from leaderboard.ledger import post
from leaderboard.plugin import Event
from tests.make import NOON

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
