"""Questions about the ledger: who leads, who is around me, why does Ana have 40.

Boards read the running scores by one index each; their cost does not grow with the ledger. Ranks far from the top are read
from a count that all viewers share until something changes. Equal points share a rank (1-2-2-4).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, bindparam, func, or_, select, tuple_
from sqlmodel import Session

from leaderboard.database import kept
from leaderboard.points import FairPlay
from leaderboard.statements import Statement
from leaderboard.tables import COMPANY, EVERY, Credit, Event, Person, PointsEntry, Score, Team

score = Score.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]
entry = PointsEntry.__table__  # type: ignore[attr-defined]
credit = Credit.__table__  # type: ignore[attr-defined]
event = Event.__table__  # type: ignore[attr-defined]
team = Team.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Standing:
    """A place on a board. `before` is the rank in the period before, None for a newcomer to it.

    `person` is what a board shows of them: their id, name, handle, alias, visibility and picture.
    """

    rank: int
    person_id: int
    points: int
    before: int | None = None
    person: Any = field(default=None, compare=False)


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


_on_board = and_(
    score.c.team_id == bindparam("team_id"),
    score.c.period == bindparam("period"),
    score.c.guideline == bindparam("guideline"),
)
# Who is ranked (fair play 12): no bots, leavers or merged, nobody who opted out or is away, no newcomers; and on the
# company's board nobody whose team chose to have none.
_ranked = and_(
    person.c.active,
    person.c.bot.is_(False),
    person.c.merged_into_id.is_(None),
    or_(
        person.c.visibility.in_(("on", "alias")),
        and_(person.c.visibility == "team", bindparam("inside", type_=Boolean())),
    ),
    or_(
        person.c.away_from.is_(None),
        person.c.away_from > bindparam("day"),
        person.c.away_until < bindparam("day"),
    ),
    or_(person.c.joined_on.is_(None), person.c.joined_on <= bindparam("joined_by")),
    or_(
        score.c.team_id != COMPANY,
        person.c.team_id.not_in(select(team.c.id).where(team.c.board.is_(False))),
    ),
)
_scores = score.join(person, person.c.id == score.c.person_id)
_place = tuple_(score.c.points, score.c.person_id)
_given_place = tuple_(bindparam("points"), bindparam("person_id"))
_downwards = (score.c.points.desc(), score.c.person_id.desc())

_shown = [person.c[name] for name in ("id", "name", "handle", "alias", "visibility", "picture")]
_ROWS = select(score.c.person_id, score.c.points, *_shown).select_from(_scores).where(_on_board, _ranked)
_HAS_POINTS = score.c.points > 0
_FROM_TOP = _ROWS.where(_HAS_POINTS).order_by(*_downwards)
_BELOW = _FROM_TOP.where(_place < _given_place)
_ABOVE = _ROWS.where(_place > _given_place).order_by(score.c.points, score.c.person_id)
MINE = Statement(_ROWS.where(_HAS_POINTS, score.c.person_id == bindparam("person_id")))
A_FEW = 20
SOME = Statement(
    _ROWS.where(_HAS_POINTS, score.c.person_id.in_([bindparam(f"person_{n}") for n in range(A_FEW)]))
)
CROWD = Statement(
    select(score.c.points, func.count().label("people"))
    .select_from(_scores)
    .where(_on_board, _ranked, _HAS_POINTS)
    .group_by(score.c.points)
    .order_by(score.c.points)
)
WHOLE = Statement(
    select(
        score.c.guideline,
        score.c.person_id,
        score.c.points,
        person.c.uid,
        person.c.name,
        person.c.alias,
        person.c.visibility,
    )
    .select_from(_scores)
    .where(
        score.c.team_id == bindparam("team_id"), score.c.period == bindparam("period"), _ranked, _HAS_POINTS
    )
    .order_by(score.c.guideline, *_downwards)
)


@lru_cache(maxsize=256)
def _few(query: Any, most: int) -> Statement:
    """The first of these rows. How many stands in the text: were LIMIT a parameter, SQLite would plan it anew each time."""
    return Statement(query.limit(most))


def _asked(board: Board, day: date, newcomer_days: int) -> dict[str, Any]:
    return {
        "team_id": board.team_id,
        "period": board.period,
        "guideline": board.guideline,
        "inside": board.inside,
        "day": day,
        "joined_by": day - timedelta(days=newcomer_days),
    }


class Crowd:
    """How many people of a board have how many points: what a rank is read from."""

    def __init__(self, counts: Iterable[tuple[int, int]]) -> None:
        """`counts` are (points, people), the fewest points first."""
        pairs = list(counts)
        self._points = [points for points, _ in pairs]
        self._up_to = list(accumulate(people for _, people in pairs))

    def rank(self, points: int) -> int:
        """1, and one more for everybody who has more points."""
        place = bisect_right(self._points, points)
        everybody = self._up_to[-1] if self._up_to else 0
        return 1 + everybody - (self._up_to[place - 1] if place else 0)


def _crowd(session: Session, asked: dict[str, Any]) -> Crowd:
    """Read anew only after something changed: everybody who looks at the same board shares it."""
    return kept(
        session,
        ("crowd", *asked.values()),
        lambda: Crowd((row.points, row.people) for row in CROWD.all(session, asked)),
    )


def top(
    session: Session,
    board: Board,
    now: datetime,
    limit: int = 25,
    after: tuple[int, int] | None = None,
    newcomer_days: int = FairPlay().newcomer_days,
) -> list[Standing]:
    """The board from its top, or after a (points, person id) that an earlier page ended with."""
    asked = _asked(board, now.date(), newcomer_days)
    if after:
        rows = _few(_BELOW, limit).all(session, asked | {"points": after[0], "person_id": after[1]})
        return _placed(_crowd(session, asked), rows) if rows else []
    found: list[Standing] = []
    for place_, row in enumerate(_few(_FROM_TOP, limit).all(session, asked), 1):
        rank = found[-1].rank if found and found[-1].points == row.points else place_
        found.append(Standing(rank, row.person_id, row.points, person=row))
    return found


def by_guideline(
    session: Session, board: Board, day: date, newcomer_days: int = FairPlay().newcomer_days
) -> dict[str, list[tuple[int, Any]]]:
    """The whole board by every guideline ("" for all) at once, as of a day; who has no points in one is not on it.

    Each place is its rank, and a row with `person_id`, `points`, and the person's `uid`, `name`, `alias` and `visibility`.
    """
    found: dict[str, list[tuple[int, Any]]] = {}
    for row in WHOLE.all(session, _asked(board, day, newcomer_days)):
        places = found.setdefault(row.guideline, [])
        shared = places and places[-1][1].points == row.points
        places.append((places[-1][0] if shared else len(places) + 1, row))
    return found


def around(
    session: Session,
    board: Board,
    person_id: int,
    now: datetime,
    each: int = 2,
    newcomer_days: int = FairPlay().newcomer_days,
) -> list[Standing]:
    """A person's place with the neighbours above and below; empty when the person is not ranked or has no points yet."""
    asked = _asked(board, now.date(), newcomer_days)
    mine = MINE.first(session, asked | {"person_id": person_id})
    if mine is None:
        return []
    place = asked | {"person_id": person_id, "points": mine.points}
    above = _few(_ABOVE, each).all(session, place)
    below = _few(_BELOW, each).all(session, place)
    return _placed(_crowd(session, asked), [*reversed(above), mine, *below])


