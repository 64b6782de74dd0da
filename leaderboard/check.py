"""Look at everything an operator can get wrong, before somebody else meets it: each finding says what to do.

It asks and changes nothing, sends nothing, and calls only what the config names. It uses the drivers as they are: the tables'
classes would take longer to load than all of it takes to answer.
"""

import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from leaderboard.config import Config
from leaderboard.sqlite import sqlite_affected, sqlite_module
from leaderboard.weeks import Clock, is_zone

SOON, FAR = 3, 60
"""Seconds: a clock off by more is worth a word; one far off has signatures refused and closes weeks at a wrong hour."""
PATIENCE = 5
"""Seconds to wait for whoever is asked."""
HAS_TABLES = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'",
    "postgresql": "SELECT to_regclass('alembic_version')",
}
TRIGGERS = {
    "sqlite": (
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'points_entry'",
        {"points_entry_no_update", "points_entry_no_delete"},
    ),
    "postgresql": (
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'points_entry'::regclass AND tgenabled <> 'D'",
        {"points_entry_no_change"},
    ),
}
"""What keeps the ledger append-only: how to ask for it, and what must be there."""
MOUNTED = Path("/run/secrets")
"""Where Docker and Podman put a container's secrets, readable by all in there; nobody else is in there."""
UNFOUND = (
    "SELECT (SELECT count(*) FROM person WHERE id NOT IN (SELECT {row} FROM person_words)) "
    "+ (SELECT count(*) FROM nomination WHERE id NOT IN (SELECT {row} FROM story_words))"
)
"""How to count what search cannot find; `row` is what the database calls a row's number there."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what, how it stands, and in words what was found or what to do."""

    state: Literal["ok", "warning", "wrong"]
    what: str
    words: str


def check(config: Config, file: Path, clock: Clock) -> Iterator[Finding]:
    """Every finding, as soon as it is known; `file` is where the config was read from."""
    yield from _config(config, file)
    yield from _address(config)
    yield from _files(config, file)
    yield from _database(config, clock)
    yield from _redis(config)
    yield from _mail(config)
    yield from _helpdesks(config, clock)


