"""Backup and restore: every row comes back, on either database; what is not a whole backup is refused and changes nothing."""

import json
import re
import signal
import stat
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from leaderboard import tables as t
from leaderboard.audit import audit
from leaderboard.backup import MANIFEST, backup, restore
from leaderboard.check import head
from leaderboard.database import Database, Unavailable, beat, pulse
from leaderboard.ledger import post, record_rules
from leaderboard.plugin import Invalid
from leaderboard.points import FairPlay, Points
from tests import upgrading, workers
from tests.conftest import Postgres
from tests.make import NOON, Company
from tests.served import Sender, Served, fact
from tests.test_commands import Shell
from tests.test_ledger import close, thanks
from tests.test_reliability import AGENTS, Tried, at_once
from tests.trials import dice, trials

ODD = '“Grüße”, 日本語, 🎉, a "quote", a back\\slash, a tab\t, a line\nand \u2028 another'

CROSSWISE = [("sqlite", "postgresql"), ("postgresql", "sqlite")]


def fill(db: Database, company: Company) -> None:
    """At least one row in every table, with every kind of value that a column can hold."""
    for week in range(2):
        facts = [thanks(10 * week + n, 24 * 7 * week + n, text=ODD) for n in range(4)]
        db.write(partial(post, source="desk", events=facts, now=NOON + timedelta(weeks=week)))
    close(db, company)
    ana, ben, care = company["ana"], company["ben"], company.teams["Care"]
    late = NOON + timedelta(microseconds=1)
    with db.writing() as session:
        record_rules(session, Points(), FairPlay(), NOON)
        beat(session)
        known = session.get_one(t.Person, ben)
        known.mf_recovery_codes, known.visibility, known.active = ["one", "two"], "off", False
        week = session.execute(select(t.ClosedWeek)).scalars().first()
        rating = session.execute(select(t.Event)).scalars().first()
        credited = session.execute(select(t.Credit.id)).scalars().first()
        assert week is not None
        assert rating is not None
        channel = t.Channel(team_id=care, kind="email", name=ODD, target="a@example.com")
        told = t.Nomination(
            nominator_id=ana,
            team_id=care,
            guideline="relationships",
            story=ODD,
            nominated_at=late,
            worth=10,
            full_worth=10,
            worth_why="full",
        )
        promised = t.Promise(source="extra-mile", object="promise/1", what=ODD, due_at=NOON, made_at=late)
        merged = t.Merge(
            person_id=ben, into_id=ana, was_active=True, reason=ODD, last_event_id=1, merged_at=late
        )
        session.add_all([channel, told, promised, merged])
        session.flush()
        session.add_all(
            [
                t.Delivery(
                    source="desk", received_at=late, state="done", body=bytes(range(256)), headers={"a": ODD}
                ),
                t.Delivery(source="desk", received_at=late, state="failed", reason=ODD),
                t.Heartbeat(job="pull", started_at=NOON, finished_at=late, error=ODD),
                t.Source(name="desk", cursor="2026", pulled_at=late, frozen_at=late, frozen_by=ana),
                t.Refusal(
                    source="desk", cause="clock", times=3, since=NOON, last_at=late, reason=ODD, off=-400
                ),
                t.Backfill(source="desk", since=NOON, asked_at=late, next_step_at=late, error=ODD),
                t.MergedCredit(merge_id=merged.id or 0, credit_id=credited or 0, person_id=ana),
                t.Reversal(
                    source="desk",
                    since=NOON,
                    until=late,
                    reason=ODD,
                    facts=1,
                    points=8,
                    people=1,
                    asked_at=late,
                ),
                t.PastWithdrawal(
                    credit_id=credited or 0, withdrawn_by=rating.id or 0, restored_by=rating.id or 0
                ),
                t.Act(done_at=late, done_by=ana, what="freeze", source="desk", why=ODD),
                t.Token(person_id=ana, name=ODD, hash="h", scopes="read", epoch="e", created_at=NOON),
                t.SignedIn(key="k" * 64, person_id=ana, began_at=NOON, ends_at=late),
                t.Letter(person_id=ana, created_at=NOON, next_try_at=late, error=ODD),
                t.Notice(person_id=ana, sort="story", thing_id=1, at=NOON, mail_at=late),
                t.NoticeWay(person_id=ana, sort="story", way="daily"),
                t.NoticeCursor(id=1, first_id=1, event_id=2),
                t.Picture(person_id=ana, type="image/png", data=b"\x89PNG\x00\xff"),
                t.Invitation(person_id=ana, subject=ODD, body=ODD, created_at=NOON, next_try_at=late),
                t.WebAuthn(
                    credential_id=b"\x00\xff",
                    public_key=b"\\x41'",
                    transports=["usb"],
                    name=ODD,
                    usage="first",
                    create_datetime=NOON,
                    lastuse_datetime=late,
                    user_id=ana,
                ),
                t.Identity(source="desk", account="77", created_at=NOON),
                t.Nominee(
                    nomination_id=told.id, person_id=ben, position=0, share=5, full_share=5, share_why="full"
                ),
                t.CoSign(nomination_id=told.id or 0, person_id=company["chris"], signed_at=late),
                t.PromiseMove(
                    promise_id=promised.id or 0, from_due_at=NOON, to_due_at=late, moved_at=NOON, told=True
                ),
                t.FollowUp(event_id=rating.id or 0, opened_at=NOON),
                t.Recognition(
                    closed_week_id=week.id or 0,
                    category="relationships",
                    person_id=ana,
                    points=8,
                    witnesses=2,
                    reason=ODD,
                    words=ODD,
                ),
                t.Announcement(
                    closed_week_id=week.id or 0,
                    channel_id=channel.id or 0,
                    subject=ODD,
                    body=ODD,
                    state="sent",
                    created_at=NOON,
                    next_try_at=NOON,
                ),
            ]
        )
    with db.reading() as session:
        empty = [name for name, table in SQLModel.metadata.tables.items() if not _count(session, table)]
    assert empty == [], "a new table wants a row here"