def _placed(crowd: Crowd, rows: Iterable[Any]) -> list[Standing]:
    return [Standing(crowd.rank(row.points), row.person_id, row.points, person=row) for row in rows]


def movement(
    session: Session,
    board: Board,
    standings: Iterable[Standing],
    before: str,
    now: datetime,
    newcomer_days: int = FairPlay().newcomer_days,
) -> list[Standing]:
    """The same standings, each with its rank in the period `before`."""
    asked = _asked(replace(board, period=before), now.date(), newcomer_days)
    standings = list(standings)
    found = []
    for start in range(0, len(standings), A_FEW):
        nobody = dict.fromkeys((f"person_{n}" for n in range(A_FEW)), 0)
        few = {f"person_{n}": item.person_id for n, item in enumerate(standings[start : start + A_FEW])}
        found += SOME.all(session, asked | nobody | few)
    ranks = {item.person_id: item.rank for item in _placed(_crowd(session, asked), found)} if found else {}
    return [
        Standing(item.rank, item.person_id, item.points, ranks.get(item.person_id), item.person)
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
    """A person's ledger lines, the newest first, those of merged accounts too; `before` is the id of the last one seen."""
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
        .where(entry.c.person_id.in_(_accounts_of(session, person_id)))
        .order_by(entry.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(entry.c.id < before)
    if period is not None:
        query = query.where(_in_period(period))
    return [_line(row) for row in session.connection().execute(query)]


def _accounts_of(session: Session, person_id: int) -> list[int]:
    """The person, and whoever was merged into them: their lines stay theirs and count here."""
    merged = select(person.c.id).where(person.c.merged_into_id == person_id)
    return [person_id, *session.connection().execute(merged).scalars()]


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
