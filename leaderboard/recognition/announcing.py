"""The lead's part: better words, another winner, and the announcement."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from babel.dates import format_interval
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import update
from sqlmodel import Session, col, select

from leaderboard import announcements, notices
from leaderboard.config import Config, parse_clock
from leaderboard.database import beat
from leaderboard.fairness import clean_text
from leaderboard.guidelines import BY_SLUG, huddle_of
from leaderboard.languages import speaking
from leaderboard.nominations import now_known_as
from leaderboard.people import leads, leads_of, zones
from leaderboard.plugin import Invalid
from leaderboard.recognition.drafting import CATEGORIES, board_name, category_name
from leaderboard.recognition.keeping import fit
from leaderboard.tables import ClosedWeek, Person, Recognition, Team
from leaderboard.weeks import Week, closes_at

MAX_OPENING = 1000
MAX_WORDS = 1200
MAX_REASON = 300


@dataclass(frozen=True)
class Message:
    """An announcement exactly as every channel gets it."""

    subject: str
    text: str


def standing_winners(session: Session, closed: ClosedWeek) -> list[tuple[Recognition, Person]]:
    """The winners that nobody dropped, in the order of the categories.

    Until they are announced without those who are on no board by now: they are not announced at all.
    """
    found = standing_in(session, [closed.id or 0])
    return found if closed.announced_at else [pair for pair in found if pair[1].visibility != "off"]


def standing_in(session: Session, closed_ids: Collection[int]) -> list[tuple[Recognition, Person]]:
    """The winners that nobody dropped of several closed weeks at once, each with the person that they are by now."""
    found = session.exec(
        select(Recognition, Person)
        .join(Person, col(Person.id) == Recognition.person_id)
        .where(col(Recognition.closed_week_id).in_(closed_ids), col(Recognition.dropped_at).is_(None))
        .order_by(col(Recognition.id))
    )
    by_now = [(row, now_known_as(session, whose)) for row, whose in found]
    return sorted(by_now, key=lambda pair: (CATEGORIES.index(pair[0].category), pair[1].name.casefold()))


# ---------------------------------------------------------------- who may


def not_by(session: Session, closed: ClosedWeek, person: Person | None) -> str | None:
    """Why this person (None: the clock) may not announce the week; None when they may.

    Nobody announces their own win, and a win of one of the team's leads needs an admin.
    """
    winners = {whose.id or 0 for _row, whose in standing_winners(session, closed)}
    if person is not None and person.id in winners:
        return str(
            _("You are among the winners, so somebody else announces this week: another lead or an admin.")
        )
    if winners & set(leads_of(session, closed.team_id)) and (person is None or person.role != "admin"):
        return str(_("A lead of the team is among the winners, so an admin announces this week."))
    return None


def _for_editing(session: Session, closed_id: int, by: Person) -> ClosedWeek:
    """The row, held until the unit of work ends, once it is sure that its words may still change by this person."""
    closed = session.exec(
        select(ClosedWeek)
        .where(ClosedWeek.id == closed_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if by.role != "admin" and not leads(session, by, closed.team_id):
        raise Invalid(_("Only the team's leads and admins prepare its announcement."))
    if closed.announced_at is not None:
        raise Invalid(_("This week was announced; its words stay as they were."))
    return closed


# ---------------------------------------------------------------- editing


def save_words(
    session: Session, closed_id: int, by: Person, opening: str, words: Mapping[int, str]
) -> ClosedWeek:
    """Keep the lead's words: above the winners, and by recognition id for each of them. Invalid keeps nothing."""
    closed = _for_editing(session, closed_id, by)
    closed.opening = clean_text(opening, "opening", MAX_OPENING)
    session.add(closed)
    for row, whose in standing_winners(session, closed):
        if row.id is None or row.id not in words:
            continue
        text = clean_text(words[row.id], f"words-{row.id}", MAX_WORDS, least=1)
        if text != row.words and whose.id == by.id:
            raise Invalid(_("Somebody else finds the words for your own win."), f"words-{row.id}")
        row.words = text
        session.add(row)
    return closed


