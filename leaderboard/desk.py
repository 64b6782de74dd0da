"""The lead's desk: what waits for somebody, the most urgent first, and what happens by itself if they do nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from sqlmodel import Session, col, select

from leaderboard import nominations, people, promises, recognition, thanks
from leaderboard.config import OWN_SOURCE, Config, parse_clock
from leaderboard.ledger import is_closed, open_week
from leaderboard.nominations import Card
from leaderboard.points import WHY
from leaderboard.tables import ClosedWeek, Nomination, Nominee, Person, Promise, Team
from leaderboard.thanks import Unhappy
from leaderboard.weeks import Week
from leaderboard.weeks import closes_at as closing_time

MOST = 50
"""So many things lie on a desk at a time; those behind them come up as it empties."""
ENDED, ANNOUNCE, STORY, CONFIRM, FOLLOW_UP = range(5)
"""How urgent: what a closing week is about to leave behind; winners; then what has days, in the order of these numbers."""
Urgency = tuple[int, datetime, int, datetime]
"""One of these numbers and by when; where that is the same, one of these numbers and since when."""


@dataclass(frozen=True)
class Story:
    """A story, with what each of its people would get and why not more."""

    card: Card
    shares: tuple[tuple[Person, Nominee, str], ...]
    week: Week
    late: bool
    """Its own week is closed: accepted now, it counts in the open one."""
    judged: str
    """Its state: waiting, accepted or declined."""

    @property
    def points(self) -> int:
        return sum(share.share for _person, share, _why in self.shares)

    @property
    def lowered(self) -> bool:
        """Whether fair play gives somebody less than a whole share: then the reason is read before judging."""
        return any(share.share < share.full_share for _person, share, _why in self.shares)


@dataclass(frozen=True)
class Winners:
    """A closed week whose winners are drafted."""

    team: Team
    week: Week
    at: recognition.Preparation


@dataclass(frozen=True)
class Kept:
    """A promise that its maker says was kept."""

    promise: Promise
    maker: Person


@dataclass(frozen=True)
class Item:
    """One thing on the desk. `key` names it in addresses and pages: "story-<uid>", "week-<team>-2026-W47", and so on."""

    key: str
    urgency: Urgency
    until: datetime | None
    """When it is too late, or the clock does it; None where only a customer waits."""
    story: Story | None = None
    winners: Winners | None = None
    kept: Kept | None = None
    unhappy: Unhappy | None = None
    done: bool = False
    by: Person | None = None
    """Who did it, where it is done."""
    undo: bool = False
    """Whether the viewer may still take it back as if it had not been."""

    @property
    def closing(self) -> bool:
        """Whether its week has ended and is about to close."""
        return self.urgency[0] == ENDED


@dataclass(frozen=True)
class Outlook:
    """How far a team's week is, and when the clock closes it, or announces it (None: it does not)."""

    team: Team
    week: Week
    stage: str
    """running, ended, drafted"""
    at: datetime | None
    not_by: str | None = None
    """Why the viewer may not announce it."""


@dataclass(frozen=True)
class Desk:
    """All of it. `asked` is on it also where it is done; `waiting` counts what is not done, also what is not on it yet."""

    items: tuple[Item, ...]
    waiting: int
    outlook: tuple[Outlook, ...]
    teams: tuple[Team, ...]


def desk(session: Session, config: Config, viewer: Person, now: datetime, asked: str = "") -> Desk:
    """What waits for this lead or admin; `asked` is the key of what they have just done or looked at."""
    teams = teams_of(session, viewer)
    outlook = tuple(chain.from_iterable(_outlook(session, config, team, viewer, now) for team in teams))
    drafted = [each for each in outlook if each.stage == "drafted" and not each.not_by]
    drafted += _for_an_admin(session, config, viewer, teams, now)
    found = {
        item.key: item
        for item in chain(
            _stories(session, config, nominations.to_judge(session, viewer), viewer, now),
            _winners(session, config, drafted, viewer, now),
            _kept(session, config, teams, viewer, now),
            _unhappy(thanks.follow_ups(session, [team.id or 0 for team in teams]), {}),
        )
    }
    waiting = len(found)
    if asked and asked not in found:
        found |= {item.key: item for item in _done(session, config, asked, viewer, teams, now)}
    items = sorted(found.values(), key=lambda item: (item.urgency, item.key))
    behind = [item for item in items[MOST:] if item.key == asked]
    return Desk((*items[:MOST], *behind), waiting, outlook, tuple(teams))


