"""Who the rules would celebrate: candidates per category, and the words to begin with."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import and_, bindparam, case, select
from sqlmodel import Session, col
from sqlmodel import select as choose

from leaderboard.guidelines import GUIDELINES, N_
from leaderboard.points import FairPlay
from leaderboard.statements import Statement
from leaderboard.tables import ClosedWeek, Credit, Event, Nomination, Person, PointsEntry, Recognition
from leaderboard.weeks import Week

CROSSED = "crossed-the-aisle"
"""Help outside one's own team, told or given by somebody of another one."""
CROSSED_NAME = N_("Crossed the aisle")
CATEGORIES = (*(guideline.slug for guideline in GUIDELINES), CROSSED)
CROSSING = ("story.accepted", "story.cosigned", "help.given")
STORY_KINDS = ("story.accepted", "story.cosigned")
NO_WITNESS = ("own_act", "staff_customer", "promise_unconfirmed", "promise_late_made", "promise_late_kept")
"""Reasons for 0 points that also take away the fact's weight as a witness."""
EVERYBODY = 1_000_000
EXCERPT = 280

entry = PointsEntry.__table__  # type: ignore[attr-defined]
credit = Credit.__table__  # type: ignore[attr-defined]
event = Event.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]
recognition = Recognition.__table__  # type: ignore[attr-defined]
closed_week = ClosedWeek.__table__  # type: ignore[attr-defined]


@dataclass
class Tale:
    """What one person's week in one category rests on."""

    points: int = 0
    witnesses: set[str] = field(default_factory=set)
    best: Any = None
    """The live entry with the most telling words: a story before a customer's thanks, then the one that earned most."""

    def add(self, line: Any) -> None:
        self.points += line.points
        if (witness := witness_of(line)) and line.why not in NO_WITNESS:
            self.witnesses.add(witness)
        if line.text and (self.best is None or _telling(line) > _telling(self.best)):
            self.best = line


@dataclass(frozen=True)
class Candidate:
    """Somebody who may win a category: at least two different witnesses, and no win in it in the last weeks."""

    category: str
    person_id: int
    points: int
    witnesses: int
    best: Any


LINES = Statement(
    select(
        entry.c.person_id,
        entry.c.kind,
        entry.c.guideline,
        entry.c.points,
        entry.c.why,
        event.c.id.label("event_id"),
        event.c.source,
        event.c.giver_id,
        event.c.giver,
        event.c.customer_key,
        event.c.text,
        # only a story's is looked at; reading it costs more than all the rest of a line
        case((event.c.kind.in_(STORY_KINDS), event.c.evidence)).label("evidence"),
        person.c.team_id.label("giver_team_id"),
    )
    # by both: a credit is found by its number, and its live line is the one it names
    .join(credit, and_(credit.c.id == entry.c.credit_id, credit.c.entry_id == entry.c.id))
    .join(event, event.c.id == entry.c.event_id)
    .outerjoin(person, person.c.id == event.c.giver_id)
    .where(
        entry.c.team_id == bindparam("team"),
        entry.c.week == bindparam("week"),
        credit.c.withdrawn_by.is_(None),
    )
)


def live_lines(session: Session, team_id: int, week: str) -> list[Any]:
    """The lines of the ledger that count for this team and week as things stand, a story's with its evidence, in no order."""
    return LINES.all(session, {"team": team_id, "week": week})


def witness_of(line: Any) -> str | None:
    """Who vouches for this line; None where nobody but its receiver does."""
    if line.giver_id is not None:
        return None if line.giver_id == line.person_id else f"person/{line.giver_id}"
    if line.customer_key:
        return f"customer/{line.customer_key}"
    return f"{line.source}/{line.giver}" if line.giver else None