def _count(session: Any, table: Any) -> int:
    return int(session.execute(select(func.count()).select_from(table)).scalar_one())


def parts(file: Path) -> dict[str, str]:
    """The checksum of each table, without the counter that a restore puts forward."""
    with zipfile.ZipFile(file) as archive:
        said = json.loads(archive.read(MANIFEST))
    return {part["name"]: part["sha256"] for part in said["tables"] if part["name"] != "pulse"}


def assert_sound(db: Database) -> None:
    with db.snapshot() as session:
        assert list(audit(session)) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database without any table, to restore into."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'other.db'}")
        yield database
        database.dispose()
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        name = postgres.make("template0")
        database = Database(postgres.address(name))
        yield database
        database.dispose()
        postgres.drop(name)


# ---------------------------------------------------------------- whole


def test_every_row_of_every_table_comes_back_to_the_byte_and_life_goes_on(
    db: Database, company: Company, other: Database, tmp_path: Path
) -> None:
    fill(db, company)
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    heard: list[tuple[int, int]] = []
    done = backup(db, first, NOON, lambda *step: heard.append(step))
    assert heard[-1] == (done.rows, done.rows)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600, "it holds what the database holds"
    assert restore(other, first, NOON).rows == done.rows
    backup(other, second, NOON)
    assert parts(second) == parts(first)
    assert not other.pending()
    assert other.differs() == []
    assert_sound(other)
    with db.reading() as session:
        seen = pulse(session)
    other.write(partial(post, source="desk", events=[thanks(99, 100)], now=NOON + timedelta(weeks=1)))
    assert_sound(other)
    with other.reading() as session:
        assert pulse(session) > seen + 100_000, "no browser may take an old page for a new one"
    for harm in ("UPDATE points_entry SET points = 0", "DELETE FROM points_entry"):
        with pytest.raises(DBAPIError, match="append-only"), other.writing() as session:
            session.execute(text(harm))


def test_a_database_in_use_gives_way_only_when_that_is_said(
    db: Database, company: Company, tmp_path: Path
) -> None:
    fill(db, company)
    backup(db, tmp_path / "old.zip", NOON)
    db.write(partial(post, source="desk", events=[thanks(99, 100)], now=NOON + timedelta(weeks=1)))
    backup(db, tmp_path / "new.zip", NOON)
    with pytest.raises(Invalid, match="in use"):
        restore(db, tmp_path / "old.zip", NOON)
    backup(db, tmp_path / "same.zip", NOON)
    assert parts(tmp_path / "same.zip") == parts(tmp_path / "new.zip")
    restore(db, tmp_path / "old.zip", NOON, replace=True)
    backup(db, tmp_path / "back.zip", NOON)
    assert parts(tmp_path / "back.zip") == parts(tmp_path / "old.zip")
    assert_sound(db)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_takes_nobodys_place_and_leaves_nothing_half_done(
    db: Database, company: Company, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "b.zip").write_bytes(b"yesterday's")
    with pytest.raises(Invalid, match="choose another name"):
        backup(db, folder / "b.zip", NOON)
    with pytest.raises(Invalid, match="there is no folder"):
        backup(db, folder / "none" / "b.zip", NOON)
    with db.rebuilding() as connection:
        connection.exec_driver_sql("ALTER TABLE points_entry RENAME TO elsewhere")
    with pytest.raises(Unavailable):
        backup(db, folder / "c.zip", NOON)
    assert [file.name for file in folder.iterdir()] == ["b.zip"]


