"""What a person was told, as they read it: in words made of the things as they are now. What may not be seen is not told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import and_, delete, or_, update
from sqlmodel import Session, col, select

from leaderboard.config import Config
from leaderboard.guidelines import BY_SLUG, N_
from leaderboard.notices.telling import UNREAD, count, hold
from leaderboard.people import by_id
from leaderboard.tables import (
    ClosedWeek,
    CoSign,
    Credit,
    Event,
    Letter,
    Merge,
    Nomination,
    Nominee,
    Notice,
    Person,
    Promise,
    Recognition,
    Reversal,
    Team,
)
from leaderboard.weeks import Week

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_WORDS = 160
UNREAD_FOR = timedelta(days=365)
"""What nobody has read for so long is forgotten, too."""
LEFT_OVER = 1_000
"""Rows that one unit of work forgets."""
CROSSED = N_("Crossed the aisle")


@dataclass(frozen=True)
class Said:
    """One notice, ready to be put into words. `who` did it, `whom` it is about; `words` are somebody's own, shortened."""

    id: int
    sort: str
    at: datetime
    read: bool
    url: str
    many: int = 1
    who: tuple[str, ...] = ()
    whom: tuple[str, ...] = ()
    accepted: bool = True
    words: str = ""
    category: str = ""
    team: str = ""
    week: int = 0
    due_at: datetime | None = None
    source: str = ""


def sentence(said: Said) -> str:
    """The notice in one sentence, in the language of whoever is spoken to."""
    return str(_sentence(said))


def _sentence(said: Said) -> Any:
    who, whom = said.who[0] if said.who else "", _names(said.whom)
    match said.sort:
        case "story":
            return _("%(who)s told a story about you", who=who)
        case "cosign" if said.many > 1:
            return ngettext(
                "%(who)s and %(num)s other saw it too: the story that %(teller)s told about you",
                "%(who)s and %(num)s others saw it too: the story that %(teller)s told about you",
                said.many - 1,
                who=who,
                teller=whom,
            )
        case "cosign":
            return _("%(who)s saw it too: the story that %(teller)s told about you", who=who, teller=whom)
        case "thanks":
            return _("%(who)s thanked you", who=who) if who else _("A customer thanked you")
        case "judged" if said.accepted and who:
            return _("%(who)s accepted your story about %(whom)s", who=who, whom=whom)
        case "judged" if said.accepted:
            return _("Your story about %(whom)s was accepted", whom=whom)
        case "judged":
            return _("%(who)s sent your story about %(whom)s back", who=who, whom=whom)
        case "won":
            named = _(said.category)
            return _(
                "You are announced: %(category)s, %(team)s, week %(number)s",
                category=named,
                team=said.team,
                number=said.week,
            )
        case "promise_due":
            return _("A promise of yours falls due soon")
        case "promise_confirmed" if who:
            return _("%(who)s confirmed that you kept your promise", who=who)
        case "promise_confirmed":
            return _("The helpdesk shows that you kept your promise")
        case "to_confirm":
            return ngettext(
                "%(num)s promise that a colleague kept waits for somebody to confirm it",
                "%(num)s promises that colleagues kept wait for somebody to confirm them",
                said.many,
            )
        case "taken_back" if said.accepted:
            return _(
                "What was taken back of %(source)s was real after all: it counts again", source=said.source
            )
        case "taken_back":
            return _(
                "%(source)s told something that was not so, and it was taken back. It is nothing you did",
                source=said.source,
            )
        case "merged" if said.accepted:
            return _("Your two accounts here are one now: what both earned counts for you")
        case "merged":
            return _("The accounts that had been made one are two again")
        case _other:
            return ngettext("%(num)s story waits for you", "%(num)s stories wait for you", said.many)


