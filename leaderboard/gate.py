"""The queue of those who want to write to SQLite."""

import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from sqlmodel import Session

T = TypeVar("T")


class Unavailable(Exception):
    """The database cannot take this now: locked, full, gone. Nothing was written; trying again later is welcome."""


@dataclass(eq=False)
class Place(Generic[T]):
    """A place in the queue of writing units; one with `work` may be done by whoever stands before it."""

    work: Callable[[Session], T] | None = None
    called: threading.Event = field(default_factory=threading.Event)
    done: bool = False
    result: T | None = None
    error: Exception | None = None

    def end(self, result: T | None = None, error: Exception | None = None) -> None:
        self.result, self.error, self.done = result, error, True

    def outcome(self) -> T:
        """What the work returned; raises what it raised."""
        if self.error is not None:
            raise self.error
        return cast("T", self.result)


class Gate:
    """Lets writing units through one at a time, first come first served, and those that may go together in groups.

    SQLite's own waiting is a lottery: under load its p99 is 20 times that of a queue. Threads queue in this process,
    processes at an flock beside the database file.
    """

    MOST = 64
    """Units in a group: whoever is last in it waits for all."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._waiting: deque[Place[Any]] = deque()
        self._busy = False
        self._local = threading.local()

    @contextmanager
    def turn(self, mine: Place[Any] | None = None) -> Iterator[list[Place[Any]]]:
        """Wait for one's turn; yields who goes through: oneself first, or nobody where one's work was done meanwhile."""
        if getattr(self._local, "inside", False):
            raise RuntimeError("a unit of work cannot begin inside another one")
        mine = mine or Place()
        with self._mutex:
            if must_wait := self._busy:
                self._waiting.append(mine)
            self._busy = True
        if must_wait:
            mine.called.wait()
        if mine.done:
            yield []
            return
        group = [mine]
        self._local.inside = True
        try:
            with self._alone_on_the_machine():
                if mine.work:
                    group += self._company()
                yield group
        finally:
            self._local.inside = False
            for place in group[1:]:
                if not place.done:
                    place.end(
                        error=Unavailable("interrupted")
                    )  # whoever led the group was ended in the middle
                place.called.set()
            with self._mutex:
                if self._waiting:
                    self._waiting.popleft().called.set()
                else:
                    self._busy = False

    def _company(self) -> list[Place[Any]]:
        found: list[Any] = []
        with self._mutex:
            while self._waiting and self._waiting[0].work and len(found) < self.MOST - 1:
                found.append(self._waiting.popleft())
        return found

    @contextmanager
    def _alone_on_the_machine(self) -> Iterator[None]:
        if self._path is None:
            yield
            return
        try:
            queue = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise Unavailable(f"the folder of the database cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(queue, fcntl.LOCK_EX)
            yield
        finally:
            os.close(queue)
