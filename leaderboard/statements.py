"""Statements that every delivery runs: written in Core, compiled once, then handed to the driver as they are.

SQLAlchemy's own way to the driver costs several times what SQLite needs for a row: keys of caches, contexts, results. Here it
compiles, and says how each type is written and read; the rest is one call.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

from sqlalchemy import BindParameter
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.visitors import replacement_traverse
from sqlmodel import Session
from sqlmodel.sql.sqltypes import UTCDateTime


class Statement:
    """A statement with named parameters, or for each dialect's name one. Its values always have the same names."""

    def __init__(self, core: Any) -> None:
        self._core = core
        self._ready: dict[str, _Ready] = {}

    def all(self, session: Session, values: Mapping[str, Any]) -> list[Any]:
        """Every row."""
        ready, cursor = self._run(session, values)
        return ready.rows(cursor.fetchall())

    def each(self, session: Session, values: Mapping[str, Any]) -> Iterator[Any]:
        """One row after the other, where they are too many to hold."""
        ready, cursor = self._run(session, values)
        return ready.each(cursor)

    def first(self, session: Session, values: Mapping[str, Any]) -> Any | None:
        """The first row, or None."""
        ready, cursor = self._run(session, values)
        found = cursor.fetchone()
        cursor.close()
        return None if found is None else ready.row(found)

    def scalar(self, session: Session, values: Mapping[str, Any]) -> Any:
        """The first value of the first row, or None."""
        found = self.first(session, values)
        return None if found is None else found[0]

    def run(self, session: Session, values: Mapping[str, Any]) -> None:
        """Change what it changes."""
        self._run(session, values)

    def run_many(self, session: Session, values: Sequence[Mapping[str, Any]]) -> None:
        """The same for each of these, in their order."""
        if not values:
            return
        connection, dialect, driver = _way(session)
        ready = self._ready.get(dialect) or self._of(connection, values[0])
        cursor = driver.cursor()
        try:
            cursor.executemany(ready.sql, [ready.parameters(one) for one in values])
        except ready.error as error:
            raise ready.wrapped(error) from error
        finally:
            cursor.close()

    def _run(self, session: Session, values: Mapping[str, Any]) -> tuple["_Ready", Any]:
        connection, dialect, driver = _way(session)
        ready = self._ready.get(dialect) or self._of(connection, values)
        try:
            return ready, driver.execute(ready.sql, ready.parameters(values))
        except ready.error as error:
            raise ready.wrapped(error) from error

    def _of(self, connection: Any, values: Mapping[str, Any]) -> "_Ready":
        dialect = connection.dialect
        core = self._core(dialect.name) if callable(self._core) else self._core
        ready = self._ready[dialect.name] = _Ready(core, dialect, values)
        return ready


def _way(session: Session) -> tuple[Any, str, Any]:
    """The session's connection, its dialect's name, and the driver's own connection."""
    known: tuple[Any, str, Any] | None = session.info.get("way")
    if known is None or known[0].closed:  # asking the session each time takes longer than SQLite's answer
        connection = session.connection()
        known = connection, connection.dialect.name, connection.connection.driver_connection
        session.info["way"] = known
    return known


def dialect_of(session: Session) -> str:
    """ "sqlite" or "postgresql"."""
    return _way(session)[1]


def run_text(connection: Any, sql: str) -> None:
    """A text without values, as BEGIN. Raises as SQLAlchemy does."""
    error = connection.dialect.dbapi.Error
    try:
        connection.connection.driver_connection.execute(sql)
    except error as raised:
        raise DBAPIError.instance(sql, None, raised, error, dialect=connection.dialect) from raised


def _written_out(element: Any, **_: Any) -> Any:
    """A constant stands in the text: SQLite would plan a statement anew each time where LIMIT or a range is a parameter."""
    if isinstance(element, BindParameter) and not element.required:
        return element.render_literal_execute()
    return None


def _picking(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    """What takes these values in their order; itemgetter gives no tuple of one."""
    return itemgetter(*names) if len(names) > 1 else lambda values: [values[name] for name in names]


def _reader(kind: Any, dialect: Any) -> Any:
    """How the driver's value becomes ours; None where it is ours already."""
    if dialect.name == "sqlite" and isinstance(kind, UTCDateTime):
        return _moment  # the type's own two steps take four times as long
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _writer(kind: Any, dialect: Any) -> Any:
    """How our value becomes the driver's; None where it is that already."""
    if dialect.name == "sqlite" and isinstance(kind, UTCDateTime):
        return _written  # a fact's moments are the same few in all its rows
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


def _written(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    if moment.utcoffset() is None:
        raise ValueError("a moment without a time zone")
    return _text(moment if moment.tzinfo is UTC else moment.astimezone(UTC))


@lru_cache(maxsize=256)
def _text(moment: datetime) -> str:
    """Of a moment in UTC: elsewhere the two hours when the clocks go back are equal to Python."""
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


class _Ready:
    """A statement compiled for one dialect."""

    def __init__(self, core: Any, dialect: Any, values: Mapping[str, Any]) -> None:
        compiled = replacement_traverse(core, {}, _written_out).compile(
            dialect=dialect, column_keys=list(values)
        )
        state = compiled.construct_expanded_state(dict(values))
        self.sql = state.statement
        self.error = dialect.dbapi.Error
        self._dialect = dialect
        self._positional = compiled.positional
        self._names = list(state.positiontup if compiled.positional else state.parameters)
        self._pick = _picking(self._names)
        self._fixed = {name: state.parameters[name] for name in self._names if name not in values}  # OFFSET 0
        self._writers: list[tuple[int, Any]] = []
        for place, name in enumerate(self._names):
            known = compiled.binds.get(name)
            write: Any = state.processors.get(name)
            if known is not None:
                write = _writer(known.type, dialect)
            if write:
                self._writers.append((place, write))
        columns = list(core.exported_columns)
        self._readers = [
            (place, read) for place, column in enumerate(columns) if (read := _reader(column.type, dialect))
        ]
        self._make: Any = tuple
        if columns:
            row: Any = namedtuple("Row", [column.key for column in columns])  # type: ignore[misc]
            self._make = partial(tuple.__new__, row)

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """As the driver takes them: in order or by name, each in the form its type is written."""
        found = self._pick({**values, **self._fixed} if self._fixed else values)
        if self._writers:
            found = list(found)
            for place, write in self._writers:
                found[place] = write(found[place])
        return found if self._positional else dict(zip(self._names, found, strict=True))

    def rows(self, found: Sequence[Any]) -> list[Any]:
        """Each of them as a row."""
        return list(self.each(found))

    def each(self, found: Iterable[Any]) -> Iterator[Any]:
        """One after the other."""
        return map(self.row if self._readers else self._make, found)

    def row(self, found: Sequence[Any]) -> Any:
        """A row with names, each value in the form its type is read."""
        if self._readers:
            found = list(found)
            for place, read in self._readers:
                found[place] = read(found[place])
        return self._make(found)

    def wrapped(self, error: Exception) -> BaseException:
        """The driver's error as SQLAlchemy raises it, without the values: they may be anybody's words."""
        return DBAPIError.instance(
            self.sql, None, error, self.error, hide_parameters=True, dialect=self._dialect
        )
