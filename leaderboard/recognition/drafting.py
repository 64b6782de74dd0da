"""Who the rules would celebrate: candidates per category, and the words to begin with."""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import (
    BigInteger,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
)
from sqlmodel import Session

from leaderboard.guidelines import GUIDELINES, N_
from leaderboard.languages import speaking
from leaderboard.points import FairPlay
from leaderboard.statements import Statement
from leaderboard.tables import (
    EVERY,
    ClosedWeek,
    Credit,
    Event,
    Nomination,
    Person,
    PointsEntry,
    Recognition,
    Score,
)
from leaderboard.weeks import Week

CROSSED = "crossed-the-aisle"
"""Help outside one's own team, told or given by somebody of another one."""
CROSSED_NAME = N_("Crossed the aisle")
CATEGORIES = (*(guideline.slug for guideline in GUIDELINES), CROSSED)
CROSSING = ("story.accepted", "story.cosigned", "help.given")
NO_WITNESS = ("own_act", "staff_customer", "promise_unconfirmed", "promise_late_made", "promise_late_kept")
"""Reasons for 0 points that also take away the fact's weight as a witness."""
EXCERPT = 280

entry = PointsEntry.__table__  # type: ignore[attr-defined]
credit = Credit.__table__  # type: ignore[attr-defined]
event = Event.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]
nomination = Nomination.__table__  # type: ignore[attr-defined]
score = Score.__table__  # type: ignore[attr-defined]
recognition = Recognition.__table__  # type: ignore[attr-defined]
closed_week = ClosedWeek.__table__  # type: ignore[attr-defined]

# by both: a credit is found by its number, and its live line is the one it names
_live_lines = entry.join(
    credit, and_(credit.c.id == entry.c.credit_id, credit.c.entry_id == entry.c.id)
).join(event, event.c.id == entry.c.event_id)
_of_week = and_(
    entry.c.team_id == bindparam("team_id"),
    entry.c.week == bindparam("week"),
    credit.c.withdrawn_by.is_(None),
)
_witness = case(
    (entry.c.why.in_(NO_WITNESS), None),
    (event.c.giver_id == entry.c.person_id, None),
    (event.c.giver_id.is_not(None), literal("person/") + cast(event.c.giver_id, Text)),
    (event.c.customer_key != "", literal("customer/") + event.c.customer_key),
    (event.c.giver != "", event.c.source + literal("/") + event.c.giver),
)
"""Who vouches for a line; null where nobody but its receiver does."""
MOST_EVENTS = 2**40
_telling = case(
    (
        event.c.text != "",
        case((entry.c.kind == "story.accepted", 2**60), else_=0)
        + (entry.c.points + 1) * MOST_EVENTS
        - event.c.id,
    )
)
"""How telling a line's words are: a story before a customer's thanks, then what earned most, then what came first.

It is one number so that a group's maximum also says whose words these are: its remainder by MOST_EVENTS leads to the event.
"""
_giver_team = select(person.c.team_id).where(person.c.id == event.c.giver_id).scalar_subquery()
_line = (
    select(
        entry.c.person_id,
        entry.c.guideline,
        entry.c.kind,
        entry.c.points,
        entry.c.event_id,
        _witness.label("witness"),
        _telling.label("telling"),
        case((entry.c.kind.in_(CROSSING), _giver_team != bindparam("team_id"))).label("crossing"),
    )
    .select_from(_live_lines)
    .where(_of_week)
    .cte("line")
    .prefix_with("MATERIALIZED")  # SQLite would read the lines once for each use
)
_points = func.sum(_line.c.points).label("points")


def _who_may_win(category: Any) -> Any:
    witnesses = func.count(_line.c.witness.distinct())
    telling = func.max(_line.c.telling).label("telling")
    chosen = select(category.label("of"), _line.c.person_id, _points, witnesses.label("counted"), telling)
    return chosen.group_by(_line.c.person_id).having(_points.element > 0, witnesses >= bindparam("witnesses"))


_sums = union_all(
    _who_may_win(_line.c.guideline).group_by(_line.c.guideline),
    _who_may_win(literal(CROSSED)).where(_line.c.crossing),
    select(
        _line.c.kind,
        cast(None, Integer),
        _points,
        func.count(_line.c.event_id.distinct()),  # a story of two people is one story
        cast(None, BigInteger),
    ).group_by(_line.c.kind),
).subquery("sums")
SUMS = Statement(
    select(
        *(_sums.c[name] for name in ("of", "person_id", "points", "counted")),
        event.c.text,
        # only a story's is looked at, and reading it takes long
        case((event.c.kind == "story.accepted", event.c.evidence)).label("evidence"),
    ).outerjoin(event, event.c.id == MOST_EVENTS - _sums.c.telling % MOST_EVENTS)
)
_lately = (
    select(recognition.c.category, score.c.person_id)
    .select_from(recognition)
    .join(closed_week, closed_week.c.id == recognition.c.closed_week_id)
    .where(
        closed_week.c.week >= bindparam("first"),
        closed_week.c.week < bindparam("week"),
        recognition.c.dropped_at.is_(None),
        score.c.team_id == bindparam("team_id"),
        score.c.period == bindparam("week"),
        score.c.guideline == EVERY,
    )
)
LATELY = Statement(
    union_all(
        _lately.join(score, score.c.person_id == recognition.c.person_id),
        # under another account, which was merged since
        _lately.join(person, person.c.id == recognition.c.person_id).join(
            score, score.c.person_id == person.c.merged_into_id
        ),
    )
)