def drop(
    session: Session, closed_id: int, recognition_id: int, reason: str, by: Person, now: datetime
) -> None:
    """Take a winner out, with a reason that stays on record."""
    closed = _for_editing(session, closed_id, by)
    row = _of_week(session, closed, recognition_id)
    row.dropped_reason = clean_text(reason, "reason", MAX_REASON, least=1)
    row.dropped_at, row.dropped_by = now, by.id
    session.add(row)


def take_back_drop(session: Session, closed_id: int, recognition_id: int, by: Person) -> None:
    """The dropped winner is one again; nobody brings themselves back."""
    closed = _for_editing(session, closed_id, by)
    row = _of_week(session, closed, recognition_id)
    if now_known_as(session, session.get_one(Person, row.person_id)).id == by.id:
        raise Invalid(_("Nobody picks themselves."))
    row.dropped_at = row.dropped_by = row.dropped_reason = None
    session.add(row)


def pick(
    session: Session, closed_id: int, category: str, uid: str, reason: str, by: Person, now: datetime
) -> Recognition:
    """Make somebody a winner beside, or after dropping, those whom the rules drafted.

    It is one who had at least two different witnesses when the week was closed and has not won the category lately.
    """
    closed = _for_editing(session, closed_id, by)
    found = [one for one in closed.numbers["candidates"].get(category, []) if one["person"] == uid]
    whose = session.exec(select(Person).where(Person.uid == uid)).first()
    whose = now_known_as(session, whose) if whose else None
    if not found or whose is None or whose.visibility == "off":
        raise Invalid(_("Choose one of those who had two witnesses in this category."), "person")
    if whose.id == by.id:
        raise Invalid(_("Nobody picks themselves."), "person")
    said = clean_text(reason, "reason", MAX_REASON, least=1)
    row = session.exec(
        select(Recognition).where(
            Recognition.closed_week_id == closed.id,
            Recognition.category == category,
            Recognition.person_id == whose.id,
        )
    ).first()
    if row is None:
        row = Recognition(
            closed_week_id=closed.id or 0,
            category=category,
            person_id=whose.id or 0,
            points=found[0]["points"],
            witnesses=found[0]["witnesses"],
            words=found[0]["words"],
            nomination_id=found[0]["nomination"],
            reason=said,
            drafted=False,
        )
    row.reason, row.drafted = said, False
    row.dropped_at = row.dropped_by = row.dropped_reason = None
    session.add(row)
    return row


def _of_week(session: Session, closed: ClosedWeek, recognition_id: int) -> Recognition:
    row = session.get(Recognition, recognition_id)
    if row is None or row.closed_week_id != closed.id:
        raise Invalid(_("This winner is not of that week."))
    return row


# ---------------------------------------------------------------- announcing


def message(session: Session, config: Config, closed: ClosedWeek) -> Message:
    """What the channels get, as the words stand, in the company's language: the preview is this very text."""
    with speaking(config.announce.language):
        return _message(session, config, closed)


def _message(session: Session, config: Config, closed: ClosedWeek) -> Message:
    team, week = session.get_one(Team, closed.team_id), Week.parse(closed.week)
    winners = standing_winners(session, closed)
    said = fit(session, winners, closed.team_id, config.announce.language)
    span = format_interval(week.monday, week.sunday, "yMMMd", locale=get_locale())
    heading = _("%(team)s, week %(number)s", team=team.name, number=week.number)
    parts = [f"{heading} ({span})"]
    if closed.opening:
        parts.append(closed.opening)
    for category in dict.fromkeys(row.category for row, _whose in winners):
        for row, whose in winners:
            if row.category == category:
                parts.append(
                    f"★ {category_name(category, BY_SLUG)}: {board_name(whose)}\n{said[row.id or 0]}"
                )
    if not winners:
        parts.append(
            _(
                "Nobody had two witnesses in one category this week. Whose story is still untold? Tell it today."
            )
        )
    card = huddle_of(closed.huddle)
    parts.append(_("To talk over: %(title)s. %(question)s", title=_(card.name), question=_(card.question)))
    text = announcements.plain("\n\n".join(parts))
    address = f"{config.public_url}/weeks/{week}?team={team.slug}"
    subject = announcements.plain(_("%(heading)s: who went the extra mile", heading=heading))
    return Message(announcements.clean_subject(subject), f"{text}\n\n{address}")


