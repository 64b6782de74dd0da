"""The engine, units of work, and migrations, for SQLite and PostgreSQL."""

import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import ARRAY, Connection, Engine, Text, bindparam, create_engine, event, func, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlmodel import Session

from leaderboard import index
from leaderboard.gate import Gate, Place
from leaderboard.gate import Unavailable as Unavailable  # what units of work raise
from leaderboard.sqlite import sqlite_module
from leaderboard.statements import Statement, dialect_of, run_text
from leaderboard.tables import Pulse

T = TypeVar("T")
log = logging.getLogger(__name__)

PULSE_SHARDS = 16
READ_ONLY = "25006"
"""What PostgreSQL answers a write as a standby, or when its operator has told it to take none."""


class Database:
    """One database and how to work with it.

    `reading()` gives a session that sees one state; `writing()` gives one unit of work: all of it is committed at the end, or
    nothing. Network and hashing belong outside both.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgresql_engine(url, pool_size)
        path = self.url.database if self.is_sqlite else None
        self._kept = Kept()
        self._seat = Seat(self.engine)
        self._gate = Gate(Path(f"{path}.queue") if path and path != ":memory:" else None)

    @contextmanager
    def reading(self, beats: int | None = None) -> Iterator[Session]:
        """A session for questions; what it changed by mistake is rolled back. `beats`: the pulse, where it was just asked."""
        info = {"kept": self._kept, "beats": beats}
        try:
            with Session(self.engine, expire_on_commit=False, info=info) as session:
                yield session
        except OperationalError as error:
            raise Unavailable(_reason(error)) from error

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session for long questions that must fit together: it sees one moment, whatever is written meanwhile."""
        with self.reading() as session:
            if not self.is_sqlite:  # SQLite's transactions see one moment anyway
                session.connection(
                    execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                )
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One unit of work. Raises Unavailable when the database cannot begin or commit it; nothing is then written."""
        with self._gate.turn() if self.is_sqlite else nullcontext(), self._unit() as session:
            yield session

    @contextmanager
    def _unit(self) -> Iterator[Session]:
        with _unavailable(), Session(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite:
                session.connection(execution_options={"begin_immediate": True})
            yield session
            session.commit()

    def write(self, work: Callable[[Session], T], tries: int = 5, *, together: bool = False) -> T:
        """Run a unit of work, again when PostgreSQL broke a deadlock or a serialisation conflict in it.

        With `together` it may share its commit on SQLite with others that wait at the same moment: the disk is asked once for
        all of them. Such work runs in any thread, and twice where one of its company fails.
        """
        if together and self.is_sqlite:
            mine: Place[T] = Place(work)
            with self._gate.turn(mine) as group:
                if group:
                    self._commit(group)
            return mine.outcome()
        for attempt in range(1, tries + 1):
            try:
                with self.writing() as session:
                    return work(session)
            except Unavailable as error:
                code = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None)
                if code not in ("40P01", "40001") or attempt == tries:
                    raise
                time.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311 (spreads waiters, hides nothing)
        raise AssertionError("unreachable")

    def _commit(self, group: Sequence["Place[Any]"]) -> None:
        """Do the work of all in one unit; each alone where that fails, so that nobody suffers from another's fault."""
        found: list[Any] = []
        try:
            with _unavailable(), self._seat.unit() as session:
                for place in group:
                    found.append(place.work(session) if place.work else None)
                    session.flush()
        except Unavailable as error:
            for place in group:
                place.end(error=Unavailable(str(error)))
        except Exception as error:  # noqa: BLE001 (each gets its own error back, in its own thread)
            if len(group) > 1:
                for place in group:
                    self._commit([place])
            else:
                group[0].end(error=error)
        else:
            for place, result in zip(group, found, strict=True):
                place.end(result)

    def dispose(self) -> None:
        """Close every connection (after a fork, before a restore)."""
        self._seat.give_up()
        self.engine.dispose()

    def version(self) -> str:
        """The database's own version, as "SQLite 3.53.4"."""
        with self.reading() as session:
            if self.is_sqlite:
                return (
                    f"SQLite {session.connection().exec_driver_sql('select sqlite_version()').scalar_one()}"
                )
            return f"PostgreSQL {session.connection().exec_driver_sql('show server_version').scalar_one()}"

    # --- migrations ---------------------------------------------------------------------------------------

    def upgrade(self, revision: str = "head") -> None:
        """Bring the tables up to date, all or nothing, and put the ledger's triggers back."""
        with self.rebuilding() as connection:
            self.migrate(connection, revision)

    @contextmanager
    def rebuilding(self) -> Iterator[Connection]:
        """One transaction that may make, change and drop tables; all of it is committed at the end, or nothing.

        Foreign keys are looked at once, at its end, and ledger and index get their triggers then: a table that SQLite rebuilds
        is gone for a moment, and loses them. What the index has not is taken in.
        """
        with self._gate.turn() if self.is_sqlite else nullcontext(), self.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            if self.is_sqlite:
                raw.execute("PRAGMA foreign_keys=OFF")  # inside a transaction it would do nothing
                connection = connection.execution_options(begin_immediate=True)
            try:
                with connection.begin():
                    yield connection
                    if inspect(connection).has_table(LEDGER):  # not on the way down to nothing
                        for statement in ledger_triggers(connection.dialect.name):
                            connection.exec_driver_sql(statement)
                    if inspect(connection).has_table(INDEX):
                        for statement in index.triggers(connection.dialect.name):
                            connection.exec_driver_sql(statement)
                        index.fill(connection)
                    if self.is_sqlite:
                        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(5)
                        if broken:
                            raise RuntimeError(f"rows would be left without what they point to: {broken}")
            finally:
                if self.is_sqlite:
                    raw.execute("PRAGMA foreign_keys=ON")

    def migrate(self, connection: Connection, revision: str = "head") -> None:
        """Bring the tables to a revision, inside `rebuilding`."""
        from alembic import command  # 385 ms: only where it is used

        command.upgrade(self._alembic(connection), revision)

    def is_new(self) -> bool:
        """Whether nothing of ours is in the database yet."""
        with self.engine.connect() as connection:
            return not inspect(connection).has_table("alembic_version")

    def pending(self) -> bool:
        """Whether the tables are older than the program."""
        from alembic.migration import MigrationContext
        from alembic.script import ScriptDirectory

        with self.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        return current != ScriptDirectory.from_config(self._alembic()).get_current_head()

    def differs(self) -> list[Any]:
        """What autogenerate would still change: empty when migrations and tables.py agree."""
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext
        from sqlmodel import SQLModel

        with self.engine.connect() as connection:
            opts = {"compare_type": True, "include_object": _is_ours}
            context = MigrationContext.configure(connection, opts=opts)
            return list(compare_metadata(context, SQLModel.metadata))

    def _alembic(self, connection: Connection | None = None) -> Any:
        from alembic.config import Config as AlembicConfig

        config = AlembicConfig()
        config.set_main_option(
            "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
        )
        config.attributes["connection"] = connection
        return config


