"""A screen in the office: one story large, then the next; who leads this week, and who was celebrated last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from leaderboard import ledger, nominations, people, recognition, standings, thanks
from leaderboard.nominations import Card
from leaderboard.people import Shown
from leaderboard.recognition import Winner
from leaderboard.tables import COMPANY, EVERY, Person, Team
from leaderboard.thanks import Said
from leaderboard.weeks import Week

STORIES = 12
"""So many go round, the newest first."""
RANKS = 3
MOST = 5
"""Lines beside the story, where many share a rank or were celebrated."""


@dataclass(frozen=True)
class Leader:
    """A line of this week's board."""

    rank: int
    person: Shown
    points: int


@dataclass(frozen=True)
class Turn:
    """What the screen shows until its next turn; `story` is None while there is none for everybody's eyes.

    `teller` told it, if they are for everybody's eyes, and `said` is what a customer wrote to somebody in it. `won` is the week
    in which the winners were announced.
    """

    story: Card | None
    teller: str | None
    said: Said | None
    leaders: Sequence[Leader]
    won: Week | None
    winners: Sequence[Winner]


def turn(session: Session, team: Team, now: datetime, *, after: str = "", hold: str = "") -> Turn:
    """The story after the one shown, or the one to hold, as long as it may be shown; else the newest.

    Whoever passes by reads it. So it shows nothing for the sake of who is signed in there: stories, thanks and winners only of
    people whom everybody may see by name and who allow screens, and nobody on the board who is not on everybody's. Shows no
    board where the team has none, and names the team's own winners first.
    """
    anybody = people.anybody()
    stories = [
        card
        for card in nominations.wall(session, anybody, now, limit=3 * STORIES).stories
        if all(_is_open(person) for person in card.nominees)
    ][:STORIES]
    ids = [card.id for card in stories]
    place = ids.index(hold) if hold in ids else ids.index(after) + 1 if after in ids else 0
    story = stories[place % len(ids)] if ids else None
    won, winners = _winners(session, team, anybody)
    return Turn(
        story=story,
        teller=story.nominator.name if story and _is_open(story.nominator) else None,
        said=_said(session, story, anybody) if story else None,
        leaders=_leaders(session, team, anybody, now) if team.board else (),
        won=won,
        winners=winners,
    )


def _is_open(person: Person) -> bool:
    return person.visibility == "on" and person.on_screens


def _said(session: Session, story: Card, anybody: Person) -> Said | None:
    found = (thanks.said(session, anybody, person_id=person.id, limit=1) for person in story.nominees)
    return next((said for some in found for said in some), None)


def _leaders(session: Session, team: Team, anybody: Person, now: datetime) -> list[Leader]:
    week = people.zones(team).week_of(now)
    newcomer_days = ledger.rules_of(session, week).fair_play.newcomer_days
    board = standings.Board(str(week), COMPANY, EVERY, inside=False)
    found = standings.top(session, board, now, MOST, newcomer_days=newcomer_days)
    who = people.by_id(session, (standing.person_id for standing in found))
    return [
        Leader(standing.rank, people.shown(who[standing.person_id], anybody), standing.points)
        for standing in found
        if standing.rank <= RANKS and who[standing.person_id].on_screens
    ]


def _winners(session: Session, team: Team, anybody: Person) -> tuple[Week | None, list[Winner]]:
    """Those of the last closed week, or of the one before as long as nobody is announced in it."""
    for week, parts in recognition.recent(session, anybody, limit=2):
        ours_first = sorted(parts, key=lambda part: part.team.id != team.id)
        seen = [winner for part in ours_first for winner in part.winners]
        who = session.exec(select(Person).where(col(Person.uid).in_({winner.uid for winner in seen})))
        may = {person.uid for person in who if _is_open(person)}
        named = [winner for winner in seen if winner.uid in may]
        if named:
            return week, named[:MOST]
    return None, []
