"""The commands, each on a real database: what they say, how they end, and that nobody is shown a traceback."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select, text
from sqlmodel import Session

from leaderboard import __version__, deliveries, people, weeks
from leaderboard.__main__ import main
from leaderboard.app import create_app
from leaderboard.config import load
from leaderboard.database import Database
from leaderboard.ledger import post
from leaderboard.plugin import Delivery as Call
from leaderboard.tables import ClosedWeek, Event, Heartbeat, Person, RulesVersion, Score, Team
from tests.make import NOON, Company
from tests.served import Served
from tests.test_ledger import thanks
from tests.visitor import Visitor

SECRET = "a secret that only the tests know, 32+"
ANA = "ana@example.com"


def commands() -> dict[str, click.Command]:
    """Every command by its words, groups left out."""
    found: dict[str, click.Command] = {}
    for name, command in main.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{name} {word}": one for word, one in inner.items()} if inner else {name: command}
    return found


COMMANDS = commands()
NEEDED = {
    "pull": ["demo"],
    "replay": ["1"],
    "backup": ["backup.zip"],
    "restore": ["backup.zip"],
    "people import": [__file__],
    "people link": [ANA],
    "token create": ["--person", ANA, "--scope", "read"],
    "simulate": ["demo"],
}
"""The words without which a command does not begin."""
WITHOUT_CONFIG = ("demo", "new-plugin", "helpdesks")
"""The demo writes a config of its own; the others are for authors of plugins, who have none."""
WITH_CONFIG = [words for words in COMMANDS if words not in WITHOUT_CONFIG]


@dataclass
class Shell:
    """Calls commands with one config file."""

    folder: Path
    database_url: str

    @property
    def config(self) -> Path:
        return self.folder / "leaderboard.toml"

    def write(self, more: str = "") -> None:
        self.config.write_text(
            f'pull_hosts = ["127.0.0.1"]\n[server]\nsecret_key = "{SECRET}"\n'
            f'[database]\nurl = "{self.database_url}"\n[week]\ntimezone = "Europe/Berlin"\n'
            f'[plugins.demo]\nsecret = "shared"\n{more}',
            encoding="utf-8",
        )

    def __call__(self, *words: str, status: int = 0) -> Result:
        """The command's result, once it is sure that it ended by itself and with this status."""
        result = CliRunner().invoke(main, [*words, "--config", str(self.config)], catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result


@pytest.fixture
def shell(tmp_path: Path, database_url: str, company: Company) -> Shell:
    """A shell with a config for the test's database, with the cast in it."""
    found = Shell(tmp_path, database_url)
    found.write()
    return found


def count(session: Session, table: type) -> int:
    return session.execute(select(func.count()).select_from(table)).scalar_one()


# ---------------------------------------------------------------- help, mistakes


@pytest.mark.parametrize("words", COMMANDS)
def test_help_teaches(words: str) -> None:
    shown = CliRunner().invoke(main, [*words.split(), "--help"], terminal_width=200)
    assert shown.exit_code == 0
    command = COMMANDS[words]
    assert len(command.help or "") > 30
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert [one.name for one in options if not one.help] == []
    for option in options:
        assert option.opts[-1] in shown.output
    assert ("--config" in shown.output) == (words not in WITHOUT_CONFIG)


def test_the_list_says_what_each_command_is_for() -> None:
    shown = CliRunner().invoke(main, ["--help"], terminal_width=120).output
    for name, command in main.commands.items():
        said = re.search(rf"^  {name} +(\S.+)$", shown, re.MULTILINE)
        assert said, name
        assert not said[1].endswith("..."), "shortened: give the command a short_help"
        assert command.short_help or isinstance(command, click.Group)
    assert __version__ in CliRunner().invoke(main, ["--version"]).output


@pytest.mark.parametrize("words", WITH_CONFIG)
def test_a_broken_config_stops_the_start_with_key_line_and_remedy(words: str, tmp_path: Path) -> None:
    file = tmp_path / "leaderboard.toml"
    file.write_text('[week]\ncloses_at = "half past nine"\n[server]\nprot = 8000\n', encoding="utf-8")
    result = CliRunner().invoke(main, [*words.split(), *NEEDED.get(words, []), "--config", str(file)])
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert "line 2, [week] closes_at: write the hour as 09:00" in result.output
    assert "line 4, [server] prot: there is no such setting" in result.output


def test_a_broken_config_shows_no_traceback_to_who_starts_the_program(tmp_path: Path) -> None:
    (tmp_path / "leaderboard.toml").write_text("[server\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "leaderboard", "run"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: leaderboard.toml: not TOML")
    assert "Traceback" not in done.stderr


NO_DATABASE_NEEDED = ("simulate", "pull", "check")
"""They say something else first; `check` says it as one finding among others."""


@pytest.mark.parametrize("words", [words for words in WITH_CONFIG if words not in NO_DATABASE_NEEDED])
@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:////no/such/folder/leaderboard.db", "the database cannot be used: "),
        ("postgresql://nobody@127.0.0.1:1/none", "the database cannot be used: connection failed"),
    ],
)
def test_a_database_that_is_not_there_is_one_line(words: str, url: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "leaderboard.toml"
    file.write_text(f'[server]\nsecret_key = "{SECRET}"\n[database]\nurl = "{url}"\n', encoding="utf-8")
    result = CliRunner().invoke(main, [*words.split(), *NEEDED.get(words, []), "--config", str(file)])
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert says in result.output
    assert len(result.output.splitlines()) == 1


def test_run_refuses_a_secret_that_others_can_guess_and_a_port_that_is_taken(
    shell: Shell, free_port: int
) -> None:
    shell.config.write_text(f'[database]\nurl = "{shell.database_url}"\n', encoding="utf-8")
    assert "secret_key needs at least 32 characters" in shell("run", status=1).output
    taken = ThreadingHTTPServer(("127.0.0.1", free_port), BaseHTTPRequestHandler)
    try:
        shell.config.write_text(
            f'[server]\nsecret_key = "{SECRET}"\nport = {free_port}\n[database]\nurl = "{shell.database_url}"\n',
            encoding="utf-8",
        )
        said = shell("run", status=1).output
    finally:
        taken.server_close()
    assert f"port {free_port}, cannot be listened on (address already in use)" in said


# ---------------------------------------------------------------- people, tokens

PEOPLE = """\
name,email,team,role,timezone,joined_on
Mia Stone,mia@example.com,Repairs,lead,Europe/Paris,2026-01-05
Ana,ana@example.com,Care,member,,2026-02-01
"""


def test_people_are_imported_after_a_dry_run_and_again_without_effect(
    shell: Shell, db: Database, company: Company
) -> None:
    file = shell.folder / "people.csv"
    file.write_text(PEOPLE, encoding="utf-8")
    tried = shell("people", "import", str(file), "--dry-run").output
    assert "1 added, 1 changed, 0 as before (dry run: nothing was changed)" in tried
    with db.reading() as session:
        assert people.find(session, "mia@example.com") is None
    done = shell("people", "import", str(file)).output
    assert tried.splitlines()[:-1] == done.splitlines()[:-1]
    assert "new team: Repairs" in done
    with db.reading() as session:
        mia = people.find(session, "mia@example.com")
        assert mia is not None
        assert people.leads(session, mia, mia.team_id)
    assert "0 added, 0 changed, 2 as before" in shell("people", "import", str(file)).output


def test_mistakes_in_people_are_named_by_line_and_nothing_is_changed(
    shell: Shell, db: Database, company: Company
) -> None:
    file = shell.folder / "people.csv"
    file.write_text(
        PEOPLE + "Ben,ben@example.com,Care,boss,,\nNo Address,nobody,Care,member,,\n", encoding="utf-8"
    )
    said = shell("people", "import", str(file), status=1).output
    assert f"{file}, line 4: role is 'boss'; write one of member, lead, admin" in said
    assert f"{file}, line 5: email: " in said
    assert "Error: 2 mistakes; nothing was changed" in said
    with db.reading() as session:
        assert count(session, Person) == len(company.people)


def test_a_link_lets_the_first_admin_set_a_password_once(
    shell: Shell, db: Database, company: Company
) -> None:
    link = shell("people", "link", "ada@example.com").output.strip()
    assert link.startswith("http://127.0.0.1:8000/sign-in/forgot/")
    app = create_app(load(shell.config), db)
    app.test_client_class = Visitor
    browser = cast("Visitor", app.test_client())
    path = link.removeprefix("http://127.0.0.1:8000")
    words = {"password": "a calm first morning", "password_confirm": "a calm first morning"}
    assert browser.submit(path, words).status_code in (302, 303)
    again = cast("Visitor", app.test_client()).get(path)
    assert again.status_code in (302, 303)
    assert "there is no active person" in shell("people", "link", "nobody", status=1).output


def test_a_token_is_the_last_word_and_opens_the_api(shell: Shell, db: Database, company: Company) -> None:
    words = ("token", "create", "--person", ANA, "--scope", "read", "--scope", "write", "--days", "90")
    token = shell(*words).output.split()[-1]
    with db.reading() as session:
        holder = people.person_of_token(session, token, weeks.now())
        assert holder is not None
        assert (holder.person.handle, holder.scopes) == ("ana", {"read", "write"})
        assert people.person_of_token(session, token, weeks.now() + timedelta(days=91)) is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--person", "nobody@example.com", "--scope", "read"), "there is no person 'nobody@example.com'"),
        (("--person", ANA, "--scope", "everything"), "some of read, write, admin"),
        (("--person", ANA, "--scope", "admin"), "Only an admin"),
    ],
)
def test_a_token_that_may_not_be_is_refused(shell: Shell, words: tuple[str, ...], says: str) -> None:
    assert says in shell("token", "create", *words, status=1).output


