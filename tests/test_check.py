"""`leaderboard check`: what an operator can get wrong is found, and the finding says what to do."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from leaderboard import weeks
from leaderboard.check import Finding, check, head
from leaderboard.config import load
from leaderboard.database import Database
from leaderboard.tables import Channel, Team
from tests.conftest import Mailbox
from tests.make import Company
from tests.test_commands import SECRET, Shell

PUBLIC = 'public_url = "https://points.example.com"\ntrusted_proxies = 1\n'


def findings(shell: Shell, clock: Callable[[], datetime] = weeks.now) -> dict[str, Finding]:
    """What is found, by what was looked at; of several about one thing the worst."""
    order = ("ok", "warning", "wrong")
    found: dict[str, Finding] = {}
    for one in check(load(shell.config), shell.config, clock):
        if one.what not in found or order.index(one.state) > order.index(found[one.what].state):
            found[one.what] = one
    return found


@pytest.fixture
def shell(tmp_path: Path, database_url: str, company: Company, smtp: Mailbox) -> Shell:
    """A config in which all is well."""
    found = Shell(tmp_path, database_url)
    found.write(
        f'[mail]\nserver = "{smtp.host}"\nport = {smtp.port}\nsecurity = "none"\n'
        f'[announce]\nschemas = ["json"]\nhosts = ["127.0.0.1"]\ntimeout = 2\n'
    )
    change(found, "[server]\n", f"[server]\n{PUBLIC}")
    return found


def change(shell: Shell, old: str, new: str) -> None:
    written = shell.config.read_text("utf-8")
    assert old in written
    shell.config.write_text(written.replace(old, new), encoding="utf-8")


@contextmanager
def desk(ahead: timedelta = timedelta(0)) -> Iterator[str]:
    """A web server whose clock is `ahead` of ours."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(404)
            self.send_header("Date", format_datetime(datetime.now(UTC) + ahead, usegmt=True))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


# ---------------------------------------------------------------- the command


def test_a_house_in_order_is_a_page_of_ok_and_status_0(shell: Shell, db: Database, smtp: Mailbox) -> None:
    said = shell("check").output
    assert {line.split()[0] for line in said.splitlines()} == {"ok"}, said
    for what in ("config", "public_url", "permissions", "database", "tables", "writing", "ledger", "mail"):
        assert f"ok       {what}: " in said
    assert smtp.messages == []


def test_something_wrong_is_status_1_and_no_secret_is_shown(shell: Shell, db: Database) -> None:
    with db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'future'"))
    said = shell("check", status=1).output
    assert "wrong    tables: revision future is newer than this program" in said
    assert SECRET not in said


