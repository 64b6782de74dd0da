"""A backup: every row as it stood at one moment, in one file that SQLite and PostgreSQL can both be restored from.

The file is a zip of one text per table, a row per line as a JSON array, and a manifest with counts and checksums. The same rows
give the same text on either database.
"""

import base64
import contextlib
import hashlib
import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ValidationError
from sqlalchemy import JSON, Boolean, Connection, Date, DateTime, Engine, LargeBinary, String, inspect, text
from sqlalchemy.engine.reflection import Inspector
from sqlmodel import SQLModel

from leaderboard import __version__
from leaderboard.check import revisions
from leaderboard.database import Database
from leaderboard.index import NAMES as OF_THE_INDEX
from leaderboard.index import OF as INDEX
from leaderboard.plugin import Invalid

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 1024 * 1024
BATCH = 1_000
"""Rows that are held in memory at once."""
SIGNS_OF_LIFE = ("person", "event", "delivery")
"""Where one of these has a row, the database is in use."""

BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error)
"""What Python's zipfile raises for a file that is cut off or changed."""

Tell = Callable[[int, int], None]
Row = list[Any]


@dataclass(frozen=True)
class Table:
    """A table as the migrations make it: its columns with their kinds, and what its rows are ordered by."""

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """What a backup holds."""

    revision: str
    made_at: datetime
    tables: int
    rows: int


class Part(BaseModel, extra="forbid"):
    """What the manifest says of one table."""

    name: str
    columns: list[str]
    rows: int
    sha256: str


class Manifest(BaseModel, extra="forbid"):
    """What a backup says of itself."""

    format: int
    made_by: str
    made_at: AwareDatetime
    revision: str
    tables: list[Part]


# ---------------------------------------------------------------- taking


def backup(db: Database, file: Path, now: datetime, tell: Tell = lambda done, of: None) -> Summary:
    """Write every row, as of one moment, to a new file; whoever writes meanwhile is not held up.

    The file appears when it is whole and on the disk, readable for its owner only. Raises Invalid where it must not be written.
    """
    if file.exists():
        raise Invalid(f"there is a {file} already; choose another name")
    if not file.absolute().parent.is_dir():
        raise Invalid(f"there is no folder {file.absolute().parent}")
    with db.snapshot() as session:
        connection = session.connection()
        revision = _revision(connection)
        tables = tables_of(revision)
        counts = {table.name: _count(connection, table.name) for table in tables}
        total, done = sum(counts.values()), 0
        parts = []
        with _appearing(file) as whole, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            for table in tables:
                digest, rows = hashlib.sha256(), 0
                with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as out:
                    for batch in _rows(connection, table):
                        lines = "".join(map(_line, batch)).encode()
                        digest.update(lines)
                        out.write(lines)
                        rows += len(batch)
                        done += len(batch)
                        tell(done, total)
                columns = [name for name, _ in table.columns]
                parts.append(Part(name=table.name, columns=columns, rows=rows, sha256=digest.hexdigest()))
            said = Manifest(
                format=FORMAT,
                made_by=f"Extra Mile {__version__}",
                made_at=now,
                revision=revision,
                tables=parts,
            )
            archive.writestr(MANIFEST, said.model_dump_json(indent=1))
    return Summary(revision, now, len(tables), done)