def teams_of(session: Session, viewer: Person) -> list[Team]:
    """The teams that somebody leads by name; an admin who leads none looks after all."""
    led = people.teams_led_by(session, viewer)
    return led or (people.teams(session) if viewer.role == "admin" else [])


# --- the weeks ----------------------------------------------------------------------------------------------


def _outlook(
    session: Session, config: Config, team: Team, viewer: Person, now: datetime
) -> Iterator[Outlook]:
    """The week that runs or is about to close, after the latest closed one if nobody has announced that."""
    latest = session.exec(
        select(ClosedWeek).where(ClosedWeek.team_id == team.id).order_by(col(ClosedWeek.week).desc()).limit(1)
    ).first()
    if latest is not None and latest.announced_at is None:
        yield _drafted(session, config, team, latest, viewer)
    week = max(
        Week.parse(latest.week) + 1 if latest else Week.parse(team.first_week), Week.parse(team.first_week)
    )
    stage = "ended" if now >= people.zones(team).ends_at(week) else "running"
    yield Outlook(team, week, stage, recognition.closes_at(config, team, week))


def _drafted(session: Session, config: Config, team: Team, closed: ClosedWeek, viewer: Person) -> Outlook:
    week = Week.parse(closed.week)
    hour = closing_time(people.zones(team), week, parse_clock(config.week.autopilot_at), 1)
    by_itself = team.autopilot and recognition.not_by(session, closed, None) is None
    not_by = recognition.not_by(session, closed, viewer)
    return Outlook(team, week, "drafted", hour if by_itself else None, not_by)


def _for_an_admin(
    session: Session, config: Config, viewer: Person, teams: Sequence[Team], now: datetime
) -> list[Outlook]:
    """Weeks of other teams that only an admin may announce, because a lead of the team is among the winners."""
    if viewer.role != "admin":
        return []
    others = [team for team in people.teams(session) if team.id not in {each.id for each in teams}]
    found = chain.from_iterable(_outlook(session, config, team, viewer, now) for team in others)
    return [each for each in found if each.stage == "drafted" and not each.not_by and each.at is None]


# --- what lies on it ----------------------------------------------------------------------------------------


def _stories(
    session: Session, config: Config, rows: Sequence[Nomination], viewer: Person, now: datetime
) -> Iterator[Item]:
    cards = nominations.cards(session, rows, viewer)
    stars = nominations.starring_in(session, rows)
    for row, card in zip(rows, cards, strict=True):
        week, late, urgency, until = _counting(session, config, row.team_id, row.nominated_at, STORY, now)
        shares = tuple((who, share, WHY[share.share_why]) for share, who in stars.get(row.id or 0, ()))
        yield Item(
            key=f"story-{row.uid}",
            urgency=urgency,
            until=until,
            story=Story(card, shares, week, late, row.state),
            done=row.state != "waiting",
            by=session.get(Person, row.judged_by) if row.judged_by else None,
            undo=nominations.may_undo(row, viewer, now),
        )


def _winners(
    session: Session, config: Config, weeks: Sequence[Outlook], viewer: Person, now: datetime
) -> Iterator[Item]:
    for each in weeks:
        at = recognition.preparation(session, config, each.team, each.week, viewer, now)
        if at.closed is not None:
            closed = at.closed
            yield Item(
                key=f"week-{each.team.slug}-{each.week}",
                urgency=_since(ANNOUNCE, closed.closed_at),
                until=each.at,
                winners=Winners(each.team, each.week, at),
                done=closed.announced_at is not None,
                by=session.get(Person, closed.announced_by) if closed.announced_by else None,
                undo=recognition.may_undo_announcement(closed, viewer, now),
            )


def _kept(
    session: Session, config: Config, teams: Sequence[Team], viewer: Person, now: datetime
) -> Iterator[Item]:
    for team in teams:
        for promise, maker in promises.of_team(session, team.id or 0):
            if promise.state == "kept" and promises.may_confirm(session, viewer, promise):
                yield _one_kept(session, config, promise, maker, viewer, now)


