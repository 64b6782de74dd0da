"""What a source brought in some time, taken back at once, and given back at once: each one unit of work.

Its credits name one `fact.withdrawn` of our own, as those of a single fact name the tool's; lines and scores are moved by
statements over sets, so memory stays as it is and writers wait for seconds. Closed weeks keep their frozen numbers; what leaves
them stands beside as a correction, and comes back to where it was.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, func, literal, select, update
from sqlalchemy import insert as plain_insert
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from leaderboard import acts
from leaderboard.config import OWN_SOURCE
from leaderboard.database import beat, is_postgresql
from leaderboard.languages import grouped
from leaderboard.ledger.calendar import counting
from leaderboard.ledger.facts import credit, event
from leaderboard.ledger.merging import clean_reason
from leaderboard.ledger.settling import closed_week, entry, past_withdrawal
from leaderboard.ledger.wholesale import count_again, lock_people, post_again, reverse_all
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, Reversal, Team
from leaderboard.weeks import Week

person = Person.__table__  # type: ignore[attr-defined]
team = Team.__table__  # type: ignore[attr-defined]
reversal = Reversal.__table__  # type: ignore[attr-defined]

_merged_into = select(person.c.merged_into_id).where(person.c.id == credit.c.person_id).scalar_subquery()
_now_known_as = func.coalesce(_merged_into, credit.c.person_id)
MOST_FACTS = 250_000
"""Of one reversal: writers wait while it is done. Longer times are taken back in parts."""


@dataclass(frozen=True)
class WeekTouched:
    """What of one team's week would be taken back."""

    team: str
    week: str
    is_closed: bool
    facts: int
    points: int


@dataclass(frozen=True)
class Preview:
    """What would be taken back: facts, points, people, and in which weeks; `unlinked` facts wait for accounts of nobody."""

    facts: int
    points: int
    people: int
    unlinked: int
    weeks: tuple[WeekTouched, ...]

    @property
    def by_week(self) -> dict[tuple[Week, bool], list[WeekTouched]]:
        """The teams' weeks by week and whether it is closed, the newest first."""
        found: dict[tuple[Week, bool], list[WeekTouched]] = {}
        for one in self.weeks:
            found.setdefault((Week.parse(one.week), one.is_closed), []).append(one)
        return found

    @property
    def touches_closed(self) -> bool:
        return any(one.is_closed for one in self.weeks)


def preview(session: Session, source: str, since: datetime, until: datetime) -> Preview:
    """What the source brought from `since` to before `until` (when it reached us, not when it happened) and still holds."""
    connection = session.connection()
    which = _held(source, since, until)
    facts, points, people = connection.execute(
        select(
            func.count(func.distinct(credit.c.event_id)),
            func.coalesce(func.sum(credit.c.points), 0),
            func.count(func.distinct(credit.c.person_id)),
        ).where(which)
    ).one()
    unlinked = connection.execute(
        select(func.count(func.distinct(credit.c.event_id))).where(which, credit.c.person_id.is_(None))
    ).scalar_one()
    same_week = and_(closed_week.c.team_id == credit.c.team_id, closed_week.c.week == credit.c.week)
    weeks = (
        select(
            team.c.name,
            credit.c.week,
            func.max(closed_week.c.id).label("closed"),
            func.count(func.distinct(credit.c.event_id)).label("facts"),
            func.sum(credit.c.points).label("points"),
        )
        .select_from(credit.join(team, team.c.id == credit.c.team_id).outerjoin(closed_week, same_week))
        .where(which)
        .group_by(team.c.name, credit.c.week)
        .order_by(credit.c.week.desc(), team.c.name)
    )
    return Preview(
        facts,
        int(points),
        people,
        unlinked,
        tuple(
            WeekTouched(row.name, row.week, row.closed is not None, row.facts, int(row.points))
            for row in connection.execute(weeks)
        ),
    )


def ask(
    session: Session,
    source: str,
    since: datetime,
    until: datetime,
    facts: int,
    reason: str,
    now: datetime,
    by: int | None = None,
) -> Reversal:
    """Ask for a reversal of exactly so many facts; `carry_out` does it. Raises Invalid, also where the number has changed."""
    reason = clean_reason(reason)
    if since >= until:
        raise Invalid(_("The end lies before the beginning."), "until")
    if until > now:
        raise Invalid(_("The end lies ahead: what is still to come cannot be taken back."), "until")
    found = preview(session, source, since, until)
    if not found.facts:
        raise Invalid(_("Nothing that still counts came from there in that time."), "since")
    if found.facts > MOST_FACTS:
        raise Invalid(
            _(
                "That is more than %(most)s facts at once. Take a shorter time, and then the next.",
                most=grouped(MOST_FACTS),
            ),
            "since",
        )
    if found.facts != facts:
        raise Invalid(_("Meanwhile the numbers have changed. Look at them again before you go on."))
    row = Reversal(
        source=source,
        since=since,
        until=until,
        reason=reason,
        facts=found.facts,
        points=found.points,
        people=found.people,
        asked_at=now,
        asked_by=by,
    )
    session.add(row)
    session.flush()
    _note(session, "take_back", row, reason, now, by)
    return row