def announce(
    session: Session,
    config: Config,
    closed_id: int,
    now: datetime,
    by: Person | None,
) -> ClosedWeek:
    """Freeze the words and put one message per channel into the outbox. `by` None is the clock. Raises Invalid.

    What a person announces leaves once notices.UNDO_FOR is over.
    """
    closed = session.get_one(ClosedWeek, closed_id, populate_existing=True, with_for_update=True)
    if closed.announced_at is not None:
        raise Invalid(_("This week was announced; its words stay as they were."))
    if by is not None and by.role != "admin" and not leads(session, by, closed.team_id):
        raise Invalid(_("Only the team's leads and admins announce its week."))
    if reason := not_by(session, closed, by):
        raise Invalid(reason)
    said = message(session, config, closed)
    pairs = standing_winners(session, closed)
    for row_id, words in fit(session, pairs, closed.team_id, config.announce.language).items():
        session.get_one(Recognition, row_id).words = words
    for row, whose in standing_in(session, [closed_id]):
        if whose.visibility == "off":
            session.delete(row)
    values: dict[str, Any] = {
        "announced_at": now,
        "announced_by": by.id if by else None,
        "autopilot": by is None,
    }
    # The condition, not the look before it, decides between two who announce at once.
    changed = session.connection().execute(
        update(ClosedWeek)
        .where(col(ClosedWeek.id) == closed_id, col(ClosedWeek.announced_at).is_(None))
        .values(values)
    )
    if not changed.rowcount:
        raise Invalid(_("This week was announced; its words stay as they were."))
    hold = timedelta(0) if by is None else notices.UNDO_FOR
    announcements.queue(session, closed_id, closed.team_id, said.subject, said.text, now, hold=hold)
    for row, whose in standing_winners(session, closed):
        notices.tell(session, [whose], "won", row.id or 0, now)
    beat(session, closed.team_id)
    session.refresh(closed)
    return closed


def undo_announcement(session: Session, closed_id: int, by: Person, now: datetime) -> ClosedWeek:
    """Take back one's own announcement of a moment ago. Invalid once notices.UNDO_FOR is over or a message may have left."""
    closed = session.get_one(ClosedWeek, closed_id, populate_existing=True, with_for_update=True)
    if not may_undo_announcement(closed, by, now):
        raise Invalid(_("This week was announced a while ago; its words stay as they were."))
    announcements.take_back(session, closed_id)
    for row, _whose in standing_winners(session, closed):
        notices.drop(session, ["won"], row.id or 0)
    closed.announced_at = closed.announced_by = None
    session.add(closed)
    beat(session, closed.team_id)
    return closed


def may_undo_announcement(closed: ClosedWeek, by: Person, now: datetime) -> bool:
    """Whether `undo_announcement` is still offered to this person."""
    return (
        closed.announced_at is not None
        and closed.announced_by == by.id
        and now - closed.announced_at <= notices.UNDO_FOR
    )


def announce_due(session: Session, config: Config, now: datetime) -> list[int]:
    """The ids of closed weeks that the autopilot announces now: on Tuesday at `[week] autopilot_at`, by the team's clocks.

    Only a team's latest closed week: after a time without the clock, older ones stay for the lead, so nobody gets a burst.
    """
    found = []
    for team in session.exec(select(Team).where(col(Team.autopilot)).order_by(col(Team.id))).all():
        latest = session.exec(
            select(ClosedWeek)
            .where(ClosedWeek.team_id == team.id)
            .order_by(col(ClosedWeek.week).desc())
            .limit(1)
        ).first()
        if latest is None or latest.announced_at is not None:
            continue
        hour = closes_at(zones(team), Week.parse(latest.week), parse_clock(config.week.autopilot_at), 1)
        if now >= hour and not_by(session, latest, None) is None:
            found.append(latest.id or 0)
    return found
