"""Search: people and stories by words that one remembers, each as far as the viewer may see them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import CompoundSelect, Select, and_, case, func, intersect, or_, true, union
from sqlmodel import Session, col, select

from leaderboard import nominations
from leaderboard import people as staff
from leaderboard.index import having, ranked
from leaderboard.nominations import Card
from leaderboard.tables import Nomination, Nominee, Person, Team
from leaderboard.words import Term, holds, places, terms

LONGEST = 200
"""Signs of a question that are read."""
EXCERPT = 220
"""Signs of a story that are shown around what was found in it."""
FARTHEST = 1_000
"""How far down a list may be opened; whoever has not found it by then needs another word."""

Pieces = tuple[tuple[str, bool], ...]
"""A text in parts, each with whether it is what was looked for."""


@dataclass(frozen=True)
class FoundPerson:
    """A person, with their name in pieces. `alias` is there for whom it may be told to, where they were found by it."""

    person: Person
    team: Team
    name: Pieces
    alias: Pieces


@dataclass(frozen=True)
class FoundStory:
    """A story, and in pieces what it is found by: who it is about, a part of its words, its customer."""

    card: Card
    nominees: Pieces
    excerpt: Pieces
    customer: Pieces


def people(
    session: Session, viewer: Person, question: str, start: int = 0, limit: int = 10
) -> list[FoundPerson]:
    """Active people whose name, handle or team has every word of the question, those first whose name alone has.

    Of these come first who is called so in full, then whose name begins with it.

    By an alias only the person and admins find whom it stands for: to everybody else it is a name of its own.
    """
    looked_for = terms(question[:LONGEST])
    if not looked_for or start > FARTHEST:
        return []
    asked = _asked(session, looked_for)
    named = [col(Person.id).in_(having("person_words", "words")) for having in asked]
    every = []
    teams = staff.teams(session)
    told_aliases = true() if viewer.role == "admin" else col(Person.id) == viewer.id
    for number, term in enumerate(looked_for):
        aliased = col(Person.id).in_(asked[number]("person_words", "alias"))
        last = number == len(looked_for) - 1
        within = [team.id for team in teams if holds(team.name, term, beginning=last)]
        every.append(or_(named[number], col(Person.team_id).in_(within), and_(told_aliases, aliased)))
    exactly = asked[-1]("person_words", "words", beginning=False)
    query = (
        select(Person, Team)
        .join(Team, col(Team.id) == Person.team_id)
        .where(col(Person.active), ~col(Person.bot), col(Person.merged_into_id).is_(None), *every)
        .order_by(
            case((and_(*named), 0), else_=1),
            case((col(Person.id).in_(exactly), 0), else_=1),
            case(
                (func.lower(col(Person.name)).startswith("".join(looked_for[0]), autoescape=True), 0), else_=1
            ),
            func.lower(col(Person.name)),
            col(Person.id),
        )
    )
    found = []
    for person, team in session.exec(query.offset(start).limit(limit)):
        alias = person.alias if viewer.role == "admin" or viewer.id == person.id else None
        name = pieces(person.name, looked_for)
        found.append(FoundPerson(person, team, name, _if_found(alias, looked_for)))
    return found


def stories(
    session: Session, viewer: Person, question: str, start: int = 0, limit: int = 10
) -> list[FoundStory]:
    """The stories of the wall, and one's own in every state, that have every word of the question.

    A word may stand in the text, in the name of whom it is about or who told it, or in the customer's name where the viewer may
    read that. Stories about somebody whose name was asked for come first, then those that say most of it.
    """
    looked_for = terms(question[:LONGEST])
    if not looked_for or start > FARTHEST:
        return []
    asked = _asked(session, looked_for)
    about = union(*(_about(having("person_words", "words")) for having in asked)).subquery()
    # Each looked up once, and before anything else: SQLite would look for the words anew in each story. The CASE around who may
    # see a story keeps it from beginning with all stories that are accepted.
    every = intersect(*(select(_having(having, viewer).subquery()) for having in asked)).cte("every")
    every = every.prefix_with("MATERIALIZED")
    rank = ranked(session.get_bind().dialect.name, "story_words", looked_for).cte("ranks")
    rank = rank.prefix_with(
        "MATERIALIZED", dialect="sqlite"
    )  # PostgreSQL looks a story's rank up by its number
    mine = or_(
        nominations.told_by(viewer),
        and_(col(Nomination.state) == "accepted", nominations.about(viewer)),
    )
    query = (
        select(Nomination)
        .join(every, every.c[0] == Nomination.id)
        .outerjoin(rank, rank.c.id == Nomination.id)
        .where(case((or_(nominations.shown_to(viewer), mine), 1), else_=0) == 1)
        .order_by(
            case((col(Nomination.id).in_(about.select()), 0), else_=1),
            func.coalesce(rank.c.rank, 0).desc(),
            col(Nomination.nominated_at).desc(),
            col(Nomination.id).desc(),
        )
    )
    rows = list(session.exec(query.offset(start).limit(limit)))
    return [_found(card, looked_for) for card in nominations.cards(session, rows, viewer)]


Having = Callable[..., Select[Any]]
"""`having(table, column)`: the ids of the rows that have one term there."""


def _asked(session: Session, looked_for: Sequence[Term]) -> list[Having]:
    """By term how to find it; the last is the beginning of a word, for somebody may still be typing it."""
    dialect = session.get_bind().dialect.name
    last = len(looked_for) - 1
    return [
        partial(having, dialect, term=term, beginning=number == last)
        for number, term in enumerate(looked_for)
    ]


def _having(having: Having, viewer: Person) -> CompoundSelect[Any]:
    """The ids of the stories that have this term somewhere where this viewer may read it, if they may see the story."""
    named = having("person_words", "words")
    own = or_(nominations.told_by(viewer), nominations.about(viewer))
    knows_customers = true() if viewer.role in ("lead", "admin") else own
    return union(
        having("story_words", "words"),
        _about(named),
        select(Nomination.id).where(col(Nomination.nominator_id).in_(_people(named))),
        select(Nomination.id).where(
            col(Nomination.id).in_(having("story_words", "customer")), knows_customers
        ),
    )


def _about(named: Select[Any]) -> Any:
    """The ids of the stories that show one of these people."""
    return select(Nominee.nomination_id).where(
        col(Nominee.hidden_at).is_(None), col(Nominee.person_id).in_(_people(named))
    )


def _people(named: Select[Any]) -> Any:
    """The ids of these people and of whoever was merged into one of them: cards show the name that holds now."""
    merged_into = col(Person.merged_into_id)
    return select(Person.id).where(
        or_(and_(col(Person.id).in_(named), merged_into.is_(None)), merged_into.in_(named))
    )


# ---------------------------------------------------------------- what is shown of it


def _found(card: Card, looked_for: Sequence[Term]) -> FoundStory:
    names = ", ".join(person.name for person in card.nominees)
    return FoundStory(
        card, pieces(names, looked_for), excerpt(card.text, looked_for), _if_found(card.customer, looked_for)
    )


def pieces(text: str, looked_for: Sequence[Term]) -> Pieces:
    """The text in parts: what was looked for, and what stands between."""
    parts, last = [], 0
    for start, end in places(text, looked_for):
        parts += [(text[last:start], False), (text[start:end], True)]
        last = end
    return tuple((part, found) for part, found in [*parts, (text[last:], False)] if part)


def excerpt(text: str, looked_for: Sequence[Term]) -> Pieces:
    """The part of a text that has the first of what was looked for, or its beginning; on one line, cut between words."""
    text = " ".join(text.split())
    found = places(text, looked_for)
    start = max(0, found[0][0] - EXCERPT // 3) if found else 0
    start = max(0, min(start, len(text) - EXCERPT))
    end = min(len(text), start + EXCERPT)
    if start:
        start = text.find(" ", start, start + EXCERPT // 4) + 1 or start
    if end < len(text):
        end = (
            max(text.rfind(" ", end - EXCERPT // 4, end), -1)
            if " " in text[end - EXCERPT // 4 : end]
            else end
        )
    before, after = "… " if start else "", " …" if end < len(text) else ""
    return pieces(before + text[start:end] + after, looked_for)


def _if_found(text: str | None, looked_for: Sequence[Term]) -> Pieces:
    found = pieces(text or "", looked_for)
    return found if any(is_found for _part, is_found in found) else ()