# ---------------------------------------------------------------- audit, rebuild


def test_audit_ends_with_1_and_the_difference_and_rebuild_mends_it(
    shell: Shell, db: Database, company: Company
) -> None:
    db.write(partial(post, source="desk", events=[thanks(n, n) for n in range(5)], now=NOON))
    assert shell("audit").output == "ledger, scores and evidence agree\n"
    with db.writing() as session:
        session.execute(text("UPDATE score SET points = points + 1 WHERE period = '2026' AND team_id = 0"))
    said = shell("audit", status=1).output
    assert "ana: 2026, company, all: the score is 41, the ledger 40" in said
    assert said.splitlines()[-1] == "2 differences"
    assert shell("rebuild").output == "rebuilt; the ledger was right\n"
    assert shell("audit").output == "ledger, scores and evidence agree\n"


# ---------------------------------------------------------------- deliveries


def arrive(shell: Shell, db: Database, body: bytes) -> int:
    """A delivery that was let in, as the web takes it; its number."""
    return deliveries.receive(db, load(shell.config), "demo", Call(body, {}, weeks.now())).id


GOOD = b'{"id": 1, "what": "thanks", "agent": "ana@example.com", "at": "2026-11-20T09:00:00Z"}'


def test_a_delivery_is_replayed_without_effect_and_a_failed_one_says_why(
    shell: Shell, db: Database, company: Company
) -> None:
    good, bad = arrive(shell, db, GOOD), arrive(shell, db, b'{"id": 2, "what": "thanks"}')
    assert shell("replay", str(good)).output == f"delivery {good}: done, 0 new facts\n"
    said = shell("replay", "--failed", status=1).output
    assert said == f"delivery {bad}: failed, 0 new facts: the fact names no agent\n"
    assert shell("replay", "--failed", "--source", "zendesk").output == ""
    assert "there is no delivery 77" in shell("replay", "77", status=1).output
    assert "say which DELIVERY, or --failed" in shell("replay", status=2).output
    db.write(lambda session: deliveries.freeze(session, "demo", NOON, company["ada"]))
    said = shell("replay", "--failed", status=1).output
    assert said == f"delivery {bad}: The source demo is frozen. Unfreeze it first.\n"
    with db.reading() as session:
        assert count(session, Event) == 1


