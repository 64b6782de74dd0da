"""Loading a library without what it would take along for uses that are not ours."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """A library that is first loaded inside finds this one not installed, and must be one that can do without.

    None in the module cache means just that: https://docs.python.org/3/reference/import.html#the-module-cache. What is loaded
    already stays, and afterwards everybody can load it.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
