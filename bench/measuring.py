"""What every benchmark shares: a figure beside its goal, works measured in turns, a made-up company."""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import insert
from sqlmodel import col, select

from leaderboard.database import Database
from leaderboard.ledger import record_rules
from leaderboard.points import FairPlay, Points
from leaderboard.tables import Person, Team

ROUNDS = 5
MOMENT = datetime.fromisoformat("2026-11-18T12:00:00+00:00")


@dataclass(frozen=True)
class Figure:
    """A ratio beside its goal; `at_least` says which way is good. Without a goal it is for the record."""

    name: str
    ratio: float
    goal: float | None
    at_least: bool
    note: str
    rate: float = 0.0
    """How often a second, where that is what was measured."""

    @property
    def good(self) -> bool:
        """Whether the goal is met; also where there is none."""
        return self.goal is None or (self.ratio >= self.goal if self.at_least else self.ratio <= self.goal)

    def line(self) -> str:
        """The figure on one line of a terminal."""
        sign = "≥" if self.at_least else "≤"
        goal = f"(goal {sign} {self.goal:g})" if self.goal is not None else "(for the record)"
        mark = " " if self.goal is None else "✓" if self.good else "·"
        return f"{mark} {self.name:<64} {self.ratio:7.2f}  {goal:<16} {self.note}"


def in_turns(*works: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """The median of each work's seconds, measured in turns so that a busy machine bothers all alike."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, found in zip(works, seconds, strict=True):
            found.append(work())
    return [statistics.median(found) for found in seconds]


def timed(work: Callable[[], object], times: int) -> float:
    """Seconds for one of `times` repetitions."""
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times


def memory() -> float:
    """The most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def company(url: str, size: int = 20) -> tuple[Database, list[int]]:
    """A migrated database with `size` people in one team, and rules whose caps never bite; the people's ids."""
    db = Database(url)
    db.upgrade()
    began = MOMENT - timedelta(weeks=4)
    boundless = FairPlay(points_per_week=100_000, points_per_witness_and_week=100_000)
    with db.writing() as session:
        record_rules(session, Points(), boundless, began)
        team = Team(
            name="Bench", slug="bench", timezone="Europe/Berlin", first_week="2026-W01", created_at=began
        )
        session.add(team)
        session.flush()
        rows = [
            Person(
                name=f"Person {n}",
                handle=f"p{n}",
                email=f"p{n}@example.com",
                team_id=team.id or 0,
                created_at=began,
                changed_at=began,
            ).model_dump(exclude={"id", "webauthn"})
            for n in range(size)
        ]
        session.connection().execute(insert(Person), rows)
        ids = session.exec(select(Person.id).order_by(col(Person.id))).all()
    return db, [id_ for id_ in ids if id_ is not None]


def in_folder(folder: Path) -> str:
    """The address of a SQLite file in a new folder."""
    folder.mkdir(parents=True)
    return f"sqlite:///{folder / 'bench.db'}"