def _one_kept(
    session: Session, config: Config, promise: Promise, maker: Person, viewer: Person, now: datetime
) -> Item:
    at = promise.kept_at or promise.due_at
    _week, _late, urgency, until = _counting(session, config, maker.team_id, at, CONFIRM, now)
    return Item(
        key=f"promise-{promise.uid}",
        urgency=urgency,
        until=until,
        kept=Kept(promise, maker),
        done=promise.confirmed_at is not None,
        by=session.get(Person, promise.confirmed_by) if promise.confirmed_by else None,
        undo=promise.confirmed_by == viewer.id,
    )


def _unhappy(found: Sequence[Unhappy], by: Mapping[int, Person]) -> Iterator[Item]:
    for each in found:
        yield Item(
            key=f"unhappy-{each.follow_up.id}",
            urgency=_since(FOLLOW_UP, each.follow_up.opened_at),
            until=None,
            unhappy=each,
            done=each.follow_up.state == "done",
            by=by.get(each.follow_up.done_by or 0),
            undo=each.follow_up.state == "done",
        )


def _counting(
    session: Session, config: Config, team_id: int, at: datetime, urgency: int, now: datetime
) -> tuple[Week, bool, Urgency, datetime]:
    """The week of a moment, whether that is closed, how urgent it is to decide, and until when it makes a difference."""
    team = session.get_one(Team, team_id)
    week = people.zones(team).week_of(at)
    late = is_closed(session, team_id, week)
    until = recognition.closes_at(config, team, open_week(session, team_id, now) if late else week)
    if not late and now >= people.zones(team).ends_at(week):
        return week, late, (ENDED, until, urgency, at), until
    return week, late, _since(urgency, at), until


def _since(urgency: int, at: datetime) -> Urgency:
    return urgency, at, urgency, at


# --- what was done a moment ago -----------------------------------------------------------------------------


def _done(
    session: Session, config: Config, asked: str, viewer: Person, teams: Sequence[Team], now: datetime
) -> Iterator[Item]:
    """What was asked for by its key and waits no more, if it is this viewer's to decide about."""
    kind, _sep, name = asked.partition("-")
    try:
        yield from _FINDERS[kind](session, config, name, viewer, teams, now)
    except (KeyError, ValueError, LookupError):
        return


def _done_story(
    session: Session, config: Config, uid: str, viewer: Person, _teams: Sequence[Team], now: datetime
) -> Iterator[Item]:
    row = nominations.find(session, uid, viewer)
    if nominations.may_judge(session, viewer, row):
        yield from _stories(session, config, [row], viewer, now)


def _done_week(
    session: Session, config: Config, name: str, viewer: Person, teams: Sequence[Team], now: datetime
) -> Iterator[Item]:
    slug, week = name[:-9], Week.parse(name[-8:])
    mine = people.teams(session) if viewer.role == "admin" else teams
    for team in (team for team in mine if team.slug == slug):
        yield from _winners(session, config, [Outlook(team, week, "drafted", None)], viewer, now)


def _done_promise(
    session: Session, config: Config, uid: str, viewer: Person, teams: Sequence[Team], now: datetime
) -> Iterator[Item]:
    row = promises.find(session, uid, viewer)
    maker = session.get(Person, row.maker_id) if row.maker_id else None
    if maker and maker.team_id in {team.id for team in teams} and row.source == OWN_SOURCE and row.kept_at:
        yield _one_kept(session, config, row, maker, viewer, now)


def _done_follow_up(
    session: Session, _config: Config, name: str, _viewer: Person, teams: Sequence[Team], _now: datetime
) -> Iterator[Item]:
    lately = thanks.follow_ups(session, [team.id or 0 for team in teams], "done", limit=MOST)
    by = people.by_id(session, [each.follow_up.done_by or 0 for each in lately])
    yield from _unhappy([each for each in lately if str(each.follow_up.id) == name], by)


_FINDERS: dict[str, Any] = {
    "story": _done_story,
    "week": _done_week,
    "promise": _done_promise,
    "unhappy": _done_follow_up,
}