@contextlib.contextmanager
def _appearing(file: Path) -> Iterator[Any]:
    """A file that gets its name once it is whole and on the disk, and otherwise leaves nothing behind."""
    handle, name = tempfile.mkstemp(dir=file.absolute().parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as whole:
            yield whole
            whole.flush()
            os.fsync(whole.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(file.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _rows(connection: Connection, table: Table) -> Iterator[list[Row]]:
    """The table's rows in the order of their keys, some at a time, as they stand in a backup."""
    sqlite = connection.dialect.name == "sqlite"
    kinds = dict(table.columns)
    wanted = ", ".join(
        f'"{name}"::text' if kind == "json" and not sqlite else f'"{name}"' for name, kind in table.columns
    )
    order = ", ".join(
        f'"{name}" COLLATE "C"' if kinds[name] == "text" and not sqlite else f'"{name}"' for name in table.key
    )
    convert = [_written_sqlite if sqlite else _written_postgresql] * len(kinds)
    found = connection.exec_driver_sql(
        f'SELECT {wanted} FROM "{table.name}" ORDER BY {order}',  # noqa: S608 (names of our own tables)
        execution_options={"stream_results": True, "yield_per": BATCH},
    )
    every = [write(kind) for write, kind in zip(convert, kinds.values(), strict=True)]
    for batch in found.partitions():
        yield [[one(value) for one, value in zip(every, row, strict=True)] for row in batch]


def _line(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def _same(value: Any) -> Any:
    return value


def _optional(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _written_sqlite(kind: str) -> Callable[[Any], Any]:
    """How a value that SQLite keeps is written into a backup."""
    return {
        "boolean": _optional(bool),
        "time": _optional(lambda value: datetime.fromisoformat(value).replace(tzinfo=UTC).isoformat()),
        "bytes": _optional(lambda value: base64.b64encode(value).decode()),
    }.get(kind, _same)


def _written_postgresql(kind: str) -> Callable[[Any], Any]:
    """How a value that PostgreSQL keeps is written into a backup."""
    return {
        "time": _optional(lambda value: value.astimezone(UTC).isoformat()),
        "date": _optional(lambda value: value.isoformat()),
        "bytes": _optional(lambda value: base64.b64encode(value).decode()),
    }.get(kind, _same)


# ---------------------------------------------------------------- putting back


def restore(
    db: Database, file: Path, now: datetime, tell: Tell = lambda done, of: None, *, replace: bool = False
) -> Summary:
    """Make the database what it was at the time of the backup, on this program's tables; all of it, or nothing is changed.

    The file is read through and compared with its checksums before anything is touched. Raises Invalid where it is not a whole
    backup, is of a newer program, or the database is in use and `replace` does not say that its rows may go.
    """
    with _opened(file) as archive:
        said = _manifest(archive, file)
        tables = tables_of(said.revision)
        parts = {part.name: part for part in said.tables}
        if {name: tuple(part.columns) for name, part in parts.items()} != {
            table.name: tuple(name for name, _ in table.columns) for table in tables
        }:
            raise Invalid(
                f"{file} does not have the tables of revision {said.revision}: it is not a backup of ours"
            )
        total, done = sum(part.rows for part in said.tables), 0
        for part in said.tables:
            for lines in _checked(archive, file, part):
                done += len(lines)
                tell(done, 2 * total)
        with db.rebuilding() as connection:
            _clear(connection, set(parts), replace)
            db.migrate(connection, said.revision)
            for table in reversed(tables):  # what a migration filled in by itself
                connection.exec_driver_sql(f'DELETE FROM "{table.name}"')  # noqa: S608 (our own tables)
            for table in tables:
                for rows in _load(connection, table, _checked(archive, file, parts[table.name])):
                    done += rows
                    tell(done, 2 * total)
            _go_on_counting(connection, tables)
            db.migrate(connection)
            _pass_what_was_seen(connection, now)
    return Summary(said.revision, said.made_at, len(tables), total)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        stream = file.open("rb")
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}") from None
    with stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                yield archive
        except BROKEN as error:
            raise Invalid(f"{file} is not a backup of Extra Mile, or not all of it: {error}") from None


def _manifest(archive: zipfile.ZipFile, file: Path) -> Manifest:
    """What the file says of itself, once it is sure that this program can read it."""
    if MANIFEST not in archive.namelist() or archive.getinfo(MANIFEST).file_size > LARGEST_MANIFEST:
        raise Invalid(f"{file} is not a backup of Extra Mile")
    try:
        said = Manifest.model_validate_json(archive.read(MANIFEST))
    except ValidationError:
        raise Invalid(f"{file} is not a backup that this program can read") from None
    if said.format != FORMAT or said.revision not in revisions():
        raise Invalid(
            f"{file} was made by another version ({said.made_by}); install that one, or a newer one"
        )
    return said


def _checked(archive: zipfile.ZipFile, file: Path, part: Part) -> Iterator[list[bytes]]:
    """A table's lines, some at a time. Raises Invalid when there are not those that were written."""
    digest, rows = hashlib.sha256(), 0
    if f"{part.name}.jsonl" not in archive.namelist():
        raise Invalid(f"{file} is broken: {part.name} is missing")
    with archive.open(f"{part.name}.jsonl") as entry:
        while lines := entry.readlines(64 * 1024):
            for line in lines:
                digest.update(line)
            rows += len(lines)
            yield lines
    if (rows, digest.hexdigest()) != (part.rows, part.sha256):
        raise Invalid(f"{file} is broken: {part.name} is not as it was written")


def _clear(connection: Connection, names: set[str], replace: bool) -> None:
    """Take our tables away, unless somebody may still want them."""
    there = set(inspect(connection).get_table_names())
    if not replace and any(name in there and _count(connection, name) for name in SIGNS_OF_LIFE):
        raise Invalid("the database is in use; with --replace all that it holds gives way to the backup")
    known = names | set(SQLModel.metadata.tables) | set(INDEX) | {"alembic_version"}
    ours = [f'"{name}"' for name in sorted(there & known)]
    if connection.dialect.name == "postgresql" and ours:
        connection.exec_driver_sql(f"DROP TABLE {', '.join(ours)}")
        return
    for name in ours:
        connection.exec_driver_sql(f"DROP TABLE {name}")


def _load(connection: Connection, table: Table, parts: Iterable[list[bytes]]) -> Iterator[int]:
    """Put a table's lines into the database; yields how many went in, some at a time."""
    names = ", ".join(f'"{name}"' for name, _ in table.columns)
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        read = [_read_sqlite(kind) for _, kind in table.columns]
        marks = ", ".join("?" * len(read))
        statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608 (our own tables)
        for lines in parts:
            raw.executemany(statement, map(_parsed(read), lines))
            yield len(lines)
        return
    parse = _parsed([_optional(base64.b64decode) if kind == "bytes" else _same for _, kind in table.columns])
    with raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for lines in parts:
            for line in lines:
                copy.write_row(parse(line))
            yield len(lines)


def _parsed(convert: list[Callable[[Any], Any]]) -> Callable[[bytes], Row]:
    # Our own rows, and hashed: the strict loader's counting would take longer than all the rest.
    return lambda line: [one(value) for one, value in zip(convert, json.loads(line), strict=True)]  # noqa: TID251


def _read_sqlite(kind: str) -> Callable[[Any], Any]:
    """How SQLite keeps what stands in a backup, as SQLAlchemy writes it there."""
    return {
        "time": _optional(
            lambda value: f"{datetime.fromisoformat(value).replace(tzinfo=None):%Y-%m-%d %H:%M:%S.%f}"
        ),
        "bytes": _optional(base64.b64decode),
    }.get(kind, _same)


def _go_on_counting(connection: Connection, tables: Iterable[Table]) -> None:
    """Let PostgreSQL number new rows after the restored ones; SQLite looks at the rows themselves."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        if table.key == ("id",):
            connection.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', 'id'), max(id)) "  # noqa: S608 (ours)
                f'FROM "{table.name}" HAVING max(id) IS NOT NULL'
            )


def _pass_what_was_seen(connection: Connection, now: datetime) -> None:
    """Let the counter of changes jump past every number that a browser may have seen since the backup."""
    minutes = int((now - datetime(2020, 1, 1, tzinfo=UTC)).total_seconds() // 60)
    connection.execute(text("UPDATE pulse SET beats = beats + :more WHERE shard = 0"), {"more": minutes})


# ---------------------------------------------------------------- tables


@cache
def tables_of(revision: str) -> tuple[Table, ...]:
    """Every table of a revision, each after those it points to, as the migrations themselves make them."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Database(f"sqlite:///{folder}/scratch.db")
        try:
            scratch.upgrade(revision)
            return tuple(_tables(scratch.engine))
        finally:
            scratch.dispose()


def _tables(engine: Engine) -> list[Table]:
    found = inspect(engine)
    order = [
        name
        for name, _ in found.get_sorted_table_and_fkc_names()
        if name not in (None, "alembic_version", *OF_THE_INDEX)  # a restore makes the index anew
    ]
    return [_table(found, str(name)) for name in order]


def _table(found: Inspector, name: str) -> Table:
    columns = tuple((column["name"], _kind(column["type"])) for column in found.get_columns(name))
    return Table(name, columns, tuple(found.get_pk_constraint(name)["constrained_columns"]))


def _kind(column: Any) -> str:
    kinds = ((Boolean, "boolean"), (DateTime, "time"), (Date, "date"), (LargeBinary, "bytes"), (JSON, "json"))
    return next((kind for known, kind in (*kinds, (String, "text")) if isinstance(column, known)), "number")


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        raise Invalid("there is nothing in the database yet")
    revision = str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())
    if revision not in revisions():
        raise Invalid(f"the database's tables (revision {revision}) are newer than this program")
    return revision


def _count(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one())  # noqa: S608 (ours)