class Seat:
    """Where units that go together write on SQLite, one after the other: connection and session are kept from one to the next,
    for making them takes longer than a fact's rows. Where one fails both are new for the next."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: tuple[Connection, Session] | None = None

    @contextmanager
    def unit(self) -> Iterator[Session]:
        """Commits at the end, or nothing. The caller is alone here: the gate sees to it."""
        connection, session = self._kept or self._made()
        self._kept = connection, session
        try:
            with connection.begin():
                yield session
                session.flush()
        except BaseException:
            self.give_up()
            raise
        if session.identity_map:  # facts load no objects
            session.expunge_all()
        session.info.pop("beat", None)

    def _made(self) -> tuple[Connection, Session]:
        connection = self._engine.connect().execution_options(begin_immediate=True)
        return connection, Session(connection, expire_on_commit=False)

    def give_up(self) -> None:
        """Close what is kept."""
        kept, self._kept = self._kept, None
        for one in reversed(kept or ()):
            one.close()


@contextmanager
def _unavailable() -> Iterator[None]:
    """Say in one way that the database cannot begin or commit."""
    try:
        yield
    except OperationalError as error:
        raise Unavailable(_reason(error)) from error
    except InternalError as error:
        if getattr(error.orig, "sqlstate", None) != READ_ONLY:
            raise
        raise Unavailable(_reason(error)) from error


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(
        url,
        module=sqlite_module(),
        connect_args={"timeout": 5, "check_same_thread": False},
        pool_size=16,
        max_overflow=64,
        pool_use_lifo=True,  # whoever writes next has the last writer's pages at hand: SQLite drops them when another one wrote
        hide_parameters=True,  # an error's text goes to the log, and values hold people's words, hashes, tokens
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we begin ourselves; the driver's deferred BEGIN loses updates
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "recursive_triggers=ON",  # without it REPLACE would delete ledger lines past the trigger
            "cache_size=-65536",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        immediate = connection.get_execution_options().get("begin_immediate")
        run_text(connection, "BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _postgresql_engine(url: str, pool_size: int) -> Engine:
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=20,
        pool_pre_ping=True,
        pool_timeout=5,
        hide_parameters=True,
        connect_args={"connect_timeout": 5, "options": "-c lock_timeout=10s -c timezone=UTC"},
    )


def _reason(error: DBAPIError) -> str:
    return str(error.orig).strip().split("\n")[0]


def insert(session: Session, table: Any) -> Any:
    """This database's INSERT, which knows ON CONFLICT."""
    return insert_of(session.get_bind().dialect.name, table)