def candidates(
    session: Session, team_id: int, week: Week, lines: Iterable[Any], ranked: Collection[int], fair: FairPlay
) -> dict[str, list[Candidate]]:
    """Who of the ranked may win, by category, best first; equal points stand beside each other in no meaningful order."""
    tales: dict[tuple[str, int], Tale] = defaultdict(Tale)
    for line in lines:
        tales[line.guideline, line.person_id].add(line)
        if line.kind in CROSSING and line.giver_team_id not in (None, team_id):
            tales[CROSSED, line.person_id].add(line)
    resting = won_lately(session, week, fair.winner_gap_weeks, {person_id for _, person_id in tales})
    found: dict[str, list[Candidate]] = {category: [] for category in CATEGORIES}
    for (category, person_id), tale in sorted(tales.items(), key=lambda item: (-item[1].points, item[0])):
        seen_by = len(tale.witnesses)
        if (
            tale.points > 0
            and seen_by >= fair.winner_witnesses
            and person_id in ranked
            and (category, person_id) not in resting
        ):
            found[category].append(Candidate(category, person_id, tale.points, seen_by, tale.best))
    return found


LATELY = (
    select(recognition.c.category, recognition.c.person_id)
    .join(closed_week, closed_week.c.id == recognition.c.closed_week_id)
    .where(
        recognition.c.person_id.in_(bindparam("people", expanding=True)),
        closed_week.c.week.in_(bindparam("weeks", expanding=True)),
        recognition.c.dropped_at.is_(None),
    )
)


def won_lately(session: Session, week: Week, gap_weeks: int, people: Collection[int]) -> set[tuple[str, int]]:
    """(category, person) of these people and the weeks before that are too near for another win, in whatever team it was."""
    near = {"people": list(people), "weeks": [str(week - back) for back in range(1, gap_weeks)]}
    return {(row.category, row.person_id) for row in session.connection().execute(LATELY, near)}


def reason(points: int, witnesses: int, sharing: int) -> str:
    """Why somebody won, in one sentence or two."""
    said = str(_("%(points)s from %(witnesses)s.", points=_points(points), witnesses=_witnesses(witnesses)))
    if sharing > 1:
        said += " " + ngettext(
            "Shared with one other who has as many.",
            "Shared with %(num)s others who have as many.",
            sharing - 1,
        )
    return said


def words(name: str, candidate: Candidate, teller: str | None) -> str:
    """What the announcement says of a winner until a lead finds better words: the best story, in its own words."""
    if candidate.best is None:
        points, seen_by = _points(candidate.points), _witnesses(candidate.witnesses)
        return str(
            _("%(name)s: %(points)s, seen by %(witnesses)s.", name=name, points=points, witnesses=seen_by)
        )
    quoted = excerpt(candidate.best.text)
    if candidate.best.kind == "story.accepted" and teller:
        return str(_("%(teller)s told us: “%(quoted)s”", teller=teller, quoted=quoted))
    return str(_("A customer wrote about %(name)s: “%(quoted)s”", name=name, quoted=quoted))


def excerpt(text: str, most: int = EXCERPT) -> str:
    """The beginning of a text, on one line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    return (cut[: cut.rfind(" ")] if " " in cut[most // 2 :] else cut).rstrip(" ,;:.") + "…"


def stories_of(session: Session, found: Iterable[Candidate]) -> dict[str, Any]:
    """The stories that these candidates' best lines are, by public id: (id, who told it as the board names them)."""
    uids = {uid for one in found if (uid := story_of(one.best))}
    if not uids:
        return {}
    query = (
        choose(Nomination.uid, Nomination.id, Person)
        .join(Person, col(Person.id) == Nomination.nominator_id)
        .where(col(Nomination.uid).in_(uids))
    )
    return {uid: (id_, board_name(teller)) for uid, id_, teller in session.exec(query)}


def story_of(best: Any) -> str | None:
    """The public id of the story that a line is, where it is one."""
    return (best.evidence or {}).get("story") if best is not None else None


def board_name(whose: Person) -> str:
    """The name that boards and announcements show."""
    return whose.alias or "?" if whose.visibility == "alias" else whose.name


def category_name(category: str, guidelines: Mapping[str, Any]) -> str:
    """A category as people read it."""
    return str(_(CROSSED_NAME if category == CROSSED else guidelines[category].name))


def _telling(line: Any) -> tuple[bool, int, int]:
    return line.kind == "story.accepted", line.points, -line.event_id


def _points(number: int) -> str:
    return str(ngettext("%(num)s point", "%(num)s points", number))


def _witnesses(number: int) -> str:
    return str(ngettext("%(num)s witness", "%(num)s different witnesses", number))
