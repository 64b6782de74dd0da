"""What a plugin that hangs cannot do: take every thread of a web process, or stop the clock.

Python can end no thread from outside. So the web lets each plugin into some of its threads only, and the clock lets a plugin
work in a thread of its own, waits for so long, and goes on.
"""

import faulthandler
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 0.5
"""Seconds a delivery waits for a free lane, and after which a plugin that is still at work counts as slow."""


class Busy(Exception):
    """A plugin has been at work for too long, in as many threads as it may have."""


class Lanes:
    """Lets each source's plugin work in half of a web process's threads at once, and all plugins in all threads but one.

    A plugin takes less than a millisecond, so a lane is free at once. Where one hangs, its source waits in vain; the others and
    the pages go on. Nobody waits behind a plugin that is known to be slow.
    """

    def __init__(self, threads: int) -> None:
        self._each, self._all = max(1, threads // 2), max(1, threads - 1)
        self._changed = threading.Condition()
        self._since: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def lane(self, source: str) -> Iterator[None]:
        """Work in a lane of this source. Raises Busy when none becomes free soon."""
        began = self._enter(source)
        try:
            yield
        finally:
            with self._changed:
                self._since[source].remove(began)
                self._changed.notify_all()

    def _enter(self, source: str) -> float:
        until = time.monotonic() + PATIENCE
        with self._changed:
            while not self._is_free(source):
                now = time.monotonic()
                slow = all(began < now - PATIENCE for began in self._in_the_way(source))
                if slow or not self._changed.wait(until - now):
                    raise Busy(source)
            began = time.monotonic()
            self._since[source].append(began)
            return began

    def _is_free(self, source: str) -> bool:
        return len(self._since[source]) < self._each and sum(map(len, self._since.values())) < self._all

    def _in_the_way(self, source: str) -> list[float]:
        mine = self._since[source]
        return mine if len(mine) >= self._each else [began for some in self._since.values() for began in some]


class Hanging(Exception):
    """What was asked for is still being worked on."""


class Aside:
    """Runs work in threads of their own, one per name at a time, so that whoever asks can go on when it hangs."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._threads: dict[Hashable, threading.Thread] = {}

    def is_busy(self, name: Hashable) -> bool:
        """Whether earlier work of this name has not come to its end."""
        with self._mutex:
            thread = self._threads.get(name)
            return thread is not None and thread.is_alive()

    def run(self, name: Hashable, work: Callable[[], T], seconds: float) -> T:
        """What `work` returns or raises. Raises Hanging when it takes longer, or earlier work of this name still does."""
        outcome: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(work())
            except BaseException as error:  # noqa: BLE001 (raised again for whoever asked)
                failure.append(error)

        with self._mutex:
            earlier = self._threads.get(name)
            if earlier is not None and earlier.is_alive():
                raise Hanging("what it was given before is not done yet")
            # The end of the process need not wait for what hangs.
            thread = self._threads[name] = threading.Thread(target=run, daemon=True)
            thread.start()
        thread.join(seconds)
        if failure:
            raise failure[0]
        if not outcome:
            raise Hanging(f"not done after {seconds:g} s")
        return outcome[0]


def watch(seconds: float = 60) -> None:
    """End this process, saying where it was, when none of its threads could run for so long; another one is then started.

    Code in C that holds the interpreter and never lets go (a hopeless regular expression in a plugin) stops every thread, so
    none of them could end it: this watch runs outside of the interpreter.
    """

    def wind() -> None:
        while True:
            faulthandler.dump_traceback_later(seconds, exit=True)
            time.sleep(seconds / 10)

    threading.Thread(target=wind, daemon=True).start()
