"""People who are one, and accounts that are somebody else's: what may still move moves, and every step can be undone.

What counted in a closed week stays where that week's page shows it. A merge is a mapping (`merged_into_id`) beside the ledger:
facts of open weeks are counted with the person who stays; old lines stay as they are, and the scores of months and years count
them for that person.
"""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, func, literal, or_, select, update
from sqlalchemy import insert as plain_insert
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from leaderboard import acts
from leaderboard.database import beat, lock_names
from leaderboard.ledger.facts import credit, event
from leaderboard.ledger.posting import NOT_COUNTED
from leaderboard.ledger.settling import closed_week
from leaderboard.ledger.wholesale import (
    count_again,
    lock_their_teams,
    open_since,
    reverse_all,
    rewrite_scores,
)
from leaderboard.people import deactivate, reactivate
from leaderboard.plugin import Invalid, text_of
from leaderboard.tables import Identity, Merge, MergedCredit, Person

identity = Identity.__table__  # type: ignore[attr-defined]
merge_row = Merge.__table__  # type: ignore[attr-defined]
merged_credit = MergedCredit.__table__  # type: ignore[attr-defined]

MAX_REASON = 500


@dataclass(frozen=True)
class MergePreview:
    """What a merge would do: facts and points that move, facts that stay in closed weeks, and what becomes one's own act."""

    facts: int
    points: int
    staying: int
    own_acts: int


def clean_reason(text: str) -> str:
    """Why somebody does what others will see: required, one line. Raises Invalid."""
    reason = " ".join(text_of(text, MAX_REASON).split())
    if len(reason) < 3:
        raise Invalid(_("Say why, in a few words: others will want to know."), "reason")
    return reason


# --- merging ------------------------------------------------------------------------------------------------


def preview_merge(session: Session, person: Person, into: Person) -> MergePreview:
    """What `merge` would do now. Raises Invalid where it would."""
    since = _may_merge(session, person, into)
    connection = session.connection()
    mine = credit.c.person_id == person.id
    facts, points = connection.execute(
        select(func.count(), func.coalesce(func.sum(credit.c.points), 0)).where(mine, credit.c.week >= since)
    ).one()
    staying = connection.execute(select(func.count()).where(mine, credit.c.week < since)).scalar_one()
    each_other = or_(
        and_(mine, event.c.giver_id == into.id),
        and_(credit.c.person_id == into.id, event.c.giver_id == person.id),
    )
    own = select(func.count()).select_from(credit.join(event, event.c.id == credit.c.event_id))
    return MergePreview(facts, int(points), staying, connection.execute(own.where(each_other)).scalar_one())


def merge(
    session: Session, person_id: int, into_id: int, reason: str, now: datetime, by: int | None = None
) -> Merge:
    """Make two people one: the first becomes the second, who keeps name, team, role and sign-in. Raises Invalid.

    Facts of open weeks are counted with the one who stays, in the team they were earned in; what one gave the other becomes
    one's own act there. Closed weeks keep what they have.
    """
    reason = clean_reason(reason)
    lock_names(session, {"merge"})
    lock_their_teams(session, [person_id, into_id])
    person, into = _people(session, person_id, into_id)
    since = _may_merge(session, person, into)
    row = Merge(
        person_id=person_id,
        into_id=into_id,
        was_active=person.active,
        reason=reason,
        last_event_id=session.connection().execute(select(func.max(event.c.id))).scalar() or 0,
        merged_at=now,
        merged_by=by,
    )
    session.add(row)
    acts.record(session, "merge", by, now, detail=f"{person.handle} → {into.handle}", why=reason)
    if person.active:
        deactivate(session, person, now)
    person.merged_into_id = into_id
    session.add(person)
    session.flush()
    _move(session, row, since, now)
    return row


