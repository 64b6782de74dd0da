"""Watches that a translation calls nobody: no network, no other program, no file of its own."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

CALLS = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "sqlite3.",
)
"""What Python tells its audit hooks about, by the beginning of the name: https://docs.python.org/3/library/audit_events.html"""
WRITING = frozenset("wax+")

_here = threading.local()


class Called(Exception):
    """A translation called somebody; the text says what it did."""


@contextmanager
def offline() -> Iterator[None]:
    """Within it this thread calls nobody: Called is raised, also where a plugin swallowed it. Other threads go on."""
    _listen()
    outer: list[str] | None = getattr(_here, "heard", None)
    heard = _here.heard = [] if outer is None else outer
    try:
        yield
    finally:
        _here.heard = outer
        if heard:
            raise Called(heard[0])


@lru_cache(maxsize=1)
def _listen() -> None:
    """Once for the process: Python lets nobody take an audit hook away again."""
    sys.addaudithook(_hear)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    heard: list[str] | None = getattr(_here, "heard", None)
    if heard is None:
        return
    writes = (
        event == "open" and isinstance(args[0], str) and bool(WRITING & set(str(args[1] or "")))
    )  # a number instead of a name is Python's own: a module's compiled form
    if writes or event.startswith(CALLS):
        named = [str(one) for one in args if isinstance(one, str | tuple)]
        heard.append(" ".join([event, *named])[:200])
        raise Called(heard[-1])