@pytest.fixture
def desk() -> Iterator[str]:
    """The address of a Demo Desk that has one fact to tell."""

    class Desk(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"facts": [%s], "next": null}' % GOOD
            if self.path.startswith("/agents"):
                body = b'{"agents": [], "next": null}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_pull_fetches_what_is_new_once_and_says_what_is_missing(
    shell: Shell, db: Database, company: Company, desk: str
) -> None:
    assert "there is no [plugins.zendesk]" in shell("pull", "zendesk", status=1).output
    assert "demo is not pulled" in shell("pull", "demo", status=1).output
    shell.write(f'address = "{desk}"\napi_token = "t"\npull_from = 2026-11-01\n')
    assert shell("pull", "demo").output == "demo: 1 new facts\n"
    assert shell("pull", "demo").output == "demo: 0 new facts\n"
    shell.write('address = "http://127.0.0.1:1"\napi_token = "t"\npull_from = 2026-11-01\n')
    assert "try again in " in shell("pull", "demo", status=1).output


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_simulated_deliveries_arrive_at_a_running_server(
    shell: Shell, db: Database, database_url: str, company: Company, tmp_path: Path
) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    with Served(folder, database_url) as served:
        shell.folder = folder
        options = ("--count", "6", "--rate", "50", "--duplicates", "1", "--seed", "1", "--agent", ANA)
        said = shell("simulate", "demo", *options).output
    assert "202" in said
    with db.reading() as session:
        assert count(session, Event) == 6
    assert f"127.0.0.1:{served.port}" in shell("simulate", "demo", status=1).output