def ask_undo(
    session: Session, reversal_id: int, reason: str, now: datetime, by: int | None = None
) -> Reversal:
    """Ask for everything back that a reversal took. Raises Invalid, LookupError for none."""
    reason = clean_reason(reason)
    row = _of(session, reversal_id)
    if row.state != "done":
        raise Invalid(_("There is nothing to undo: it is under way, or undone already."))
    row.state, row.undo_reason, row.undo_asked_at, row.undo_asked_by = "undoing", reason, now, by
    session.add(row)
    session.flush()
    _note(session, "give_back", row, reason, now, by)
    return row


def waiting(session: Session) -> list[int]:
    """The reversals that were asked for and are not done, the oldest first."""
    asked = select_rows(Reversal.id).where(col(Reversal.state).in_(("waiting", "undoing")))
    return [id_ or 0 for id_ in session.exec(asked.order_by(col(Reversal.id)))]


def carry_out(session: Session, reversal_id: int, now: datetime) -> bool:
    """Do what was asked, in this unit of work; False where it is done already."""
    row = _of(session, reversal_id)
    if row.state == "waiting":
        _take_back(session, row, now)
        row.state, row.done_at = "done", now
    elif row.state == "undoing":
        _give_back(session, row, now)
        row.state, row.undone_at = "undone", now
    else:
        return False
    row.told_at = None
    session.add(row)
    session.flush()
    beat(session, reversal_id)
    return True


def reversals(session: Session, source: str, limit: int = 50) -> list[Reversal]:
    """What was taken back of this source, the latest first."""
    mine = select_rows(Reversal).where(Reversal.source == source)
    return list(session.exec(mine.order_by(col(Reversal.id).desc()).limit(limit)))


def untold(session: Session) -> list[Reversal]:
    """Reversals and undoings that are done and nobody was told of yet."""
    done = col(Reversal.state).in_(("done", "undone"))
    return list(session.exec(select_rows(Reversal).where(done, col(Reversal.told_at).is_(None))))


def concerned(session: Session, row: Reversal) -> list[int]:
    """The people whose points it changed, by id."""
    lost = select(entry.c.person_id).join(credit, credit.c.id == entry.c.credit_id)
    lost = lost.where(credit.c.id.in_(_credits_of(row)), entry.c.points > 0).distinct()
    return list(session.connection().execute(lost.order_by(entry.c.person_id)).scalars())


def promises_of(session: Session, row: Reversal) -> list[str]:
    """What its promises are called in the tool."""
    query = select(event.c.object).join(credit, credit.c.event_id == event.c.id)
    query = query.where(
        credit.c.id.in_(_credits_of(row)), event.c.kind.startswith("promise."), event.c.object.is_not(None)
    )
    return list(session.connection().execute(query.distinct().order_by(event.c.object)).scalars())


def events_of(row: Reversal) -> Any:
    """The numbers of the facts that it keeps taken back, for a statement."""
    return select(credit.c.event_id).where(credit.c.withdrawn_by == row.event_id)


# --- the steps ----------------------------------------------------------------------------------------------


def _take_back(session: Session, row: Reversal, now: datetime) -> None:
    connection = session.connection()
    which = _held(row.source, row.since, row.until)
    people = _lock(session, which)
    row.event_id = connection.execute(
        plain_insert(event).values(_fact(f"reversal/{row.id}", None, row, now)).returning(event.c.id)
    ).scalar_one()
    connection.execute(update(credit).where(which).values(withdrawn_by=row.event_id))
    mine = credit.c.withdrawn_by == row.event_id
    row.facts, row.people = connection.execute(
        select(
            func.count(func.distinct(credit.c.event_id)), func.count(func.distinct(credit.c.person_id))
        ).where(mine)
    ).one()
    row.points = int(
        connection.execute(select(func.coalesce(func.sum(credit.c.points), 0)).where(mine)).scalar_one()
    )
    reverse_all(session, mine, "withdrawn", now)
    count_again(session, people, now)