def unmerge(session: Session, merge_id: int, now: datetime, by: int | None = None) -> Merge:
    """Make them two again, as before. Twice is once. LookupError where there is no such merge.

    Facts go back whose week is still open, and so does what the first one's accounts brought in meanwhile. What counted in a
    week that was closed meanwhile, and what colleagues told of the one person, stays with the one whom it names.
    """
    lock_names(session, {"merge"})
    row = session.get(Merge, merge_id, populate_existing=True)
    if row is None:
        raise LookupError(merge_id)
    if row.undone_at is not None:
        return row
    both = [row.person_id, row.into_id]
    lock_their_teams(session, both)
    person, into = _people(session, *both)
    acts.record(session, "unmerge", by, now, detail=f"{person.handle} ← {into.handle}")
    since = open_since(session, both)
    person.merged_into_id = None
    row.undone_at, row.undone_by = now, by
    session.add_all((person, row))
    if row.was_active:
        reactivate(session, person, now)
    session.flush()
    connection = session.connection()
    theirs = and_(credit.c.week >= since, credit.c.person_id == row.into_id, _was_theirs(row))
    reverse_all(session, theirs, "moved", now)
    connection.execute(update(credit).where(theirs).values(person_id=row.person_id))
    before = select(merged_credit).join(credit, credit.c.id == merged_credit.c.credit_id)
    changed = credit.c.share_why.is_distinct_from(merged_credit.c.share_why)
    for old in connection.execute(
        before.where(merged_credit.c.merge_id == row.id, credit.c.week >= since, changed)
    ).all():
        share = {"share": old.share, "full_share": old.full_share, "share_why": old.share_why}
        connection.execute(update(credit).where(credit.c.id == old.credit_id).values(share))
    _give_back_givers(session, row, since)
    _count_both(session, row, since, now)
    return row


def has_strays(session: Session) -> bool:
    """Whether something came for somebody at the very moment in which they were merged."""
    late = select(credit.c.id).join(merge_row, merge_row.c.person_id == credit.c.person_id)
    late = late.where(merge_row.c.undone_at.is_(None), credit.c.event_id > merge_row.c.last_event_id)
    return session.connection().execute(late.limit(1)).first() is not None


def move_strays(session: Session, now: datetime) -> int:
    """Move what came for somebody at the very moment in which they were merged; returns how many facts."""
    moved = 0
    query = select_rows(Merge).where(col(Merge.undone_at).is_(None)).order_by(col(Merge.id))
    for row in session.exec(query).all():
        late = and_(credit.c.person_id == row.person_id, credit.c.event_id > row.last_event_id)
        if session.connection().execute(select(credit.c.id).where(late).limit(1)).first() is None:
            continue
        lock_their_teams(session, [row.person_id, row.into_id])
        since = open_since(session, [row.person_id, row.into_id])
        strays = and_(late, credit.c.week >= since)
        found = session.connection().execute(select(func.count()).where(strays)).scalar_one()
        if found:
            _move(session, row, since, now)
            moved += found
    return moved


def merges_of(session: Session, person_id: int) -> list[Merge]:
    """The merges that this person is part of, the latest first, those undone too."""
    mine = or_(col(Merge.person_id) == person_id, col(Merge.into_id) == person_id)
    return list(session.exec(select_rows(Merge).where(mine).order_by(col(Merge.id).desc())))


def _may_merge(session: Session, person: Person, into: Person) -> str:
    """The week from which on facts move. Raises Invalid with what stands against it."""
    if person.id == into.id:
        raise Invalid(_("Name two different people."), "into")
    for one in (person, into):
        if one.merged_into_id is not None:
            raise Invalid(_("%(name)s is part of somebody else already.", name=one.name), "into")
    if into.bot or not into.active:
        raise Invalid(_("%(name)s is not active. Merge into the one who is here.", name=into.name), "into")
    carried = session.exec(select_rows(Person.name).where(Person.merged_into_id == person.id)).first()
    if carried is not None:
        raise Invalid(
            _(
                "%(other)s is part of %(name)s already. Undo that first, or merge the other way round.",
                other=carried,
                name=person.name,
            ),
            "into",
        )
    both = (person.id or 0, into.id or 0)
    since = open_since(session, both)
    is_closed = select(closed_week.c.id).where(
        closed_week.c.team_id == credit.c.team_id, closed_week.c.week == credit.c.week
    )
    between = select(credit.c.week).where(
        credit.c.person_id.in_(both), credit.c.week < since, ~is_closed.exists()
    )
    if (week := session.connection().execute(between.limit(1)).scalar()) is not None:
        raise Invalid(
            _(
                "Week %(week)s is closed for one of their teams and not yet for the other. Try again then.",
                week=week,
            ),
            "into",
        )
    return since