# ---------------------------------------------------------------- under load


@pytest.mark.promise(number=32)
@pytest.mark.parametrize(("database_url", "other"), CROSSWISE, indirect=True)
def test_a_backup_under_load_restores_to_a_state_that_passes_the_audit(
    db: Database,
    database_url: str,
    company: Company,
    other: Database,
    tmp_path: Path,
    record_property: Tried,
) -> None:
    """P32: four senders at full speed; what was answered 202 before a backup began is in it, and nothing is in it by half."""
    acknowledged: set[int] = set()
    before: list[set[int]] = []
    done = threading.Event()

    def load(lane: int) -> None:
        with Sender(served.port) as sender:
            for number in range(lane * 10_000 + 1, (lane + 1) * 10_000):
                if done.is_set():
                    return
                if sender.deliver(fact(number, agent=AGENTS[lane])) == 202:
                    acknowledged.add(number)

    def keep() -> None:
        try:
            for number in range(trials(2)):
                enough = len(acknowledged) + 30
                while len(acknowledged) < enough:
                    done.wait(0.005)
                before.append(set(acknowledged))
                backup(db, tmp_path / f"{number}.zip", NOON)
            while len(acknowledged) == len(before[-1]):
                done.wait(0.005)
        finally:
            done.set()

    with Served(tmp_path, database_url) as served:
        at_once(keep, *(partial(load, lane) for lane in range(4)))
    record_property("backups", trials(2))
    record_property("deliveries meanwhile", len(acknowledged))
    for number, known in enumerate(before):
        restore(other, tmp_path / f"{number}.zip", NOON, replace=True)
        assert_sound(other)
        with other.reading() as session:
            there = set(session.execute(select(t.Event.key)).scalars())
        assert {f"rating/{one}/thanks" for one in known} - there == set()
        assert len(there) < len(acknowledged), "the senders went on meanwhile"


# ---------------------------------------------------------------- what is refused


@pytest.fixture
def small(db: Database, company: Company, tmp_path: Path) -> Path:
    """A whole backup of the cast."""
    file = tmp_path / "whole.zip"
    backup(db, file, NOON)
    return file


def assert_refused(other: Database, file: Path, words: str | None = None) -> None:
    with pytest.raises(Invalid, match=words):
        restore(other, file, NOON, replace=True)
    with other.engine.connect() as connection:
        assert inspect(connection).get_table_names() == []


only_sqlite = pytest.mark.parametrize(("database_url", "other"), [("sqlite", "sqlite")], indirect=True)


