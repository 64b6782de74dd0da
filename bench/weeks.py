"""`python -m bench.weeks`: closing a week and rebuilding, against plain SQL on the same rows of the same database.

The ledger is made in bulk by SQL: people in teams, and in every week for every person the same number of facts of four kinds.
"""

import argparse
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, text
from sqlmodel import Session

from bench.measuring import Figure
from bench.plain_close import PlainClose
from leaderboard import recognition
from leaderboard.audit import rebuild
from leaderboard.config import Config
from leaderboard.database import Database, sqlite_module
from leaderboard.guidelines import OF_KIND
from leaderboard.ledger import record_rules
from leaderboard.points import WITNESS_OF, FairPlay, Points
from leaderboard.tables import Credit, Event, Person, PointsEntry, Team
from leaderboard.weeks import Week

EACH = 25
"""People in a team."""
LAST = Week(2026, 46)
"""The week that is closed."""
KINDS = ("thanks.received", "rating.good", "knowledge.shared", "help.given")
CONFIG = Config()
SLICES = 5
"""Turns that closing and plain SQL take, each with its own part of the teams."""


def main() -> None:
    """Make a ledger of the asked size, measure, and print a line each."""
    asked = argparse.ArgumentParser(prog="python -m bench.weeks", description=__doc__)
    asked.add_argument("--teams", type=int, default=20, help=f"of {EACH} people each")
    asked.add_argument("--entries", type=int, default=100_000, help="lines of the ledger")
    asked.add_argument("--large", action="store_true", help="2,000 teams and 10 million lines")
    asked.add_argument("--url", help="an empty PostgreSQL database; default: SQLite in a temporary folder")
    options = asked.parse_args()
    teams, entries = (2_000, 10_000_000) if options.large else (options.teams, options.entries)
    folder = Path(tempfile.mkdtemp(prefix="extra-mile-bench-"))
    db = Database(options.url or f"sqlite:///{folder / 'bench.db'}")
    try:
        print(f"{db.version()}, {teams:,} teams of {EACH}, {entries:,} lines", flush=True)
        begun = time.perf_counter()
        db.upgrade()
        made = make_ledger(db, teams, entries)
        print(f"made {made:,} lines in {time.perf_counter() - begun:.0f} s", flush=True)
        for measure in (closing(db, teams), rebuilding(db)):
            for figure in measure:
                print(figure.line(), flush=True)
        for line in sizes(db, folder):
            print(line, flush=True)
    finally:
        db.dispose()
        shutil.rmtree(folder, ignore_errors=True)


# ---------------------------------------------------------------- a ledger in bulk