def unfit(config: Config) -> str | None:
    """Why this config must not be served, and what to do; None when it may."""
    secret = config.server.secret_key.get_secret_value()
    if len(secret) < 32 or secret.strip("changemsrt ") == "":
        return (
            "[server] secret_key needs at least 32 characters that nobody knows; make one with: "
            'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    return None


# ---------------------------------------------------------------- config, address, files


def _config(config: Config, file: Path) -> Iterator[Finding]:
    if fault := unfit(config):
        yield Finding("wrong", "config", fault)
        return
    read = str(file) if file.exists() else "defaults and the environment"
    yield Finding("ok", "config", f"{read}; sources: {', '.join(config.plugins) or 'none'}")


def _address(config: Config) -> Iterator[Finding]:
    """Whether the address that people are told can be theirs."""
    url, what = config.public_url, "public_url"
    parts = urlsplit(url)
    if _is_this_machine(parts.hostname or ""):
        words = f"{url} is this machine only; set [server] public_url to the address that people and helpdesks use"
        yield Finding("warning", what, words)
    elif parts.scheme == "http":
        words = f"{url} carries passwords and sessions in the clear; put a proxy with TLS before it, and write https://"
        yield Finding("warning", what, words)
    elif not config.server.trusted_proxies:
        words = (
            f"{url} needs a proxy with TLS before this program; set [server] trusted_proxies = 1, "
            "or all visitors count as one when somebody guesses passwords"
        )
        yield Finding("warning", what, words)
    else:
        yield Finding("ok", what, url)


def _is_this_machine(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _files(config: Config, file: Path) -> Iterator[Finding]:
    """Whether what is secret can be read by everybody on this machine."""
    secret = [*_secret_files(file)]
    if file.exists() and any(value in file.read_text("utf-8-sig") for value in _secrets(config)):
        secret.append(file)
    if path := _sqlite_file(config):
        secret += [path, path.with_name(f"{path.name}-wal")]
    open_to_all = [str(path) for path in secret if _others_can_read(path)]
    if open_to_all:
        yield Finding(
            "wrong",
            "permissions",
            f"everybody on this machine can read {', '.join(open_to_all)}; run: chmod o= {' '.join(open_to_all)}",
        )
    else:
        yield Finding("ok", "permissions", "what is secret is for the service's user and group only")


def _secret_files(file: Path) -> Iterator[Path]:
    """What { file = "path" } in the config points to."""

    def inside(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if set(value) == {"file"} and isinstance(value["file"], str):
                yield value["file"]
            else:
                for item in value.values():
                    yield from inside(item)

    if file.exists():
        yield from (file.parent / name for name in inside(tomllib.loads(file.read_text("utf-8-sig"))))


def _secrets(value: Any) -> Iterator[str]:
    """Every secret the config holds, passwords inside addresses too."""
    if isinstance(value, SecretStr):
        yield from filter(None, [value.get_secret_value()])
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, str) and (found := re.match(r"[a-z]+://[^/@:]*:([^/@]+)@", value)):
        yield found[1]


def _others_can_read(path: Path) -> bool:
    """Whether a stranger on this machine can read the file: it is open, and so is the way to it."""
    if not path.exists():
        return False
    path = path.resolve()
    if path.is_relative_to(MOUNTED) or not path.stat().st_mode & stat.S_IROTH:
        return False
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)


# ---------------------------------------------------------------- the database


def _database(config: Config, clock: Clock) -> Iterator[Finding]:
    path = _sqlite_file(config)
    if path is not None and not path.exists():
        yield Finding("wrong", "database", f"{path} is not there yet; run: leaderboard db upgrade")
        return
    kind = "postgresql" if path is None else "sqlite"
    try:
        with _connected(config, path) as ask:
            yield from _engine(ask, kind)
            revision = _revision(ask, kind)
            yield _migrated(revision)
            if revision is None:
                return
            yield _writable(ask)
            yield _append_only(ask, kind)
            if kind == "postgresql":
                yield _clock_of_postgresql(ask, clock)
            if revision == head():
                yield _search(ask, kind)
                yield _zones(ask)
                yield from _channels(ask, config)
    except driver_errors() as error:
        words = f"it cannot be used: {_line(error)}; is it running, and is [database] url right?"
        yield Finding("wrong", "database", words)


Ask = Callable[[str], list[Any]]
"""Run one statement and give its rows."""


@contextmanager
def _connected(config: Config, path: Path | None) -> Iterator[Ask]:
    connection: Any
    if path is None:
        import psycopg

        connection = psycopg.connect(config.database.url, connect_timeout=PATIENCE, autocommit=True)
    else:
        connection = sqlite_module().connect(
            f"file:{path}?mode=rw", uri=True, timeout=PATIENCE, isolation_level=None
        )

    def ask(statement: str) -> list[Any]:
        cursor = connection.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []

    try:
        yield ask
    finally:
        connection.close()


def driver_errors() -> tuple[type[Exception], ...]:
    """What the drivers raise when a database cannot be asked."""
    import psycopg

    return psycopg.Error, sqlite_module().Error


def _sqlite_file(config: Config) -> Path | None:
    if not config.database.url.startswith("sqlite:///"):
        return None
    return Path(unquote(config.database.url.removeprefix("sqlite:///").partition("?")[0]))


def _engine(ask: Ask, kind: str) -> Iterator[Finding]:
    if kind == "postgresql":
        yield Finding("ok", "database", f"PostgreSQL {ask('SHOW server_version')[0][0]}")
        return
    version = ask("SELECT sqlite_version()")[0][0]
    if sqlite_affected(version):
        words = (
            f"SQLite {version} has a bug that can damage the file when several programs use it (WAL reset); install the "
            "package pysqlite3, or Python with SQLite 3.51.3 or newer, or use PostgreSQL"
        )
        yield Finding("warning", "database", words)
    else:
        yield Finding("ok", "database", f"SQLite {version}, without the bug of its write-ahead log")


def _revision(ask: Ask, kind: str) -> str | None:
    if not ask(HAS_TABLES[kind])[0][0]:
        return None
    rows = ask("SELECT version_num FROM alembic_version")
    return str(rows[0][0]) if rows else None


def revisions() -> dict[str, str | None]:
    """Every step of the tables, with the one before it."""
    found = {}
    for file in sorted((Path(__file__).parent / "migrations" / "versions").glob("[0-9]*.py")):
        said = dict(
            re.findall(
                r'^(revision|down_revision) = (?:"(\w+)"|None)$', file.read_text("utf-8"), re.MULTILINE
            )
        )
        found[said["revision"]] = said["down_revision"] or None
    return found


def head() -> str:
    """The newest step of the tables that this program knows."""
    known = revisions()
    return next(step for step in known if step not in known.values())


def _migrated(revision: str | None) -> Finding:
    if revision == head():
        return Finding("ok", "tables", f"revision {revision}, as this program needs them")
    if revision is None:
        return Finding("wrong", "tables", "there are none yet; run: leaderboard db upgrade")
    if revision in revisions():
        return Finding(
            "wrong", "tables", f"revision {revision} is older than the program; run: leaderboard db upgrade"
        )
    words = f"revision {revision} is newer than this program; install the version that made it"
    return Finding("wrong", "tables", words)


def _writable(ask: Ask) -> Finding:
    try:
        ask("UPDATE alembic_version SET version_num = version_num")  # a real write that changes nothing
    except driver_errors() as error:
        words = (
            f"it cannot be written: {_line(error)}; look for room on the disk and for the owner of the file"
        )
        return Finding("wrong", "writing", words)
    return Finding("ok", "writing", "the database takes a write")


def _append_only(ask: Ask, kind: str) -> Finding:
    statement, needed = TRIGGERS[kind]
    missing = needed - {row[0] for row in ask(statement)}
    if missing:
        words = f"the ledger could be changed: {', '.join(sorted(missing))} is missing; run: leaderboard db upgrade"
        return Finding("wrong", "ledger", words)
    return Finding("ok", "ledger", "append-only")


def _search(ask: Ask, kind: str) -> Finding:
    unfound = ask(UNFOUND.format(row="rowid" if kind == "sqlite" else "id"))[0][0]
    if unfound:
        words = f"it does not find {unfound} of the people and stories; run: leaderboard db upgrade"
        return Finding("wrong", "search", words)
    return Finding("ok", "search", "finds all people and stories")


def _clock_of_postgresql(ask: Ask, clock: Clock) -> Finding:
    before = clock()
    theirs = datetime.fromtimestamp(float(ask("SELECT extract(epoch FROM clock_timestamp())")[0][0]), UTC)
    return _skew(theirs - before, clock() - before, "the database's server")


def _zones(ask: Ask) -> Finding:
    zones = {row[0] for row in ask("SELECT timezone FROM team")}
    unknown = sorted(zone for zone in zones if not is_zone(zone))
    if unknown:
        words = f"this machine does not know {', '.join(unknown)}; run: pip install --upgrade tzdata"
        return Finding("wrong", "time zones", words)
    return Finding("ok", "time zones", f"those of all teams are known ({len(zones)})")


def _channels(ask: Ask, config: Config) -> Iterator[Finding]:
    """Whether each team's announcements would find their way; nothing is sent."""
    rows = ask(
        "SELECT team.name, channel.name, channel.kind, channel.target FROM channel JOIN team ON team.id = team_id "
        "WHERE channel.active ORDER BY channel.id"
    )
    for team, name, kind, target in rows:
        from leaderboard import announcements

        what = f"channel {name!r} of {team}"
        if kind == "email":
            if not config.mail.server:
                words = "it sends mail, and no mail server is configured; set [mail] server"
                yield Finding("wrong", what, words)
            continue
        try:
            yield Finding("ok", what, announcements.reach(config, target))
        except announcements.NotSent as error:
            yield Finding("wrong", what, f"{error}; mend it on /lead, or take it away there")


# ---------------------------------------------------------------- whom we call


def _redis(config: Config) -> Iterator[Finding]:
    if not config.redis.url:
        if config.server.processes > 1:
            words = "[server] processes is more than 1, so limits against guessing must be shared; set [redis] url"
            yield Finding("wrong", "redis", words)
        return
    import redis

    client = redis.Redis.from_url(config.redis.url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
    try:
        client.ping()
    except redis.RedisError as error:
        words = f"it does not answer ({type(error).__name__}); is it running, and is [redis] url right?"
        yield Finding("wrong", "redis", words)
    else:
        yield Finding("ok", "redis", "answers")
    finally:
        client.close()


def _mail(config: Config) -> Iterator[Finding]:
    if not config.mail.server:
        words = "none is sent: nobody can reset a password by mail; set [mail] server"
        yield Finding("warning", "mail", words)
        return
    from leaderboard.announcements import mail

    try:
        mail.reach(config)
    except mail.NotSent as error:
        yield Finding("wrong", "mail", f"{error}; compare [mail] with what the server wants")
    else:
        signed_in = " and lets us sign in" if config.mail.username else ""
        yield Finding("ok", "mail", f"{config.mail.server} answers{signed_in}")


def _helpdesks(config: Config, clock: Clock) -> Iterator[Finding]:
    """Whether each helpdesk that is pulled can be reached, and what time it has."""
    for source, plugin in config.plugins.items():
        if (address := plugin.api_url()) is None:
            continue
        import httpx

        from leaderboard import outgoing
        from leaderboard.plugin import Answer

        url, before = httpx.URL(address), clock()
        try:
            with outgoing.client({url.host}, config.pull_hosts, seconds=PATIENCE) as http:
                if url.scheme not in ("http", "https"):  # a mail server tells no time
                    http.reach(url.host, url.port or 0).close()
                    yield Finding("ok", source, f"{url.host} answers")
                    continue
                answer = http.head(url.copy_with(path="/"))
        except (httpx.HTTPError, OSError) as error:
            words = f"{url.host} cannot be reached ({type(error).__name__}); pulls wait, webhooks may come all the same"
            yield Finding("warning", source, words)
            continue
        yield Finding("ok", source, f"{url.host} answers")
        if (theirs := Answer(None, answer.headers).served_at) is not None:
            yield _skew(theirs - before, clock() - before, url.host)


def _skew(ahead: Any, waited: Any, whose: str) -> Finding:
    """What to say of another clock that is `ahead` of ours, when the answer took `waited`: it may be off by as much."""
    off = abs(ahead.total_seconds()) - waited.total_seconds()
    if off < SOON:
        return Finding("ok", "clock", f"agrees with {whose}")
    words = f"differs from {whose} by about {off:.0f} s; set this machine's clock (NTP)"
    return Finding("wrong" if off >= FAR else "warning", "clock", words)


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
