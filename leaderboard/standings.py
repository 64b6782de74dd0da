"""Questions about the ledger: who leads, who is around me, why does Ana have 40.

Boards read the running scores by one index each; their cost does not grow with the ledger. Equal points share a rank (1-2-2-4).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlmodel import Session

from leaderboard.points import FairPlay
from leaderboard.tables import COMPANY, EVERY, Credit, Event, Person, PointsEntry, Score

score = Score.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]
entry = PointsEntry.__table__  # type: ignore[attr-defined]
credit = Credit.__table__  # type: ignore[attr-defined]
event = Event.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Standing:
    """A place on a board. `before` is the rank in the period before, None for a newcomer to it."""

    rank: int
    person_id: int
    points: int
    before: int | None = None


@dataclass(frozen=True)
class Board:
    """What a board shows: a period, for the company or a team, by one guideline or all; `inside` sees team-only people too."""

    period: str
    team_id: int = COMPANY
    guideline: str = EVERY
    inside: bool = False


@dataclass(frozen=True)
class Line:
    """One line of the ledger with its evidence: what *explain my points* shows."""

    id: int
    at: datetime
    posted_at: datetime
    kind: str
    points: int
    full_points: int
    why: str
    week: str
    late: bool
    guideline: str
    source: str
    rules_version: int
    reverses_id: int | None
    giver_id: int | None
    customer: str | None
    evidence: dict[str, Any]


def ranked(
    day: date, newcomer_days: int = FairPlay().newcomer_days, inside: bool = False
) -> ColumnElement[bool]:
    """Who is ranked on this day (fair play 12): no bots, leavers or merged, nobody who opted out or is away, no newcomers."""
    visible = ("on", "alias", "team") if inside else ("on", "alias")
    return and_(
        person.c.active,
        person.c.bot.is_(False),
        person.c.merged_into_id.is_(None),
        person.c.visibility.in_(visible),
        or_(person.c.away_from.is_(None), person.c.away_from > day, person.c.away_until < day),
        or_(person.c.joined_on.is_(None), person.c.joined_on <= day - timedelta(days=newcomer_days)),
    )


def _on(board: Board, now: datetime, newcomer_days: int) -> Any:
    return and_(
        score.c.team_id == board.team_id,
        score.c.period == board.period,
        score.c.guideline == board.guideline,
        score.c.points > 0,
        ranked(now.date(), newcomer_days, board.inside),
    )


_scores = score.join(person, person.c.id == score.c.person_id)
_by_points = (score.c.points.desc(), score.c.person_id.desc())


def top(
    session: Session,
    board: Board,
    now: datetime,
    limit: int = 25,
    after: tuple[int, int] | None = None,
    newcomer_days: int = FairPlay().newcomer_days,
) -> list[Standing]:
    """The board from its top, or after a (points, person id) that an earlier page ended with."""
    where = _on(board, now, newcomer_days)
    query = select(score.c.person_id, score.c.points).select_from(_scores).where(where)
    if after:
        points, person_id = after
        query = query.where(
            or_(score.c.points < points, and_(score.c.points == points, score.c.person_id < person_id))
        )
    rows = session.connection().execute(query.order_by(*_by_points).limit(limit)).all()
    return _rank(session, where, rows)


def around(
    session: Session,
    board: Board,
    person_id: int,
    now: datetime,
    each: int = 2,
    newcomer_days: int = FairPlay().newcomer_days,
) -> list[Standing]:
    """A person's place with the neighbours above and below; empty when the person is not ranked or has no points yet."""
    where = _on(board, now, newcomer_days)
    connection = session.connection()
    base = select(score.c.person_id, score.c.points).select_from(_scores).where(where)
    mine = connection.execute(base.where(score.c.person_id == person_id)).first()
    if mine is None:
        return []
    higher = or_(
        score.c.points > mine.points, and_(score.c.points == mine.points, score.c.person_id > person_id)
    )
    lower = or_(
        score.c.points < mine.points, and_(score.c.points == mine.points, score.c.person_id < person_id)
    )
    above = connection.execute(
        base.where(higher).order_by(score.c.points, score.c.person_id).limit(each)
    ).all()
    below = connection.execute(base.where(lower).order_by(*_by_points).limit(each)).all()
    rows = [*reversed(above), mine, *below]
    return _rank(session, where, rows)


def _above(session: Session, where: Any, points: int) -> int:
    """How many ranked people have more points."""
    query = select(func.count()).select_from(_scores).where(where, score.c.points > points)
    return int(session.connection().execute(query).scalar_one())