@only_sqlite
def test_a_backup_that_is_cut_off_or_changed_is_refused_and_changes_nothing(
    small: Path, other: Database, tmp_path: Path
) -> None:
    whole, chance = small.read_bytes(), dice("damage")
    broken = tmp_path / "broken.zip"
    for length in (0, 1, len(whole) // 2, len(whole) - 1, *chance.sample(range(len(whole)), trials(20))):
        broken.write_bytes(whole[:length])
        assert_refused(other, broken)
    with zipfile.ZipFile(small) as archive:
        stored = [
            (one.header_offset, one.compress_size) for one in archive.infolist() if one.compress_size > 20
        ]
    for header, size in stored:
        # What is stored begins behind the header, the name and an extra field (APPNOTE 4.3.7).
        name, extra = struct.unpack_from("<HH", whole, header + 26)
        place = header + 30 + name + extra + chance.randrange(size - 8)
        changed = bytes([whole[place] ^ 1 << chance.randrange(8)])
        broken.write_bytes(whole[:place] + changed + whole[place + 1 :])
        assert_refused(other, broken)


def rewritten(small: Path, into: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The backup with other contents, in a zip that is whole."""
    with zipfile.ZipFile(small) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    change(held)
    with zipfile.ZipFile(into, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    return into


@only_sqlite
def test_what_is_not_a_backup_of_ours_is_refused_in_words(
    small: Path, other: Database, tmp_path: Path
) -> None:
    def says(**values: Any) -> Callable[[dict[str, bytes]], None]:
        return lambda held: held.update({MANIFEST: json.dumps(json.loads(held[MANIFEST]) | values).encode()})

    def forget_a_table(held: dict[str, bytes]) -> None:
        said = json.loads(held[MANIFEST])
        held[MANIFEST] = json.dumps(said | {"tables": said["tables"][1:]}).encode()

    into = tmp_path / "x.zip"
    assert_refused(other, tmp_path / "none.zip", "No such file")
    into.write_text("SQLite format 3, or a dump, or a letter")
    assert_refused(other, into, "not a backup of Extra Mile")
    cases: list[tuple[Callable[[dict[str, bytes]], Any], str]] = [
        (lambda held: held.pop(MANIFEST), "not a backup of Extra Mile"),
        (says(format=2), "another version"),
        (says(revision="9999"), "another version"),
        (says(made_at="yesterday"), "this program can read"),
        (says(surplus=1), "this program can read"),
        (forget_a_table, "not have the tables"),
        (lambda held: held.pop("person.jsonl"), "person is missing"),
        (
            lambda held: held.update({"person.jsonl": held["person.jsonl"] * 2}),
            "person is not as it was written",
        ),
    ]
    for change, words in cases:
        assert_refused(other, rewritten(small, into, change), words)


def test_a_restore_that_fails_half_way_changes_nothing(
    small: Path, db: Database, company: Company, tmp_path: Path
) -> None:
    """Its last tables point to people who are not in it; the checksums fit."""
    fill(db, company)
    backup(db, tmp_path / "full.zip", NOON)

    def nobody(held: dict[str, bytes]) -> None:
        said = json.loads(held[MANIFEST])
        for part in said["tables"]:
            if part["name"] == "event":
                with zipfile.ZipFile(small) as archive:
                    held["event.jsonl"] = archive.read("event.jsonl")
                    (empty,) = [
                        p for p in json.loads(archive.read(MANIFEST))["tables"] if p["name"] == "event"
                    ]
                part |= empty
        held[MANIFEST] = json.dumps(said).encode()

    torn = rewritten(tmp_path / "full.zip", tmp_path / "torn.zip", nobody)
    with pytest.raises(Exception, match=r"without what they point to|foreign key"):
        restore(db, torn, NOON, replace=True)
    backup(db, tmp_path / "after.zip", NOON)
    assert parts(tmp_path / "after.zip") == parts(tmp_path / "full.zip")
    assert_sound(db)


@pytest.mark.promise(number=32)
def test_a_restore_that_is_killed_changed_nothing_and_can_be_run_again(
    small: Path, db: Database, database_url: str, company: Company, tmp_path: Path, record_property: Tried
) -> None:
    fill(db, company)
    backup(db, tmp_path / "full.zip", NOON)
    chance = dice("restore")
    for number in range(trials(2)):
        died = workers.start(upgrading.restore_and_die, database_url, small, chance.uniform(0.5, 1))
        died.join()
        assert died.exitcode == -signal.SIGKILL
        after = tmp_path / f"after {number}.zip"
        backup(db, after, NOON)
        assert parts(after) == parts(tmp_path / "full.zip")
    record_property("kills", trials(2))
    restore(db, small, NOON, replace=True)
    backup(db, tmp_path / "last.zip", NOON)
    assert parts(tmp_path / "last.zip") == parts(small)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_restore_on_a_full_disk_is_one_line_and_changed_nothing(small: Path, tmp_path: Path) -> None:
    full = Shell(tmp_path, f"sqlite:///{tmp_path / 'full.db'}")
    full.write()
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from leaderboard.__main__ import main; main(prog_name='leaderboard')"
    )
    words = ["restore", str(small), "--config", str(full.config)]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: the database cannot be used: .*(full|I/O error)\n", done.stderr), done.stderr
    after = Database(full.database_url)
    assert after.is_new()
    after.dispose()


# ---------------------------------------------------------------- the commands


@pytest.mark.parametrize(("database_url", "empty_database_url"), CROSSWISE, indirect=True)
def test_the_commands_say_what_they_did_and_audit_what_came_back(
    db: Database, database_url: str, company: Company, empty_database_url: str, tmp_path: Path
) -> None:
    fill(db, company)
    shell = Shell(tmp_path, database_url)
    shell.write()
    file = tmp_path / "b.zip"
    assert (
        f"rows of {len(SQLModel.metadata.tables)} tables, revision {head()}"
        in shell("backup", str(file)).output
    )
    assert "choose another name" in shell("backup", str(file), status=1).output
    assert "--replace" in shell("restore", str(file), status=1).output
    shell.database_url = empty_database_url
    shell.write()
    assert "there is nothing in the database yet" in shell("backup", str(tmp_path / "c.zip"), status=1).output
    said = shell("restore", str(file)).output
    assert f"of {len(SQLModel.metadata.tables)} tables, as of 20" in said
    assert said.endswith("ledger, scores and evidence agree\n")
    with db.writing() as session:
        session.execute(text("UPDATE score SET points = points + 1"))
    wrong = tmp_path / "wrong.zip"
    backup(db, wrong, NOON)
    assert shell("restore", str(wrong), "--replace", status=1).output.endswith("differences\n")
