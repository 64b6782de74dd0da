"""Telling somebody something, telling it again when more of it happened, and taking it back.

Who tells does it in the unit of work of the fact. The number on the bell follows by the clock (`ring`), so that telling locks
no person's row and no page has to count.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import Select, delete, func, update
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from leaderboard.database import insert
from leaderboard.notices.choosing import mail_at, ways_of
from leaderboard.tables import Notice, Person

AT_ONCE = 500
"""People whose bells one unit of work sets."""

notice = Notice.__table__  # type: ignore[attr-defined]
UNREAD = ("new", "unread")


def tell(session: Session, people: Iterable[Person], sort: str, thing_id: int, now: datetime) -> None:
    """Tell these people about this thing, once: who knows it already is not told again."""
    for person in people:
        row = _of(session, person, sort, thing_id)
        if row is None or row.state == "gone":
            _put(session, person, row, sort, thing_id, 1, now)


def tell_again(
    session: Session, people: Iterable[Person], sort: str, thing_id: int, now: datetime, many: int = 1
) -> None:
    """Tell them that more of it happened: one notice, on top again. What is still unread is mailed no second time."""
    for person in people:
        row = _of(session, person, sort, thing_id)
        _put(session, person, row, sort, thing_id, many, now)


def stands(session: Session, sort: str) -> dict[int, int]:
    """How many things each person (by id) was told that wait for them; those who wish not to be told are not among them."""
    query = select(Notice.person_id, Notice.many).where(Notice.sort == sort, Notice.thing_id == 0)
    return dict(session.exec(query.where(Notice.state != "gone")).all())


def stand(session: Session, sort: str, waiting: Mapping[int, int], now: datetime) -> None:
    """Say to each person (by id) how many things wait for them. More than before is news; fewer is not; none takes it away."""
    known = select(Notice).where(Notice.sort == sort, Notice.thing_id == 0, Notice.state != "gone")
    rows = {row.person_id: row for row in session.exec(known)}
    for person_id in sorted(waiting.keys() | rows.keys()):
        row, many = rows.get(person_id), waiting.get(person_id, 0)
        if row is not None and not many:
            drop(session, [sort], 0, [person_id])
        elif row is not None and many <= row.many:
            row.many = many
            session.add(row)
        elif many:
            tell_again(session, [session.get_one(Person, person_id)], sort, 0, now, many)
    session.flush()


def drop(
    session: Session, sorts: Collection[str], thing_id: int, people: Collection[int] | None = None
) -> None:
    """Take back what was told about this thing: it may be seen no more. From everybody, or from these people by id."""
    session.flush()
    taken = update(notice).where(notice.c.sort.in_(sorts), notice.c.thing_id == thing_id)
    if people is not None:
        taken = taken.where(notice.c.person_id.in_(people))
    session.connection().execute(taken.values(state="gone", mail_at=None))


def drop_all(session: Session, sort: str, things: Select[tuple[int]]) -> None:
    """Take back what was told of many things at once."""
    session.flush()
    taken = update(notice).where(notice.c.sort == sort, notice.c.thing_id.in_(things))
    session.connection().execute(taken.values(state="gone", mail_at=None))


def rings(session: Session) -> bool:
    """Whether some bell does not know yet what was told or taken back."""
    return session.exec(_uncounted().limit(1)).first() is not None


def ring(session: Session) -> int:
    """Let the bells say what was told since; what was taken back goes for good. Returns how many people's were set."""
    people = sorted(set(session.exec(_uncounted().limit(AT_ONCE))))
    hold(session, people)
    connection = session.connection()
    theirs = notice.c.person_id.in_(people)
    connection.execute(delete(notice).where(theirs, notice.c.state == "gone"))
    connection.execute(update(notice).where(theirs, notice.c.state == "new").values(state="unread"))
    count(session, people)
    return len(people)


def hold(session: Session, people: Collection[int]) -> None:
    """Keep these people's bells for this unit of work, in one order for all who do."""
    mine = select(Person.id).where(col(Person.id).in_(people)).order_by(col(Person.id))
    session.exec(mine.with_for_update(key_share=True)).all()


def count(session: Session, people: Collection[int]) -> None:
    """Set the number on the bells of these people, which are held."""
    unread = (
        select(func.count())
        .select_from(Notice)
        .where(col(Notice.person_id) == col(Person.id), col(Notice.state).in_(UNREAD))
    )
    session.connection().execute(
        update(Person).where(col(Person.id).in_(people)).values(unread=unread.scalar_subquery())
    )


def _uncounted() -> SelectOfScalar[int]:
    return select(Notice.person_id).where(col(Notice.state).in_(("new", "gone")))


def _of(session: Session, person: Person, sort: str, thing_id: int) -> Notice | None:
    session.flush()
    query = select(Notice).where(Notice.sort == sort, Notice.thing_id == thing_id)
    mine = query.where(Notice.person_id == person.id)
    return session.exec(mine.execution_options(populate_existing=True)).first()


def _put(
    session: Session,
    person: Person,
    row: Notice | None,
    sort: str,
    thing_id: int,
    many: int,
    now: datetime,
) -> None:
    way = ways_of(session, person.id or 0)[sort]
    if way == "off" or not person.active or person.bot:
        return
    mail = mail_at(session, person, way, now)
    if row is None:
        values = {
            "person_id": person.id,
            "sort": sort,
            "thing_id": thing_id,
            "many": many,
            "at": now,
            "state": "new",
            "mail_at": mail,
        }
        # Somebody else may tell the same at this moment: one of the two is enough.
        session.connection().execute(insert(session, notice).values(values).on_conflict_do_nothing())
        return
    if row.state not in UNREAD:
        row.mail_at, row.letter_id = mail, None
    row.state, row.many, row.at, row.read_at = "new", many, now, None
    session.add(row)
    session.flush()