def insert_of(dialect: str, table: Any) -> Any:
    """The INSERT of "sqlite" or "postgresql"."""
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def upsert(table: Any, *, adding: bool = False) -> Statement:
    """INSERT of a whole row; where its primary key is there, the rest is overwritten, or added to."""

    def of(dialect: str) -> Any:
        statement = insert_of(dialect, table)
        new = statement.excluded
        rest = [column for column in table.columns if not column.primary_key]
        return statement.on_conflict_do_update(
            index_elements=[column.name for column in table.primary_key],
            set_={column.name: column + new[column.name] if adding else new[column.name] for column in rest},
        )

    return Statement(of)


def is_postgresql(session: Session) -> bool:
    return dialect_of(session) == "postgresql"


_name = func.unnest(bindparam("names", type_=ARRAY(Text))).column_valued("name")
_keys = select(func.hashtextextended(_name, 0).label("key")).order_by("key").subquery()
LOCK_NAMES = Statement(select(func.pg_advisory_xact_lock(_keys.c.key).label("held")))


def lock_names(session: Session, names: set[str]) -> None:
    """Hold these names until the unit of work ends: transaction locks on PostgreSQL, in order. SQLite has one writer."""
    if is_postgresql(session) and names:
        LOCK_NAMES.run(session, {"names": sorted(names)})


BEAT = upsert(Pulse.__table__, adding=True)  # type: ignore[attr-defined]


def beat(session: Session, shard: int = 0) -> None:
    """Say that something a page shows has changed; pages answer 304 while nothing did. Once in a unit of work is enough."""
    unit = session.get_nested_transaction() or session.get_transaction()
    if unit is not None and session.info.get("beat") is unit:
        return
    BEAT.run(session, {"shard": shard % PULSE_SHARDS, "beats": 1})
    session.info["beat"] = session.get_nested_transaction() or session.get_transaction()


BEATS = Statement(select(func.coalesce(func.sum(Pulse.__table__.c.beats), 0).label("beats")))  # type: ignore[attr-defined]


def pulse(session: Session) -> int:
    """Grows with every change that a page may show; equal numbers mean that nothing did. One reading asks once."""
    beats = session.info.get("beats")
    if beats is None:
        beats = int(BEATS.scalar(session, {}))
        if "kept" in session.info:
            session.info["beats"] = beats
    return int(beats)


class Kept:
    """What was worked out from the database, each with the pulse it is true for; beyond `most` the oldest goes."""

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._mutex = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[int, Any]] = OrderedDict()

    def get(self, name: Hashable, beats: int, make: Callable[[], T]) -> T:
        with self._mutex:
            known = self._known.get(name)
        if known and known[0] == beats:
            return cast("T", known[1])
        made = make()
        with self._mutex:
            self._known[name] = (beats, made)
            self._known.move_to_end(name)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return made


def kept(session: Session, name: Hashable, make: Callable[[], T]) -> T:
    """What `make` says, asked again only after something has changed; in a writing unit, which may yet be undone, always."""
    known: Kept | None = session.info.get("kept")
    if known is None:
        return make()
    # The pulse is asked first: newer data under an older pulse does no harm.
    return known.get(name, pulse(session), make)


LEDGER = "points_entry"
INDEX = "story_words"


def _is_ours(_object: Any, name: str | None, *_more: Any) -> bool:
    """Whether tables.py speaks of it: the index is made by its migration alone."""
    return name not in index.NAMES


def ledger_triggers(dialect: str) -> list[str]:
    """Statements that make the ledger append-only, safe to repeat; run after every migration (a rebuilt table loses them)."""
    if dialect == "sqlite":
        refuse = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        return [
            statement
            for act in ("update", "delete")
            for statement in (
                f"DROP TRIGGER IF EXISTS {LEDGER}_no_{act}",
                f"CREATE TRIGGER {LEDGER}_no_{act} BEFORE {act} ON {LEDGER} {refuse}",
            )
        ]
    raises = "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
    when = "BEFORE UPDATE OR DELETE OR TRUNCATE"
    return [
        f"CREATE OR REPLACE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS {raises}",
        f"DROP TRIGGER IF EXISTS {LEDGER}_no_change ON {LEDGER}",
        f"CREATE TRIGGER {LEDGER}_no_change {when} ON {LEDGER} EXECUTE FUNCTION ledger_is_append_only()",
    ]
