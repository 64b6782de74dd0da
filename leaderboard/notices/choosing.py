"""How each person wishes to be told each sort of thing."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy import update
from sqlmodel import Session, col, select

from leaderboard.guidelines import N_
from leaderboard.people import zone_of
from leaderboard.plugin import Invalid
from leaderboard.tables import SORTS, WAYS, Notice, NoticeWay, Person
from leaderboard.weeks import at_local

SORT_NAMES = {
    "story": N_("A colleague told a story about me"),
    "cosign": N_("A colleague saw it too, in a story about me"),
    "thanks": N_("A customer thanked me"),
    "won": N_("I am announced as a winner"),
    "judged": N_("My story was accepted or sent back"),
    "promise_due": N_("A promise of mine falls due soon"),
    "promise_confirmed": N_("Somebody confirmed that I kept a promise"),
    "to_confirm": N_("A colleague's kept promise waits for somebody to confirm it"),
    "to_judge": N_("A story waits for me as a lead"),
    "taken_back": N_("Points of mine were taken back or given back at once"),
    "merged": N_("Two accounts of mine were made one, or two again"),
}
"""What somebody may choose about, in the order in which they are asked."""
DEFAULTS = dict.fromkeys(SORTS, "page") | {"story": "at_once", "won": "at_once"}
"""How people are told who chose nothing: mail is for what is about them and rare."""
UNDO_FOR = timedelta(seconds=60)
"""So long a lead may take the last step back as if it had not been. Pages offer it for ten seconds; the rest is for slow lines.
Nothing is sent to anybody before it is over."""
DIGEST_AT = time(8)
"""When the daily mail goes out, by the person's own clock."""


def ways_of(session: Session, person_id: int) -> dict[str, str]:
    """How this person is told each sort: at_once (page and mail), daily (page and a mail a day), page, off."""
    chosen = select(NoticeWay).where(NoticeWay.person_id == person_id)
    return DEFAULTS | {row.sort: row.way for row in session.exec(chosen)}


def willing(session: Session, sort: str, counts: Mapping[int, int]) -> dict[int, int]:
    """The same, by person, without those who wish not to be told this sort at all."""
    unwilling = select(NoticeWay.person_id).where(NoticeWay.sort == sort, NoticeWay.way == "off")
    off = set(session.exec(unwilling))
    return {person_id: many for person_id, many in counts.items() if person_id not in off}


def sorts_of(person: Person) -> list[str]:
    """The sorts that there are for this person: only those who judge are told what waits for judgement."""
    return [sort for sort in SORT_NAMES if sort != "to_judge" or person.role in ("lead", "admin")]


def choose(session: Session, person: Person, ways: Mapping[str, str]) -> None:
    """Keep how this person wishes to be told; sorts that are left out stay as they are. Raises Invalid."""
    for sort, way in ways.items():
        if sort not in SORTS or way not in WAYS:
            raise Invalid(_("Choose one of the ways in the list."), sort)
        session.merge(NoticeWay(person_id=person.id or 0, sort=sort, way=way))
        if way in ("page", "off"):
            _keep_from_mail(session, person, sort)
    session.flush()


def no_more_mail(session: Session, person: Person) -> None:
    """Whatever came by mail stays in the page only. Twice is once."""
    ways = ways_of(session, person.id or 0)
    choose(session, person, {sort: "page" for sort, way in ways.items() if way in ("at_once", "daily")})
    session.connection().execute(
        update(Notice).where(col(Notice.person_id) == person.id).values(mail_at=None)
    )


def _keep_from_mail(session: Session, person: Person, sort: str) -> None:
    session.connection().execute(
        update(Notice)
        .where(col(Notice.person_id) == person.id, col(Notice.sort) == sort)
        .values(mail_at=None)
    )


def mail_at(session: Session, person: Person, way: str, now: datetime) -> datetime | None:
    """When a thing told now goes by mail: after UNDO_FOR, at the person's next eight o'clock, or (None) not at all."""
    if way == "at_once":
        return now + UNDO_FOR
    if way != "daily":
        return None
    zone = zone_of(session, person)
    today = now.astimezone(ZoneInfo(zone)).date()
    morning = at_local(today, DIGEST_AT, zone)
    return morning if morning > now else at_local(today + timedelta(days=1), DIGEST_AT, zone)
