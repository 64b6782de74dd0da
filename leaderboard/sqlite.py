"""Which SQLite serves us, and whether it can damage its file. Stands apart from `database` to be quick to import."""

import sqlite3
from types import ModuleType


def sqlite_module() -> ModuleType:
    """pysqlite3 where it is installed (it carries a SQLite without the WAL-reset bug), else Python's own."""
    try:
        import pysqlite3.dbapi2 as module
    except ImportError:
        return sqlite3
    return module  # type: ignore[no-any-return]


def sqlite_affected(version: str) -> bool:
    """Whether this SQLite has the WAL-reset bug (3.7.0 to 3.51.2, mended in 3.44.6, 3.50.7 and 3.51.3)."""
    number = tuple(int(part) for part in version.split("."))
    if number[:2] == (3, 44):
        return number < (3, 44, 6)
    if number[:2] == (3, 50):
        return number < (3, 50, 7)
    return (3, 7, 0) <= number < (3, 51, 3)
