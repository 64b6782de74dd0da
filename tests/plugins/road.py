"""The whole road: from what a tool's pull brings to the points of Ana and Ben."""

from typing import TypeVar

from leaderboard import standings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.tables import Identity
from tests.make import NOON, Company
from tests.plugins.pulled import Pulled
from tests.plugins.tools import Tool

AnyTool = TypeVar("AnyTool", bound=Tool)


def road_of(
    db: Database,
    company: Company,
    desk: tuple[AnyTool, Pulled],
    source: str,
    *,
    ana: str,
    ben: str,
    **settings: object,
) -> tuple[AnyTool, Config]:
    """The tool at noon, and the product that pulls from it and knows these accounts for Ana's and Ben's."""
    with db.writing() as session:
        for account, name in ((ana, "ana"), (ben, "ben")):
            who = {"account": account, "person_id": company[name]}
            session.add(Identity(source=source, linked_at=NOON, created_at=NOON, **who))
    desk[0].now = NOON
    return desk[0], Config(plugins={source: desk[1].make(**settings)}, pull_hosts=("127.0.0.1",))


def total(db: Database, company: Company, name: str = "ana") -> int:
    """Points of this week."""
    with db.reading() as session:
        return standings.total(session, company[name], "2026-W47")