def _names(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + str(_(" and ")) + names[-1]


# ---------------------------------------------------------------- reading


def listed(
    session: Session, person: Person, after: str = "", limit: int = 30
) -> tuple[list[Said], str | None]:
    """What this person was told, the newest first, and the cursor from which it goes on. An unknown cursor is the beginning."""
    query = (
        select(Notice)
        .where(Notice.person_id == person.id, Notice.state != "gone")
        .order_by(col(Notice.at).desc(), col(Notice.id).desc())
    )
    micros, _dot, last = after.partition(".")
    if micros.isdecimal() and last.isdecimal() and len(micros) <= 17 and len(last) <= 9:
        at = EPOCH + timedelta(microseconds=int(micros))
        query = query.where(or_(col(Notice.at) < at, and_(col(Notice.at) == at, col(Notice.id) < int(last))))
    rows = list(session.exec(query.limit(limit + 1)))
    more = rows[limit - 1] if len(rows) > limit else None
    cursor = f"{(more.at - EPOCH) // timedelta(microseconds=1)}.{more.id}" if more else None
    return described(session, person, rows[:limit]), cursor


def described(session: Session, person: Person, rows: Sequence[Notice]) -> list[Said]:
    """These notices with all that it takes to say them, without those whose thing may be seen no more."""
    said = [
        Said(row.id or 0, row.sort, row.at, row.state == "read", "", row.many)
        for row in rows
        if row.state != "gone"
    ]
    things = {row.id or 0: row.thing_id for row in rows}
    told: list[Said | None] = []
    about = {sort: [things[one.id] for one in said if one.sort == sort] for sort in {s.sort for s in said}}
    stories = _stories(
        session, [id_ for sort in ("story", "cosign", "judged") for id_ in about.get(sort, [])]
    )
    signed = _signed(session, about.get("cosign", []))
    thanked = _thanks(session, person, about.get("thanks", []))
    won = _wins(session, about.get("won", []))
    promised = _promises(
        session, [id_ for sort in ("promise_due", "promise_confirmed") for id_ in about.get(sort, [])]
    )
    for one in said:
        thing = things[one.id]
        match one.sort:
            case "story" | "cosign" | "judged":
                told.append(_about_story(one, person, stories.get(thing), signed.get(thing, ())))
            case "thanks":
                told.append(_about_thanks(one, person, thanked.get(thing)))
            case "won":
                told.append(_about_win(one, person, won.get(thing)))
            case "promise_due" | "promise_confirmed":
                told.append(_about_promise(one, promised.get(thing)))
            case "to_confirm":
                told.append(replace(one, url="/promises"))
            case "taken_back" | "merged":
                told.append(_about_correction(session, one, person, thing))
            case _other:
                told.append(replace(one, url="/lead"))
    return [one for one in told if one is not None]


def opened(session: Session, person: Person, notice_id: int, now: datetime) -> str:
    """Where a notice leads; it is read from now on. LookupError where this person has no such one."""
    row = session.get(Notice, notice_id)
    if row is None or row.person_id != person.id:
        raise LookupError(notice_id)
    found = described(session, person, [row])
    if not found:
        raise LookupError(notice_id)
    if row.state in UNREAD:
        _read(session, person, now, col(Notice.id) == notice_id)
    return found[0].url


def read_all(session: Session, person: Person, until: int, now: datetime) -> None:
    """Everything up to the notice of this id is read: what came since the page was shown is not."""
    _read(session, person, now, col(Notice.id) <= until)


def _read(session: Session, person: Person, now: datetime, which: Any) -> None:
    hold(session, [person.id or 0])
    mine = and_(col(Notice.person_id) == person.id, col(Notice.state).in_(UNREAD), which)
    session.connection().execute(update(Notice).where(mine).values(state="read", read_at=now, mail_at=None))
    count(session, [person.id or 0])


def forget(session: Session, config: Config, now: datetime) -> int:
    """Delete what was read long ago, and letters of that time; returns how many rows."""
    until = now - timedelta(days=config.retention.notice_days)
    connection = session.connection()
    old = select(Notice.id).where(
        or_(
            and_(col(Notice.state) == "read", col(Notice.read_at) < until),
            and_(col(Notice.state) == "unread", col(Notice.at) < now - UNREAD_FOR),
        )
    )
    gone = connection.execute(
        update(Notice).where(col(Notice.id).in_(old.limit(LEFT_OVER).scalar_subquery())).values(state="gone")
    )
    kept = select(Notice.letter_id).where(col(Notice.letter_id).is_not(None))
    sent = select(Letter.id).where(
        col(Letter.state).not_in(("waiting", "sending")),
        col(Letter.created_at) < until,
        col(Letter.id).not_in(kept),
    )
    letters = connection.execute(
        delete(Letter).where(col(Letter.id).in_(sent.limit(LEFT_OVER).scalar_subquery()))
    )
    return int(gone.rowcount + letters.rowcount)


# ---------------------------------------------------------------- the things


@dataclass(frozen=True)
class _Story:
    row: Nomination
    nominees: tuple[tuple[Nominee, Person], ...]
    teller: Person
    judge: Person | None


def _stories(session: Session, ids: Sequence[int]) -> dict[int, _Story]:
    if not ids:
        return {}
    rows = list(session.exec(select(Nomination).where(col(Nomination.id).in_(ids))))
    named: dict[int, list[tuple[Nominee, Person]]] = {row.id or 0: [] for row in rows}
    starring = (
        select(Nominee, Person)
        .join(Person, col(Person.id) == Nominee.person_id)
        .where(col(Nominee.nomination_id).in_(ids))
        .order_by(col(Nominee.position))
    )
    for nominee, whose in session.exec(starring):
        named[nominee.nomination_id].append((nominee, whose))
    people = by_id(session, [id_ for row in rows for id_ in (row.nominator_id, row.judged_by or 0)])
    return {
        row.id or 0: _Story(
            row, tuple(named[row.id or 0]), people[row.nominator_id], people.get(row.judged_by or 0)
        )
        for row in rows
    }


def _signed(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    """Names of those who co-signed each of these stories, the latest first."""
    found: dict[int, list[str]] = {}
    if ids:
        query = (
            select(CoSign.nomination_id, Person.name)
            .join(Person, col(Person.id) == CoSign.person_id)
            .where(col(CoSign.nomination_id).in_(ids), col(CoSign.withdrawn_at).is_(None))
            .order_by(col(CoSign.signed_at).desc(), col(CoSign.id).desc())
        )
        for nomination_id, name in session.exec(query):
            found.setdefault(nomination_id, []).append(name)
    return found


def _about_story(one: Said, person: Person, story: _Story | None, signed: Sequence[str]) -> Said | None:
    if story is None:
        return None
    one = replace(one, url=f"/stories/{story.row.uid}")
    if one.sort == "judged":
        if story.row.state not in ("accepted", "declined"):
            return None
        accepted = story.row.state == "accepted"
        return replace(
            one,
            who=(story.judge.name,) if story.judge else (),
            whom=tuple(whose.name for _nominee, whose in story.nominees),
            accepted=accepted,
            words="" if accepted else _short(story.row.reason),
        )
    hidden = any(nominee.hidden_at and nominee.person_id == person.id for nominee, _whose in story.nominees)
    if story.row.state != "accepted" or hidden:
        return None
    if one.sort == "story":
        return replace(one, who=(story.teller.name,), words=_short(story.row.story))
    return replace(one, who=tuple(signed), whom=(story.teller.name,), many=len(signed)) if signed else None


def _thanks(session: Session, person: Person, ids: Sequence[int]) -> dict[int, Event]:
    if not ids:
        return {}
    query = (
        select(Event)
        .join(Credit, col(Credit.event_id) == Event.id)
        .where(col(Event.id).in_(ids), Credit.person_id == person.id, col(Credit.withdrawn_by).is_(None))
    )
    return {event.id or 0: event for event in session.exec(query)}


def _about_thanks(one: Said, person: Person, event: Event | None) -> Said | None:
    if event is None:
        return None
    named = event.customer if event.customer and not event.customer.isdigit() else ""  # a number is no name
    who = (_short(named, 60),) if named else ()
    return replace(one, url=f"/people/{person.handle}", who=who, words=_short(event.text))


def _wins(session: Session, ids: Sequence[int]) -> dict[int, tuple[Recognition, ClosedWeek, Team]]:
    if not ids:
        return {}
    query = (
        select(Recognition, ClosedWeek, Team)
        .join(ClosedWeek, col(ClosedWeek.id) == Recognition.closed_week_id)
        .join(Team, col(Team.id) == ClosedWeek.team_id)
        .where(col(Recognition.id).in_(ids), col(Recognition.dropped_at).is_(None))
        .where(col(ClosedWeek.announced_at).is_not(None))
    )
    return {row.id or 0: (row, closed, team) for row, closed, team in session.exec(query)}


def _about_win(one: Said, person: Person, won: tuple[Recognition, ClosedWeek, Team] | None) -> Said | None:
    if won is None or won[0].person_id != person.id:
        return None
    row, closed, team = won
    guideline = BY_SLUG.get(row.category)
    return replace(
        one,
        url=f"/weeks/{closed.week}?team={team.slug}",
        category=guideline.name if guideline else CROSSED,
        team=team.name,
        week=Week.parse(closed.week).number,
        words=_short(row.words),
    )


def _promises(session: Session, ids: Sequence[int]) -> dict[int, tuple[Promise, str]]:
    """The promises, each with the name of the colleague who confirmed it."""
    if not ids:
        return {}
    rows = list(session.exec(select(Promise).where(col(Promise.id).in_(ids))))
    people = by_id(session, [row.confirmed_by for row in rows if row.confirmed_by is not None])
    return {
        row.id or 0: (row, people[row.confirmed_by].name if row.confirmed_by in people else "")
        for row in rows
    }


def _about_promise(one: Said, found: tuple[Promise, str] | None) -> Said | None:
    if found is None:
        return None
    row, confirmer = found
    one = replace(one, url=f"/promises/{row.uid}", words=_short(row.what), due_at=row.due_at)
    if one.sort == "promise_due":
        return one if row.state == "open" else None
    return replace(one, who=(confirmer,) if confirmer else ()) if row.confirmed_at else None


def _about_correction(session: Session, one: Said, person: Person, thing: int) -> Said | None:
    """Facts taken back at once (or given back), accounts made one (or two again): `accepted` is the better news."""
    one = replace(one, url=f"/people/{person.handle}/points")
    if one.sort == "merged":
        merge = session.get(Merge, thing)
        return replace(one, accepted=merge.undone_at is None) if merge else None
    row = session.get(Reversal, thing)
    return replace(one, source=row.source, accepted=row.state == "undone") if row else None


def _short(text: str | None, most: int = MAX_WORDS) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
