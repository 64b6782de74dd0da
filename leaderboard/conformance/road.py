"""The whole road on a database of its own: what a plugin's samples earn, however often and in whatever order they come."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlmodel import Session, col, func, select

from leaderboard import deliveries, ledger
from leaderboard.config import Config
from leaderboard.conformance.kit import Kit
from leaderboard.conformance.rules import Fault, rule
from leaderboard.conformance.samples import Sample
from leaderboard.database import Database
from leaderboard.ledger import record_rules
from leaderboard.points import FairPlay, Points
from leaderboard.tables import Identity, Person, PointsEntry, Team

AS_WRITTEN, SHUFFLED, LINKED_LATER = "as_written", "shuffled", "linked_later"
ROADS = (AS_WRITTEN, SHUFFLED, LINKED_LATER)
"""Three sources of the same plugin, each with people of its own; all must come out alike."""


@rule(_l("Twice, late and in any order, it earns the same, and nothing for accounts that are nobody's"))
def it_earns_the_same_by_any_road(kit: Kit) -> Iterator[Fault]:
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{Path(folder) / 'kit.db'}")
        try:
            db.upgrade()
            yield from earns_the_same(db, kit)
        finally:
            db.dispose()


def earns_the_same(db: Database, kit: Kit) -> Iterator[Fault]:
    """The samples in their order, then again three days later; shuffled, each twice; and before anybody is linked."""
    samples = list(_each_about_its_own(kit.samples))
    now = max(sample.received_at for sample in samples)
    accounts = sorted({one for sample in samples for event in sample.events for one in event.agents})
    with db.writing() as session:
        people = {source: _people(session, source, accounts, now) for source in ROADS}
        for source in (AS_WRITTEN, SHUFFLED):
            for account, id_ in people[source].items():
                session.add(_identity(source, account, id_, now))
    for sample in samples:
        yield from _delivered(db, AS_WRITTEN, sample, len(sample.events))
        yield from _delivered(db, LINKED_LATER, sample, len(sample.events))
    for sample in samples:
        later = replace(sample, received_at=sample.received_at + timedelta(days=3))
        yield from _delivered(db, AS_WRITTEN, later, 0)
    for sample in kit.dice("road").sample(samples * 2, len(samples) * 2):
        yield from _delivered(db, SHUFFLED, sample, None)
    with db.writing() as session:
        if any(_points(session, people[LINKED_LATER]).values()):
            yield Fault(_("facts about accounts that are linked to nobody earn points"))
        for row in session.exec(select(Identity).where(Identity.source == LINKED_LATER)).all():
            if row.account in people[LINKED_LATER]:
                ledger.link(session, row.id or 0, people[LINKED_LATER][row.account], now)
        earned = {source: _points(session, people[source]) for source in ROADS}
    for source, words in ((SHUFFLED, _("shuffled and doubled")), (LINKED_LATER, _("linked afterwards"))):
        for account in accounts:
            if earned[source][account] != earned[AS_WRITTEN][account]:
                told = _(
                    "%(account)s earns %(points)s in order and %(others)s %(way)s: keys and times come from the tool",
                    account=account,
                    points=earned[AS_WRITTEN][account],
                    others=earned[source][account],
                    way=words,
                )
                yield Fault(told)


def _each_about_its_own(samples: Sequence[Sample]) -> Iterator[Sample]:
    """Samples without those that tell a fact of an earlier one in another way."""
    known: set[str] = set()
    for sample in samples:
        keys = {event.key for event in sample.events}
        if not keys & known:
            yield sample
        known |= keys


def _people(session: Session, source: str, accounts: Sequence[str], now: datetime) -> dict[str, int]:
    """A team of people, one for each account."""
    began = now - timedelta(weeks=8)
    if session.exec(select(Team)).first() is None:
        record_rules(session, Points(), FairPlay(), began)
    year, week, _day = began.isocalendar()
    team = Team(name=source, slug=source, timezone="UTC", first_week=f"{year}-W{week:02}", created_at=began)
    session.add(team)
    session.flush()
    found = {}
    for number, account in enumerate(accounts):
        handle = f"{source}-{number}"
        person = Person(
            name=handle,
            handle=handle,
            email=f"{handle}@kit.example",
            team_id=team.id or 0,
            created_at=began,
            changed_at=began,
        )
        session.add(person)
        session.flush()
        found[account] = person.id or 0
    return found


def _identity(source: str, account: str, person: int, now: datetime) -> Identity:
    return Identity(source=source, account=account, person_id=person, linked_at=now, created_at=now)


def _delivered(db: Database, source: str, sample: Sample, new: int | None) -> Iterator[Fault]:
    """Take a sample in as the service does; it must bring so many facts that were not known."""
    config = Config(plugins={source: sample.plugin})
    receipt = deliveries.receive(db, config, source, sample.delivery())
    if receipt.state != ("done" if sample.events else "ignored"):
        yield Fault(receipt.reason or receipt.state, sample.case)
    elif new is not None and receipt.new != new:
        words = _("%(came)s new facts came of it, and %(meant)s were expected", came=receipt.new, meant=new)
        yield Fault(words, sample.case)


def _points(session: Session, people: dict[str, int]) -> dict[str, int]:
    """What the ledger holds for each account."""
    query = select(PointsEntry.person_id, func.sum(PointsEntry.points)).group_by(col(PointsEntry.person_id))
    found = dict(session.exec(query).all())
    return {account: int(found.get(id_, 0)) for account, id_ in people.items()}