def sums(
    session: Session, team_id: int, week: Week, ranked: Collection[int], fair: FairPlay
) -> tuple[list[Any], dict[str, list[Any]]]:
    """What counts for a team and week as things stand: its kinds of facts, and who of the ranked may win, by category.

    Of a kind: its name is `of`, and `counted` are its facts. Who may win has enough different witnesses, which are `counted`,
    and no win in the category in the last weeks, in whatever team it was; `text` and, of a story, `evidence` are their most
    telling line's. The best come first; equal points stand beside each other in no meaningful order.
    """
    asked = {"team_id": team_id, "week": str(week)}
    first = {"first": str(week - max(fair.winner_gap_weeks - 1, 0))}
    resting = {(row.category, row.person_id) for row in LATELY.all(session, asked | first)}
    kinds: list[Any] = []
    found: dict[str, list[Any]] = {category: [] for category in CATEGORIES}
    for row in SUMS.all(session, asked | {"witnesses": fair.winner_witnesses}):
        if row.person_id is None:
            kinds.append(row)
        elif row.person_id in ranked and (row.of, row.person_id) not in resting:
            found[row.of].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: (-row.points, row.person_id))
    return sorted(kinds, key=lambda row: str(row.of)), found


STORIES = Statement(
    select(event.c.evidence).select_from(_live_lines).where(_of_week, entry.c.kind == "story.accepted")
)


def stories(session: Session, team_id: int, week: Week) -> set[str]:
    """The public ids of the accepted stories that count for this team and week."""
    rows = STORIES.all(session, {"team_id": team_id, "week": str(week)})
    return {uid for row in rows if (uid := story_in(row.evidence))}


# ---------------------------------------------------------------- words


def reason(language: str, points: int, witnesses: int, sharing: int) -> str:
    """Why somebody won, in one sentence or two."""
    numbers = {
        "points": _so_many_points(language, points),
        "witnesses": _so_many_witnesses(language, witnesses),
    }
    said = _saying(language, N_("%(points)s from %(witnesses)s.")) % numbers
    return f"{said} {_others(language, sharing - 1)}" if sharing > 1 else said


def words(language: str, whose: Person | Any, candidate: Any, teller: str | None) -> str:
    """What the announcement says of a winner until a lead finds better words: the best story, in its own words.

    Of somebody behind an alias no story: it has their name.
    """
    name = board_name(whose)
    if candidate.text is None or whose.visibility == "alias":
        return in_numbers(language, name, candidate.points, candidate.counted)
    quoted = excerpt(candidate.text)
    if teller:
        said = _saying(language, N_("%(teller)s told us: “%(quoted)s”"))
        return said % {"teller": teller, "quoted": quoted}
    return _saying(language, N_("A customer wrote about %(name)s: “%(quoted)s”")) % {
        "name": name,
        "quoted": quoted,
    }


def in_numbers(language: str, name: str, points: int, witnesses: int) -> str:
    """The same without anybody's words."""
    said = _saying(language, N_("%(name)s: %(points)s, seen by %(witnesses)s."))
    return said % {
        "name": name,
        "points": _so_many_points(language, points),
        "witnesses": _so_many_witnesses(language, witnesses),
    }


def excerpt(text: str, most: int = EXCERPT) -> str:
    """The beginning of a text, on one line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    return (cut[: cut.rfind(" ")] if " " in cut[most // 2 :] else cut).rstrip(" ,;:.") + "…"


def stories_of(session: Session, found: Iterable[Any]) -> dict[str, Any]:
    """The stories that these candidates' words are from, by public id: `id`, and who told it, for `board_name`."""
    uids = {uid for one in found if (uid := story_in(one.evidence))}
    if not uids:
        return {}
    query = (
        select(nomination.c.uid, nomination.c.id, person.c.name, person.c.alias, person.c.visibility)
        .join(person, person.c.id == nomination.c.nominator_id)
        .where(nomination.c.uid.in_(uids))
    )
    return {row.uid: row for row in session.connection().execute(query)}


def story_in(evidence: Mapping[str, Any] | None) -> str:
    """The public id of the story that an event is, "" where it is none."""
    return str((evidence or {}).get("story") or "")


def board_name(whose: Person | Any) -> str:
    """The name that boards and announcements show."""
    return whose.alias or "?" if whose.visibility == "alias" else whose.name


def category_name(category: str, guidelines: Mapping[str, Any]) -> str:
    """A category as people read it."""
    return str(_(CROSSED_NAME if category == CROSSED else guidelines[category].name))


# Finding a sentence in a catalogue takes longer than the database takes for a row, and small numbers make most of them.
@lru_cache(maxsize=100)
def _saying(language: str, text: str) -> str:
    with speaking(language):
        return str(_(text))


@lru_cache(maxsize=2_000)
def _so_many_points(language: str, number: int) -> str:
    with speaking(language):
        return str(ngettext("%(num)s point", "%(num)s points", number))


@lru_cache(maxsize=2_000)
def _so_many_witnesses(language: str, number: int) -> str:
    with speaking(language):
        return str(ngettext("%(num)s witness", "%(num)s different witnesses", number))


@lru_cache(maxsize=2_000)
def _others(language: str, number: int) -> str:
    with speaking(language):
        return str(
            ngettext(
                "Shared with one other who has as many.",
                "Shared with %(num)s others who have as many.",
                number,
            )
        )