# ---------------------------------------------------------------- weeks, the clock


def test_a_dry_run_says_what_closing_would_do_and_closing_does_it(
    shell: Shell, db: Database, company: Company
) -> None:
    week = weeks.week_of(weeks.now(), "UTC") - 2
    with db.writing() as session:
        for team_id in company.teams.values():
            session.get_one(Team, team_id).first_week = str(week)
    named = ("close-week", "--team", "care", "--week", str(week))
    tried = shell(*named, "--dry-run").output
    assert tried.startswith(f"would be: Care {week}: closed; ")
    with db.reading() as session:
        assert count(session, ClosedWeek) == 0
    assert f"would be: {shell(*named).output}" == tried
    assert shell(*named).output == f"Care {week}: closed already\n"
    shell("close-week")
    with db.reading() as session:
        left = session.execute(select(ClosedWeek.team_id).where(ClosedWeek.week == str(week))).scalars()
        assert sorted(left) == sorted(company.teams.values())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--team", "nosuch"), "there is no team 'nosuch'; the teams are care, shop"),
        (("--week", "2026-W99"), "Invalid week: 99"),
        (("--week", "soon"), "write it as 2026-W47"),
        (("--week", "2026-W01"), "The team's first week is 2026-W20."),
        (("--week", "8888-W01"), "8888-W01 has not ended yet."),
    ],
)
def test_a_week_that_cannot_be_closed_is_refused_with_the_reason(
    shell: Shell, words: tuple[str, ...], says: str
) -> None:
    assert says in shell("close-week", *words, status=1).output


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_clock_ticks_until_it_is_told_to_stop(shell: Shell, db: Database, company: Company) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "leaderboard", "scheduler", "--config", str(shell.config)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"LEADERBOARD_SERVER__LOG_LEVEL": "warning"},
    )
    try:
        for _ in range(300):
            with db.reading() as session:
                if count(session, Heartbeat) >= 6:
                    break
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors
    with db.reading() as session:
        assert {row.job for row in session.execute(select(Heartbeat)).scalars()} >= {"close weeks", "pull"}


# ---------------------------------------------------------------- the database


def test_a_new_database_gets_its_tables_and_the_first_rules(empty_database_url: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path, empty_database_url)
    shell.write("[points]\nstory_accepted = 7\n")
    assert shell("db", "upgrade").output.endswith(": up to date\n")
    assert shell("db", "upgrade").output.endswith(": up to date\n")
    assert shell("db", "check").output == ""
    database = Database(empty_database_url)
    with database.reading() as session:
        (rules,) = session.execute(select(RulesVersion)).scalars()
        assert (rules.version, rules.points["story_accepted"]) == (1, 7)
        assert count(session, Score) == 0
    database.dispose()


def test_a_new_database_that_cannot_get_its_rules_gets_no_tables_either(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next start would find tables, and go on with other numbers than the config's."""
    shell = Shell(tmp_path, empty_database_url)
    shell.write()

    def die(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("leaderboard.ledger.record_rules", die)
        with pytest.raises(MemoryError):
            shell("db", "upgrade")
    database = Database(empty_database_url)
    assert database.is_new()
    shell("db", "upgrade")
    assert not database.is_new()
    database.dispose()


def test_tables_that_differ_are_listed_and_older_ones_are_refused_with_the_remedy(
    shell: Shell, db: Database
) -> None:
    with db.writing() as session:
        session.execute(text("ALTER TABLE team ADD COLUMN surplus INTEGER"))
    assert "surplus" in shell("db", "check", status=1).output
    with db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'before'"))
    for words in ("audit", "run", "scheduler"):
        assert "run: leaderboard db upgrade" in shell(words, status=1).output