def test_it_starts_without_the_tables_and_the_web(tmp_path: Path) -> None:
    """What makes it quick: the classes of the tables, SQLAlchemy and Flask are never loaded."""
    program = (
        "import sys, leaderboard.__main__, leaderboard.check as c, leaderboard.config as g, leaderboard.weeks as w\n"
        "from pathlib import Path\n"
        "list(c.check(g.load(), Path('leaderboard.toml'), w.now))\n"
        "print(sorted({'flask', 'sqlalchemy', 'sqlmodel', 'alembic', 'apprise', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# ---------------------------------------------------------------- config, address, files


@pytest.fixture
def small(tmp_path: Path, migrated_sqlite: Path) -> Shell:
    """A config of a few lines, with an SQLite of its own."""
    file = tmp_path / "leaderboard.db"
    file.write_bytes(migrated_sqlite.read_bytes())
    found = Shell(tmp_path, f"sqlite:///{file}")
    found.write()
    return found


def test_a_secret_that_can_be_guessed_is_wrong(small: Shell) -> None:
    change(small, SECRET, "changeme")
    assert "secret_key needs at least 32" in wrong(findings(small)["config"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("", "this machine only"),
        ('public_url = "http://[::1]:8000"\n', "this machine only"),
        ('public_url = "http://points.example.com"\n', "in the clear"),
        ('public_url = "https://points.example.com"\n', "trusted_proxies = 1"),
    ],
)
def test_an_address_that_cannot_be_right_is_a_warning(small: Shell, settings: str, words: str) -> None:
    change(small, "[server]\n", f"[server]\n{settings}")
    found = findings(small)["public_url"]
    assert found.state == "warning"
    assert words in found.words


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody on the machine may enter, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_file_with_secrets_that_everybody_can_read_is_named_with_the_remedy(
    small: Shell, open_folder: Path
) -> None:
    small.folder = open_folder
    (open_folder / "hook.txt").write_text("shared", encoding="utf-8")
    small.write()
    change(small, 'secret = "shared"', 'secret = { file = "hook.txt" }')
    config, pointed = small.config, open_folder / "hook.txt"
    for mode, named in ((0o644, True), (0o640, False)):
        pointed.chmod(mode)
        config.chmod(0o600)
        assert (str(pointed) in findings(small)["permissions"].words) is named
        pointed.chmod(0o600)
        config.chmod(mode)
        assert (str(config) in findings(small)["permissions"].words) is named
    config.chmod(0o644)
    change(small, SECRET, SECRET + "!")
    os.environ["CHECKED_SECRET"] = SECRET
    try:
        change(small, f'"{SECRET}!"', '{ env = "CHECKED_SECRET" }')
        assert findings(small)["permissions"].state == "ok", "a config without any secret may be open"
    finally:
        del os.environ["CHECKED_SECRET"]


def test_a_secret_that_a_container_was_given_is_not_called_open(
    small: Shell, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = open_folder / "hook.txt"
    secret.write_text("shared", encoding="utf-8")
    secret.chmod(0o444)
    change(small, 'secret = "shared"', f'secret = {{ file = "{secret}" }}')
    small.config.chmod(0o600)
    assert str(secret) in wrong(findings(small)["permissions"])
    monkeypatch.setattr("leaderboard.check.MOUNTED", open_folder.resolve())
    assert findings(small)["permissions"].state == "ok"


def test_a_database_file_that_everybody_can_read_is_wrong(small: Shell, open_folder: Path) -> None:
    file = open_folder / "points.db"
    file.write_bytes((small.folder / "leaderboard.db").read_bytes())
    file.chmod(0o644)
    change(small, small.database_url, f"sqlite:///{file}")
    assert f"chmod o= {file}" in wrong(findings(small)["permissions"])
    open_folder.chmod(0o700)
    assert findings(small)["permissions"].state == "ok", "nobody else can enter the folder"


def wrong(finding: Finding) -> str:
    assert finding.state == "wrong", finding
    return finding.words


# ---------------------------------------------------------------- the database


def test_the_newest_step_is_the_one_that_upgrades_lead_to(db: Database) -> None:
    assert head() == ScriptDirectory.from_config(db._alembic()).get_current_head()


def test_a_database_that_is_not_there_is_wrong(small: Shell, tmp_path: Path) -> None:
    change(small, small.database_url, f"sqlite:///{tmp_path / 'none.db'}")
    assert "run: leaderboard db upgrade" in wrong(findings(small)["database"])
    assert not (tmp_path / "none.db").exists(), "looking makes no file"
    change(small, f"sqlite:///{tmp_path / 'none.db'}", "postgresql://nobody@127.0.0.1:1/none")
    assert "is [database] url right?" in wrong(findings(small)["database"])


def test_an_empty_database_is_told_to_upgrade(empty_database_url: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path, empty_database_url)
    shell.write()
    database = Database(empty_database_url)
    database.engine.connect().close()
    database.dispose()
    assert "run: leaderboard db upgrade" in wrong(findings(shell)["tables"])


def test_a_file_that_is_no_database_is_wrong(small: Shell) -> None:
    (small.folder / "leaderboard.db").write_bytes(b"not a database" * 100)
    assert "cannot be used: file is not a database" in wrong(findings(small)["database"])


def test_a_ledger_without_its_triggers_is_wrong(shell: Shell, db: Database) -> None:
    drop = (
        "DROP TRIGGER points_entry_no_delete"
        if db.is_sqlite
        else "ALTER TABLE points_entry DISABLE TRIGGER ALL"
    )
    with db.writing() as session:
        session.execute(text(drop))
    assert "the ledger could be changed" in wrong(findings(shell)["ledger"])


def test_a_search_that_does_not_find_everything_is_wrong(shell: Shell, db: Database) -> None:
    with db.writing() as session:
        session.execute(text("UPDATE person SET name = 'Ben Two' WHERE handle = 'ben'"))
    found = findings(shell)["search"]
    assert found.state == "wrong"
    assert "leaderboard db upgrade" in found.words
    db.upgrade()
    assert findings(shell)["search"].state == "ok"


def test_a_database_that_takes_no_write_is_wrong(
    shell: Shell, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.is_sqlite:
        holder = db.engine.connect().execution_options(begin_immediate=True)
        holder.exec_driver_sql("SELECT 1")
        monkeypatch.setattr("leaderboard.check.PATIENCE", 0.1)
        assert "cannot be written: database is locked" in wrong(findings(shell)["writing"])
        holder.close()
    else:
        name = db.url.database
        with db.engine.connect() as connection:
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
            connection.commit()
        assert "cannot be written: cannot execute UPDATE" in wrong(findings(shell)["writing"])


def test_a_zone_that_this_machine_does_not_know_is_wrong(
    shell: Shell, db: Database, company: Company
) -> None:
    with db.writing() as session:
        session.get_one(Team, company.teams["Care"]).timezone = "Mars/Olympus"
    assert "Mars/Olympus" in wrong(findings(shell)["time zones"])


@pytest.mark.parametrize(("seconds", "state"), [(0, "ok"), (20, "warning"), (600, "wrong")])
def test_a_clock_that_differs_from_the_databases_is_told(
    shell: Shell, db: Database, seconds: int, state: str
) -> None:
    found = findings(shell, lambda: weeks.now() - timedelta(seconds=seconds))
    if db.is_sqlite:
        assert "clock" not in found, "it has no other clock"
    else:
        assert found["clock"].state == state


# ---------------------------------------------------------------- whom we call


@pytest.mark.parametrize(("hours", "state"), [(0, "ok"), (1, "wrong")])
def test_a_clock_that_differs_from_a_helpdesks_is_told(small: Shell, hours: int, state: str) -> None:
    with desk(timedelta(hours=hours)) as address:
        change(small, 'secret = "shared"', f'secret = "shared"\naddress = "{address}"\napi_token = "t"')
        found = findings(small)
    assert found["demo"].state == "ok"
    assert found["clock"].state == state
    assert findings(small)["demo"].state == "warning", "it is gone now"


def test_mail_is_reached_and_signed_in_to_without_a_message(small: Shell, smtp: Mailbox) -> None:
    assert findings(small)["mail"].state == "warning", "none is configured"
    place = f'[mail]\nserver = "{smtp.host}"\nport = {smtp.port}\nsecurity = "none"\n'
    small.write(place)
    assert findings(small)["mail"].state == "ok"
    small.write(place + 'username = "us"\npassword = "a canary"\n')
    words = wrong(findings(small)["mail"])
    assert "canary" not in words
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    small.write(place.replace(str(smtp.port), str(free)))
    assert "could not be reached" in wrong(findings(small)["mail"])
    assert smtp.messages == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_channels_are_reached_and_nothing_is_sent(shell: Shell, db: Database, company: Company) -> None:
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response_only(405)
            self.end_headers()

        do_POST = do_HEAD  # noqa: N815 (the server's name)

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    targets = {
        "there": f"json://127.0.0.1:{server.server_port}/canary",
        "gone": "json://127.0.0.1:9/canary",
        "inside": "json://10.0.0.1/canary",
    }
    with db.writing() as session:
        for name, target in targets.items():
            session.add(Channel(team_id=company.teams["Care"], kind="apprise", name=name, target=target))
        session.add(
            Channel(team_id=company.teams["Care"], kind="email", name="letters", target="a@example.com")
        )
    try:
        found = findings(shell)
    finally:
        server.shutdown()
        server.server_close()
    assert found["channel 'there' of Care"] == Finding("ok", "channel 'there' of Care", "127.0.0.1 answers")
    assert asked == ["HEAD /"]
    assert "could not be reached" in wrong(found["channel 'gone' of Care"])
    assert "inside the own network" in wrong(found["channel 'inside' of Care"])
    assert not any("canary" in one.words for one in found.values())
    assert "channel 'letters' of Care" not in found, "the mail server was looked at already"


def test_shared_limits_are_reached(small: Shell, valkey_url: str) -> None:
    assert "redis" not in findings(small)
    change(small, "[server]\n", "[server]\nprocesses = 2\n")
    assert "set [redis] url" in wrong(findings(small)["redis"])
    small.write(f'[redis]\nurl = "{valkey_url}"\n')
    assert findings(small)["redis"].state == "ok"
    small.write('[redis]\nurl = "redis://:canary@127.0.0.1:1/0"\n')
    assert "canary" not in wrong(findings(small)["redis"])