def _give_back(session: Session, row: Reversal, now: datetime) -> None:
    connection = session.connection()
    mine = credit.c.withdrawn_by == row.event_id
    _lock(session, mine)
    back = connection.execute(
        plain_insert(event)
        .values(_fact(f"reversal/{row.id}/undone", f"reversal/{row.id}", row, now))
        .returning(event.c.id)
    ).scalar_one()
    past = select(credit.c.id, credit.c.withdrawn_by, literal(back)).where(mine)
    names = ("credit_id", "withdrawn_by", "restored_by")
    connection.execute(plain_insert(past_withdrawal).from_select(names, past))
    # A week that closed while they were gone knows nothing of them: they come late. Others get their lines back as they were,
    # and where the rest of an open week has changed meanwhile, counting it again sets them right.
    same_week = and_(closed_week.c.team_id == credit.c.team_id, closed_week.c.week == credit.c.week)
    without = select(closed_week.c.id).where(same_week, closed_week.c.last_event_id >= row.event_id).exists()
    post_again(session, and_(mine, ~without), now)
    missed = select(credit.c.team_id, credit.c.week, func.min(credit.c.counts_at).label("at"))
    missed = missed.where(mine, without)
    for part in connection.execute(missed.group_by(credit.c.team_id, credit.c.week)).all():
        home = connection.execute(select(team).where(team.c.id == part.team_id)).one()
        when = counting(session, home, part.at, now)
        late = {"counts_at": when.at, "counts_on": when.day, "week": when.week, "late": when.late}
        late |= {"rules_version": when.rules.version, "person_id": _now_known_as}
        here = and_(mine, credit.c.team_id == part.team_id, credit.c.week == part.week)
        connection.execute(update(credit).where(here).values(late))
    people = _people(session, mine)
    lock_people(session, people)
    connection.execute(update(credit).where(mine).values(withdrawn_by=None))
    _withdraw_again(session, row, back)
    count_again(session, people, now)


def _withdraw_again(session: Session, row: Reversal, back: int) -> None:
    """What the tool itself took back meanwhile stays taken back."""
    restored = select(past_withdrawal.c.credit_id).where(past_withdrawal.c.restored_by == back)
    meant = select(event.c.id, event.c.object, event.c.evidence).where(
        event.c.source == row.source, event.c.kind == "fact.withdrawn", event.c.id > row.event_id
    )
    connection = session.connection()
    for tombstone in connection.execute(meant.order_by(event.c.id)).all():
        named = select(event.c.id).where(event.c.source == row.source, event.c.key == tombstone.object)
        which = and_(credit.c.id.in_(restored), credit.c.event_id.in_(named), credit.c.withdrawn_by.is_(None))
        if agents := str(tombstone.evidence.get("agents", "")):
            which = and_(which, credit.c.agent.in_(agents.split(" ")))
        connection.execute(update(credit).where(which).values(withdrawn_by=tombstone.id))


def _held(source: str, since: datetime, until: datetime) -> ColumnElement[bool]:
    """Credits of what came from the source in that time and was not taken back."""
    brought = select(event.c.id).where(
        event.c.source == source, event.c.posted_at >= since, event.c.posted_at < until
    )
    return and_(credit.c.event_id.in_(brought), credit.c.withdrawn_by.is_(None))


def _credits_of(row: Reversal) -> Any:
    """The credits that it took, while they are gone and after they came back."""
    gone = select(credit.c.id).where(credit.c.withdrawn_by == row.event_id)
    return gone.union(
        select(past_withdrawal.c.credit_id).where(past_withdrawal.c.withdrawn_by == row.event_id)
    )


def _people(session: Session, which: ColumnElement[bool]) -> dict[int, str]:
    """Whose credits these are, each with the first week of theirs."""
    query = select(credit.c.person_id, func.min(credit.c.week).label("week"))
    query = query.where(which, credit.c.person_id.is_not(None)).group_by(credit.c.person_id)
    return {row.person_id: row.week for row in session.connection().execute(query)}


def _lock(session: Session, which: ColumnElement[bool]) -> dict[int, str]:
    """Hold off the closing of these credits' weeks and hold their people; returns those, each with the first week of theirs."""
    if is_postgresql(session):
        teams = select(credit.c.team_id).where(which)
        rows = select(team.c.id).where(team.c.id.in_(teams)).order_by(team.c.id)
        session.connection().execute(rows.with_for_update(read=True)).all()
    people = _people(session, which)
    lock_people(session, people)
    return people


def _note(session: Session, what: str, row: Reversal, why: str, now: datetime, by: int | None) -> None:
    detail = f"{row.facts}: {row.since:%Y-%m-%d %H:%M} – {row.until:%Y-%m-%d %H:%M} UTC"
    acts.record(session, what, by, now, source=row.source, detail=detail, why=why)


def _of(session: Session, reversal_id: int) -> Reversal:
    row = session.get(Reversal, reversal_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise LookupError(reversal_id)
    return row


def _fact(key: str, withdraws: str | None, row: Reversal, now: datetime) -> dict[str, Any]:
    """The fact that credits name: of our own source, because it is ours and not the tool's."""
    return {
        "source": OWN_SOURCE,
        "key": key,
        "kind": "fact.withdrawn",
        "occurred_at": now,
        "posted_at": now,
        "object": withdraws,
        "evidence": {"source": row.source, "since": row.since.isoformat(), "until": row.until.isoformat()},
    }