def make_ledger(db: Database, teams: int, entries: int) -> int:
    """Teams, people, events, credits and lines; returns how many lines: each person has the same number in each week."""
    people = teams * EACH
    weeks = max(1, min(52, entries // people // 10))
    per_week = max(1, entries // people // weeks)
    began = LAST.begins_at("UTC") - timedelta(weeks=weeks + 4)
    slots = [
        slot(number, LAST - (weeks - 1 - number // per_week), number % per_week)
        for number in range(weeks * per_week)
    ]
    with db.writing() as session:
        boundless = FairPlay(points_per_week=100_000, points_per_witness_and_week=100_000)
        record_rules(session, Points(), boundless, began)
        run = session.connection().execute
        run(
            insert(Team),
            [
                Team(
                    name=f"Team {n}", slug=f"t{n}", timezone="UTC", first_week=str(LAST), created_at=began
                ).model_dump()
                | {"id": n}
                for n in range(1, teams + 1)
            ],
        )
        for start in range(1, people + 1, 10_000):
            run(insert(Person), [person(n, began) for n in range(start, min(start + 10_000, people + 1))])
        event, credit, entry = (one.__table__ for one in (Event, Credit, PointsEntry))  # type: ignore[attr-defined]
        table = Table(
            "slot",
            MetaData(),
            *(Column(name, Integer) for name in ("number", "points")),
            *(Column(name, String) for name in ("kind", "witness", "guideline", "week", "words")),
            Column("at", event.c.occurred_at.type),
            Column("day", entry.c.counts_on.type),
            prefixes=["TEMPORARY"],
        )
        table.create(session.connection())
        run(insert(table), slots)
        n = f"(number * {people} + person.id)"
        customer = "CASE WHEN witness = 'customer' THEN 'c' || number || '/' || person.id END"
        helped = f"CASE WHEN kind = 'help.given' THEN person.id % {people} + 1 END"
        fill(
            session,
            event.name,
            id=n,
            source="'bench'",
            key=f"'fact/' || {n}",
            kind="kind",
            occurred_at="at",
            posted_at="at",
            giver_id=helped,
            customer_key=customer,
            object=f"'rating/' || {n}",
            ticket=f"'ticket/' || {n}",
            text="words",
            evidence="'{}'",
        )
        fill(
            session,
            credit.name,
            id=n,
            event_id=n,
            kind="kind",
            agent="person.email",
            person_id="person.id",
            team_id="person.team_id",
            customer_key=customer,
            counts_at="at",
            counts_on="day",
            week="week",
            late="false",
            rules_version="1",
            points="points",
            entry_id=n,
        )
        fill(
            session,
            entry.name,
            id=n,
            credit_id=n,
            event_id=n,
            person_id="person.id",
            team_id="person.team_id",
            kind="kind",
            witness="witness",
            guideline="guideline",
            points="points",
            full_points="points",
            why="'full'",
            week="week",
            counts_on="day",
            rules_version="1",
            posted_at="at",
        )
        for guideline in ("''", "guideline"):  # the running scores that closing reads
            statement = (
                "INSERT INTO score (team_id, period, guideline, person_id, points) "
                f"SELECT team_id, week, {guideline}, person_id, sum(points) FROM points_entry WHERE week = :week "
                "GROUP BY 1, 2, 3, 4"
            )
            run(text(statement), {"week": str(LAST)})
        (lines,) = run(text("SELECT count(*) FROM points_entry")).one()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    return int(lines)


def slot(number: int, week: Week, inside: int) -> dict[str, Any]:
    """One fact that everybody has: the how-manieth of which week, its kind and when."""
    kind = KINDS[inside % len(KINDS)]
    at = week.begins_at("UTC") + timedelta(hours=12, minutes=inside)
    return {
        "number": number,
        "kind": kind,
        "points": Points().of(kind),
        "witness": WITNESS_OF[kind],
        "guideline": OF_KIND[kind],
        "week": str(week),
        "words": "She found our luggage, and called us before we had noticed." if inside % 4 == 0 else None,
        "at": at,
        "day": at.date(),
    }


def person(number: int, began: datetime) -> dict[str, Any]:
    """A row of somebody in the team of their number."""
    row = Person(
        name=f"Person {number}",
        handle=f"p{number}",
        email=f"p{number}@example.com",
        team_id=(number - 1) // EACH + 1,
        created_at=began,
        changed_at=began,
    )
    return row.model_dump(exclude={"webauthn"}) | {"id": number}


def fill(session: Session, table: str, **columns: str) -> None:
    """Everybody times every slot but each ninth, in the order of time: so people's points differ."""
    names, values = ", ".join(columns), ", ".join(columns.values())
    statement = f"INSERT INTO {table} ({names}) SELECT {values} FROM slot CROSS JOIN person WHERE (number + person.id) % 9 > 0"
    session.connection().execute(text(statement))


# ---------------------------------------------------------------- closing


def closing(db: Database, teams: int) -> Iterator[Figure]:
    """A unit of work for each team, against the fewest statements that store the same rows; each closes half of the teams."""
    plain = PlainClose(db, LAST)
    ours, theirs, grown = [], [], []
    for part in range(SLICES):
        first, middle, end = (1 + (2 * part + half) * teams // (2 * SLICES) for half in range(3))
        answer = plain.rehearsed(middle)
        theirs.append(seconds(plain.close, range(first, middle)))
        ours.append(seconds(partial(close, db), range(middle, end)))
        assert plain.stored(middle) == answer, (plain.stored(middle), answer)
        grown.append(memory())
    with db.reading() as session:
        (drafted,) = session.execute(text("SELECT count(*) FROM recognition")).one()
    whole, bare = statistics.median(ours), statistics.median(theirs)
    note = f"{whole * 1000:.1f} ms a team, {bare * 1000:.1f} ms by SQL; {drafted:,} winners"
    yield Figure("closing a week to the best plain SQL for the same answer", whole / bare, 1.25, False, note)
    note = f"{grown[-1] / 2**20:.0f} MiB after the last team, {grown[0] / 2**20:.0f} after the first fifth"
    yield Figure(
        "memory of closing: after all teams to after the first fifth", grown[-1] / grown[0], 1.1, False, note
    )


def close(db: Database, team_id: int) -> None:
    """What the clock does with a team whose week is due."""
    now = LAST.ends_at("UTC") + timedelta(hours=9)
    assert db.write(partial(recognition.close_week, config=CONFIG, team_id=team_id, week=LAST, now=now))


def seconds(work: Callable[[int], object], ids: range) -> float:
    """Seconds for each of them."""
    begun = time.perf_counter()
    for id_ in ids:
        work(id_)
    return (time.perf_counter() - begun) / len(ids)


def memory() -> int:
    """Bytes of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


# ---------------------------------------------------------------- rebuilding


def rebuilding(db: Database) -> Iterator[Figure]:
    """Every person's points from the stored evidence, scores and tallies anew, against copying the ledger's lines."""
    grown: list[int] = []
    with db.reading() as session:
        (lines,) = session.execute(text("SELECT count(*) FROM points_entry")).one()

    def tell(done: int, of: int) -> None:
        if done == of or (not grown and done >= of / 10):
            grown.append(memory())

    begun = time.perf_counter()
    assert rebuild(db, LAST.ends_at("UTC"), tell) == 0
    whole = (time.perf_counter() - begun) / lines
    copied = statistics.median(copy(db) for _ in range(3)) / lines
    note = f"{whole * 1e6:.0f} µs a line, {copied * 1e6:.1f} µs copied into a table with the same indexes"
    yield Figure("rebuilding per line to a plain INSERT ... SELECT", whole / copied, 5, False, note)
    note = f"{grown[-1] / 2**20:.0f} MiB at the end, {grown[0] / 2**20:.0f} after a tenth"
    yield Figure("memory of rebuilding: at the end to after a tenth", grown[-1] / grown[0], 1.1, False, note)


def copy(db: Database) -> float:
    """Seconds for one statement that writes the whole ledger once more."""
    with db.writing() as session:
        run = session.connection().execute
        run(
            text(
                "CREATE TABLE copied ("
                + ", ".join(f"{one.name} {one.type.compile(db.engine.dialect)}" for one in LEDGER)
                + ")"
            )
        )
        for number, columns in enumerate(INDEXES):
            run(
                text(
                    f"CREATE {'UNIQUE ' if columns in UNIQUE else ''}INDEX copied_{number} ON copied ({columns})"
                )
            )
        begun = time.perf_counter()
        run(text("INSERT INTO copied SELECT * FROM points_entry"))
        session.flush()
    took = time.perf_counter() - begun
    with db.writing() as session:
        session.connection().execute(text("DROP TABLE copied"))
    return took


LEDGER = PointsEntry.__table__.c  # type: ignore[attr-defined]
UNIQUE = ("id", "reverses_id")
INDEXES = (*UNIQUE, "credit_id", "person_id, id", "team_id, week")
"""Those of points_entry."""


# ---------------------------------------------------------------- sizes


SIZED = ("event", "credit", "points_entry", "score", "tally")
ENOUGH = 200_000
"""Rows that say how large one is."""


def sizes(db: Database, folder: Path) -> Iterator[str]:
    """Bytes of a row with its share of the indexes, table by table."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in SIZED:
            rows = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            if db.is_sqlite:
                rows = min(rows, ENOUGH)
                size = alone(db, table, folder / f"{table}.db")
            else:
                size = connection.execute(text(f"SELECT pg_total_relation_size('{table}')")).scalar_one()
            yield f"  {table:<13} {size / rows:5.0f} bytes a row with its indexes ({rows:,} rows)"


def alone(db: Database, table: str, file: Path) -> int:
    """Bytes of a file that holds nothing but the table's first rows and its indexes."""
    run = sqlite_module().connect(str(file), isolation_level=None).execute
    run("ATTACH ? AS main_file", (db.url.database,))
    query = "SELECT sql FROM main_file.sqlite_master WHERE tbl_name = ? AND sql NOT LIKE 'CREATE TRIGGER%' ORDER BY type DESC"
    for (statement,) in run(query, (table,)).fetchall():
        run(statement)
    run(f"INSERT INTO main.{table} SELECT * FROM main_file.{table} LIMIT {ENOUGH}")
    return file.stat().st_size


if __name__ == "__main__":
    main()
