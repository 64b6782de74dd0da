"""P12: every number that is shown is the sum of the ledger: board, profile, CSV, API, and the frozen page of a week."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from sqlalchemy import func, select

from leaderboard import people
from leaderboard.database import Database
from leaderboard.jobs import close_weeks
from leaderboard.tables import Person, PointsEntry, Team
from tests.make import NOON, Clock, Company
from tests.test_ledger import RECOVERY, promise, take_in, thanks, withdraw
from tests.visitor import Visitor

NAMES = ("ana", "ben", "chris", "dan", "eve")


def sums(db: Database, company: Company, week: str) -> dict[str, int]:
    """The ledger's own answer."""
    handles = {id_: handle for handle, id_ in company.people.items()}
    query = select(PointsEntry.person_id, func.sum(PointsEntry.points)).where(PointsEntry.week == week)
    with db.reading() as session:
        found = {
            handles[row[0]]: int(row[1]) for row in session.execute(query.group_by(PointsEntry.person_id))
        }
    return {handle: points for handle, points in found.items() if points}


@pytest.mark.promise(number=12)
def test_every_number_shown_is_the_sum_of_the_ledger(
    db: Database, app: Flask, company: Company, clock: Clock, client_of: Callable[[str], Visitor]
) -> None:
    facts = [thanks(n, n / 2, f"{NAMES[n * n % 5]}@example.com") for n in range(30)]
    take_in(db, *facts, *RECOVERY, promise("made", 0, 5, 70), promise("kept", 4, None, 70))
    take_in(db, withdraw("rating/4/thanks"))
    with db.writing() as session:
        for team in session.execute(select(Team)).scalars():
            team.first_week = "2026-W47"
    ledger = sums(db, company, "2026-W47")
    assert len(ledger) >= 3
    ada = client_of("ada")

    shown = list(csv.DictReader(io.StringIO(ada.get("/board.csv").get_data(as_text=True))))
    assert len(shown) >= 3
    assert all(int(row["Points"]) == ledger[row["Person"].lower()] for row in shown)

    with db.writing() as session:
        admin = session.get_one(Person, company["ada"])
        token = people.token_create(session, admin, ["read"], None, NOON)
    machine = {"Authorization": f"Bearer {token}"}
    board = ada.get("/api/v1/standings?week=2026-W47&limit=100", headers=machine).get_json()["standings"]
    assert {row["person"]["handle"]: row["points"] for row in board} == ledger

    page = ada.get("/board").get_data(as_text=True)
    for handle, points in ledger.items():
        said = ada.get(f"/api/v1/people/{handle}/points?week=2026-W47", headers=machine).get_json()
        assert said["total"] == points
        assert sum(entry["points"] for entry in said["entries"]) == points
        own = unescape(client_of(handle).get(f"/people/{handle}").get_data(as_text=True))
        assert re.search(rf"\b{points}\b", own)
    top = max(ledger.values())
    assert re.search(rf">\s*{top}\b", page)

    clock.at(NOON + timedelta(days=6))  # Tuesday: both teams' Monday mornings have passed
    assert close_weeks(db, app.extensions["config"], clock) > 0
    take_in(db, withdraw("rating/9/thanks"), now=clock())
    frozen = ada.get("/api/v1/weeks/2026-W47", headers=machine)
    assert frozen.status_code == 200
    ada = client_of("ada")
    for team in ("care", "shop"):
        rows = csv.DictReader(io.StringIO(ada.get(f"/weeks/2026-W47.csv?team={team}").get_data(as_text=True)))
        for row in rows:
            assert int(row["Points"]) == ledger[row["Name"].lower()]