def _move(session: Session, row: Merge, since: str, now: datetime) -> None:
    """Give the facts of the open weeks to the one who stays, and let what they gave each other earn nothing."""
    connection = session.connection()
    mine = and_(credit.c.person_id == row.person_id, credit.c.week >= since)
    _remember(session, row, mine)
    reverse_all(session, mine, "moved", now)
    connection.execute(update(credit).where(mine).values(person_id=row.into_id))
    given = select(event.c.id).where(event.c.giver_id == row.person_id)
    own = and_(
        credit.c.person_id == row.into_id,
        credit.c.week >= since,
        credit.c.event_id.in_(given),
        credit.c.share_why.is_distinct_from("own_act"),
    )
    _remember(session, row, own)
    nothing = {"share": 0, "full_share": func.coalesce(credit.c.full_share, 0), "share_why": "own_act"}
    connection.execute(update(credit).where(own).values(nothing))
    _count_both(session, row, since, now)


def _remember(session: Session, row: Merge, which: ColumnElement[bool]) -> None:
    known = select(merged_credit.c.credit_id).where(merged_credit.c.merge_id == row.id)
    names = ("merge_id", "credit_id", "person_id", "share", "full_share", "share_why")
    before = select(
        *(literal(row.id), credit.c.id, credit.c.person_id),
        *(credit.c.share, credit.c.full_share, credit.c.share_why),
    ).where(which, credit.c.id.not_in(known))
    session.connection().execute(plain_insert(merged_credit).from_select(names, before))


def _was_theirs(row: Merge) -> ColumnElement[bool]:
    """Credits that were the first one's before, or came by the first one's accounts since."""
    moved = select(merged_credit.c.credit_id).where(
        merged_credit.c.merge_id == row.id, merged_credit.c.person_id == row.person_id
    )
    accounts = select(identity.c.id).where(identity.c.person_id == row.person_id)
    return or_(credit.c.id.in_(moved), credit.c.identity_id.in_(accounts))


def _give_back_givers(session: Session, row: Merge, since: str) -> None:
    """What the first one's accounts gave meanwhile was theirs, as far as no closed week counted it."""
    theirs = select(identity.c.id).where(
        identity.c.person_id == row.person_id,
        identity.c.source == event.c.source,
        identity.c.account == event.c.giver,
    )
    counted = select(credit.c.id).where(credit.c.event_id == event.c.id, credit.c.week < since)
    session.connection().execute(
        update(event)
        .where(event.c.giver_id == row.into_id, event.c.id > row.last_event_id)
        .where(theirs.exists(), ~counted.exists())
        .values(giver_id=row.person_id)
    )


def _count_both(session: Session, row: Merge, since: str, now: datetime) -> None:
    both = [row.person_id, row.into_id]
    count_again(session, dict.fromkeys(both, since), now)
    rewrite_scores(session, both)


def _people(session: Session, *ids: int) -> tuple[Person, ...]:
    return tuple(session.get_one(Person, id_, populate_existing=True) for id_ in ids)


# --- accounts -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unlinked:
    """What came of it: facts that wait again, and facts that stay in closed weeks."""

    waiting: int
    staying: int


def unlink(session: Session, identity_id: int, now: datetime, by: int | None = None) -> Unlinked:
    """Say that an account is not this person: its facts of open weeks wait again. Nothing links it by itself from now on."""
    row = session.get_one(Identity, identity_id, with_for_update=True, populate_existing=True)
    if row.person_id is None:
        return Unlinked(0, 0)
    whose = session.get_one(Person, row.person_id)
    person_id = whose.merged_into_id or row.person_id
    lock_their_teams(session, [person_id])
    since = open_since(session, [person_id])
    connection = session.connection()
    mine = and_(credit.c.identity_id == identity_id, credit.c.person_id == person_id)
    moving = and_(mine, credit.c.week >= since)
    waiting = connection.execute(select(func.count()).where(moving)).scalar_one()
    staying = connection.execute(select(func.count()).where(mine, credit.c.week < since)).scalar_one()
    reverse_all(session, moving, "moved", now)
    connection.execute(update(credit).where(moving).values({"person_id": None, **NOT_COUNTED}))
    counted = select(credit.c.id).where(credit.c.event_id == event.c.id, credit.c.week < since)
    gave = and_(event.c.source == row.source, event.c.giver == row.account, event.c.giver_id == person_id)
    connection.execute(update(event).where(gave, ~counted.exists()).values(giver_id=None))
    row.person_id, row.linked_at, row.linked_by = None, None, None
    row.unlinked_at, row.unlinked_by = now, by
    acts.record(session, "unlink", by, now, source=row.source, detail=f"{row.account} ← {whose.handle}")
    session.add(row)
    session.flush()
    count_again(session, {person_id: since}, now)
    beat(session, person_id)
    return Unlinked(waiting, staying)