def _rank(session: Session, where: Any, rows: Sequence[Any]) -> list[Standing]:
    """Ranks for rows that stand next to each other on a board."""
    if not rows:
        return []
    above = _above(session, where, rows[0].points)
    tied_before = and_(score.c.points == rows[0].points, score.c.person_id > rows[0].person_id)
    query = select(func.count()).select_from(_scores).where(where, tied_before)
    skipped = above + int(session.connection().execute(query).scalar_one())
    found = [Standing(above + 1, rows[0].person_id, rows[0].points)]
    for place, row in enumerate(rows[1:], 1):
        rank = found[-1].rank if found[-1].points == row.points else skipped + place + 1
        found.append(Standing(rank, row.person_id, row.points))
    return found


def movement(
    session: Session,
    board: Board,
    standings: Iterable[Standing],
    before: str,
    now: datetime,
    newcomer_days: int = FairPlay().newcomer_days,
) -> list[Standing]:
    """The same standings, each with its rank in the period `before`."""
    earlier = Board(before, board.team_id, board.guideline, board.inside)
    where = _on(earlier, now, newcomer_days)
    standings = list(standings)
    ids = [item.person_id for item in standings]
    query = (
        select(score.c.person_id, score.c.points)
        .select_from(_scores)
        .where(where, score.c.person_id.in_(ids))
    )
    points = {row.person_id: row.points for row in session.connection().execute(query)} if ids else {}
    ranks = {value: 1 + _above(session, where, value) for value in set(points.values())}
    return [
        Standing(item.rank, item.person_id, item.points, ranks.get(points.get(item.person_id, 0)))
        for item in standings
    ]


def total_ever(session: Session, person_id: int) -> int:
    """All of a person's points, ranked or not: the sum of their years."""
    query = select(func.sum(score.c.points)).where(
        score.c.team_id == COMPANY,
        score.c.period.like("____"),
        score.c.guideline == EVERY,
        score.c.person_id == person_id,
    )
    return int(session.connection().execute(query).scalar() or 0)


def total(
    session: Session, person_id: int, period: str, team_id: int = COMPANY, guideline: str = EVERY
) -> int:
    """A person's points of a period, ranked or not."""
    query = select(score.c.points).where(
        score.c.team_id == team_id,
        score.c.period == period,
        score.c.guideline == guideline,
        score.c.person_id == person_id,
    )
    return int(session.connection().execute(query).scalar() or 0)


def history(session: Session, person_id: int, periods: Sequence[str]) -> dict[str, dict[str, int]]:
    """Points by period and guideline ("" for all), for a chart: only what is not 0."""
    query = select(score.c.period, score.c.guideline, score.c.points).where(
        score.c.team_id == COMPANY,
        score.c.person_id == person_id,
        score.c.period.in_(periods),
        score.c.points != 0,
    )
    found: dict[str, dict[str, int]] = {period: {} for period in periods}
    for row in session.connection().execute(query):
        found[row.period][row.guideline] = row.points
    return found


def explain(
    session: Session,
    person_id: int,
    *,
    period: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Line]:
    """A person's ledger lines, the newest first; `before` is the id of the last one seen."""
    query = (
        select(
            entry,
            credit.c.late,
            credit.c.counts_at,
            event.c.source,
            event.c.key,
            event.c.giver_id,
            event.c.customer,
            event.c.ticket,
            event.c.object,
            event.c.text,
            event.c.url,
            event.c.due_at,
            event.c.occurred_at,
            event.c.evidence,
        )
        .join(credit, credit.c.id == entry.c.credit_id)
        .join(event, event.c.id == entry.c.event_id)
        .where(entry.c.person_id == person_id)
        .order_by(entry.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(entry.c.id < before)
    if period is not None:
        query = query.where(_in_period(period))
    return [_line(row) for row in session.connection().execute(query)]


def _in_period(period: str) -> ColumnElement[bool]:
    if "W" in period:
        return entry.c.week == period  # type: ignore[no-any-return]
    year = int(period[:4])
    if "Q" in period:
        months = (3 * int(period[6:]) - 2, 3 * int(period[6:]))
    elif "-" in period:
        months = (int(period[5:]), int(period[5:]))
    else:
        months = (1, 12)
    end = date(year + months[1] // 12, months[1] % 12 + 1, 1)
    return and_(entry.c.counts_on >= date(year, months[0], 1), entry.c.counts_on < end)


def _line(row: Any) -> Line:
    evidence = dict(row.evidence or {})
    for name in ("key", "ticket", "object", "text", "url"):
        if (value := getattr(row, name)) is not None:
            evidence[name] = value
    for name in ("due_at", "occurred_at"):
        if (moment := getattr(row, name)) is not None:
            evidence[name] = moment.isoformat()
    return Line(
        id=row.id,
        at=row.counts_at,
        posted_at=row.posted_at,
        kind=row.kind,
        points=row.points,
        full_points=row.full_points,
        why=row.why,
        week=row.week,
        late=row.late,
        guideline=row.guideline,
        source=row.source,
        rules_version=row.rules_version,
        reverses_id=row.reverses_id,
        giver_id=row.giver_id,
        customer=row.customer,
        evidence=evidence,
    )
