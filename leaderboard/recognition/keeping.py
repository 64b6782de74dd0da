"""What the words of a week may not tell by now: who is behind an alias, and a story that is not for everybody any more."""

import re
from collections.abc import Iterable

from sqlmodel import Session, col, select

from leaderboard.nominations.seeing import shown_to
from leaderboard.people import anybody, now_known
from leaderboard.recognition.drafting import board_name, excerpt, in_numbers
from leaderboard.tables import Nomination, Nominee, Person, Recognition

Pairs = Iterable[tuple[Recognition, Person]]


def private(session: Session, pairs: Pairs, team_id: int | None = None) -> set[int]:
    """The ids of those winners whose words tell too much.

    Of somebody behind an alias that is their name, or a story, which has their name on the wall. With `team_id`, before they
    are announced, it is also a story that colleagues of this team cannot read, or that the winner took their name off.
    """
    asked = [(row, whose) for row, whose in pairs if team_id is not None or whose.visibility == "alias"]
    ids = {row.nomination_id for row, _whose in asked if row.nomination_id}
    if not asked:
        return set()
    told = select(Nomination.id, Nomination.story).where(col(Nomination.id).in_(ids))
    quotes = {story_id: excerpt(text) for story_id, text in session.exec(told)} if ids else {}
    open_ones = _open(session, quotes, team_id) if team_id is not None else set()
    return {
        row.id or 0
        for row, whose in asked
        if (
            ((quote := quotes.get(row.nomination_id)) and quote in row.words)
            and (whose.visibility == "alias" or (row.nomination_id, whose.id) not in open_ones)
        )
        or (whose.visibility == "alias" and _names(whose, row.words))
    }


def fit(session: Session, pairs: Pairs, team_id: int, language: str) -> dict[int, str]:
    """What may be announced of each winner, by id: the words, or where these tell too much how many points and witnesses."""
    pairs = list(pairs)
    kept_back = private(session, pairs, team_id)
    return {
        row.id or 0: in_numbers(language, board_name(whose), row.points, row.witnesses)
        if row.id in kept_back
        else row.words
        for row, whose in pairs
    }


def _open(session: Session, ids: Iterable[int | None], team_id: int) -> set[tuple[int, int]]:
    """(story, person) of each that a colleague of this team may read and that has the person's name on it."""
    colleague = anybody()
    colleague.team_id = team_id
    readable = select(Nomination.id).where(col(Nomination.id).in_(list(ids)), shown_to(colleague))
    named = (
        select(Nominee.nomination_id, now_known(Person))
        .join(Person, col(Person.id) == Nominee.person_id)
        .where(col(Nominee.hidden_at).is_(None))
    )
    return set(session.exec(named.where(col(Nominee.nomination_id).in_(readable))))


def _names(whose: Person, text: str) -> bool:
    """Whether a text has one of the words of this person's name, also as a genitive."""
    words = set(re.findall(r"\w+", text.casefold()))
    return any({word, f"{word}s"} & words for word in re.findall(r"\w\w+", whose.name.casefold()))
