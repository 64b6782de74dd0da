"""Judging a story, and every way back: a lead undoes, the nominator withdraws, a nominee hides."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlmodel import Session, col, select

from leaderboard import fairness, notices
from leaderboard.database import beat, lock_names
from leaderboard.ledger import is_closed, week_of
from leaderboard.nominations.stories import (
    credit,
    held,
    nominees_of,
    now_known_as,
    stars_or_told,
    take_credit_back,
    tell_accepted,
    teller,
)
from leaderboard.nominations.telling import Told, weigh_again
from leaderboard.plugin import Invalid
from leaderboard.tables import ClosedWeek, Nomination, Nominee, Person, TeamLead, is_uid

MAX_REASON = 500
MAX_DESK = 200
"""A desk shows at most so many stories at a time."""
MOST_LOOKED_AT = 2_000

# --- who judges ---------------------------------------------------------------------------------------------


def judges(session: Session, nomination: Nomination) -> list[Person]:
    """Who may judge it: a lead of its team who neither wrote it nor stars in it, else another lead, else an admin."""
    return _judges_of(session, [nomination])[0]


def may_judge(session: Session, person: Person, nomination: Nomination) -> bool:
    """Whether this person is one of its judges."""
    return person.role in ("lead", "admin") and any(
        person.id == each.id for each in judges(session, nomination)
    )


def to_judge(session: Session, person: Person) -> list[Nomination]:
    """The stories that wait for this person, the oldest first."""
    waiting = select(Nomination).where(Nomination.state == "waiting").order_by(col(Nomination.nominated_at))
    return _for_judge(session, person, session.exec(waiting.limit(MOST_LOOKED_AT)).all())


def waiting_for(session: Session) -> dict[int, int]:
    """How many stories wait for each person who may judge one, by id."""
    waiting = select(Nomination).where(Nomination.state == "waiting").order_by(col(Nomination.nominated_at))
    stories = session.exec(waiting.limit(MOST_LOOKED_AT)).all()
    return dict(Counter(judge.id or 0 for found in _judges_of(session, stories) for judge in found))


def judged(session: Session, person: Person, now: datetime, days: int = 14) -> list[Nomination]:
    """The stories judged lately that this person may judge again, the newest judgement first."""
    lately = (
        select(Nomination)
        .where(col(Nomination.state).in_(("accepted", "declined")))
        .where(col(Nomination.judged_at) > now - timedelta(days=days))
        .order_by(col(Nomination.judged_at).desc())
    )
    return _for_judge(session, person, session.exec(lately.limit(MOST_LOOKED_AT)).all())


def _for_judge(session: Session, person: Person, stories: Sequence[Nomination]) -> list[Nomination]:
    theirs = [
        nomination
        for nomination, found in zip(stories, _judges_of(session, stories), strict=True)
        if any(person.id == judge.id for judge in found)
    ]
    return theirs[:MAX_DESK]


def _judges_of(session: Session, stories: Sequence[Nomination]) -> list[list[Person]]:
    """The judges of each of these stories; asks the database a fixed number of times, however many they are."""
    deciding = select(Person).where(
        col(Person.active), ~col(Person.bot), col(Person.role).in_(("lead", "admin"))
    )
    in_charge = list(session.exec(deciding.order_by(col(Person.name), col(Person.id))))
    leading: dict[int, set[int]] = defaultdict(set)
    for led in session.exec(select(TeamLead)):
        leading[led.team_id].add(led.person_id)
    anywhere = set().union(*leading.values()) if leading else set()
    barred: dict[int, set[int]] = {nomination.id or 0: set() for nomination in stories}
    starring = select(Nominee.nomination_id, Person).join(Person, col(Person.id) == Nominee.person_id)
    telling = select(Nomination.id, Person).join(Person, col(Person.id) == Nomination.nominator_id)
    for nomination_id, person in (
        *session.exec(starring.where(col(Nominee.nomination_id).in_(barred))),
        *session.exec(telling.where(col(Nomination.id).in_(barred))),
    ):
        barred[nomination_id or 0].add(now_known_as(session, person).id or 0)
    found = []
    for nomination in stories:
        eligible = [person for person in in_charge if person.id not in barred[nomination.id or 0]]
        found.append(
            [person for person in eligible if person.id in leading[nomination.team_id]]
            or [person for person in eligible if person.id in anywhere]
            or [person for person in eligible if person.role == "admin"]
        )
    return found


# --- judging ------------------------------------------------------------------------------------------------


def accept(session: Session, uid: str, by: Person, now: datetime) -> Nomination:
    """Let the story count, from the time when it was told."""
    nomination = _for_judgement(session, uid, by, "waiting")
    nomination.state, nomination.reason = "accepted", None
    nomination.judged_at, nomination.judged_by = now, by.id
    session.add(nomination)
    showing = [(nominee, who) for nominee, who in nominees_of(session, nomination) if not nominee.hidden_at]
    credit(session, nomination, showing, now)
    tell_accepted(session, nomination, showing, now)
    notices.tell(session, [teller(session, nomination)], "judged", nomination.id or 0, now)
    return nomination


def decline(session: Session, uid: str, by: Person, reason: str, now: datetime) -> Nomination:
    """Send the story back with a reason, which its nominator sees; it frees the nominator's allowance."""
    nomination = _for_judgement(session, uid, by, "waiting")
    reason = fairness.clean_text(reason, "reason", MAX_REASON)
    if not reason:
        raise Invalid(_("Say why, so that its nominator can mend it."), "reason")
    nomination.state, nomination.reason = "declined", reason
    nomination.judged_at, nomination.judged_by = now, by.id
    session.add(nomination)
    notices.tell(session, [teller(session, nomination)], "judged", nomination.id or 0, now)
    beat(session, nomination.id or 0)
    return nomination


def undo(session: Session, uid: str, by: Person, now: datetime) -> Nomination:
    """Take back one's own judgement of a moment ago. Invalid after notices.UNDO_FOR, or when something rests on it by now."""
    return _let_wait_again(session, uid, by, now, at_once=True)


def reopen(session: Session, uid: str, by: Person, now: datetime) -> Nomination:
    """Let a judged story wait again, whoever judged it and whenever that was.

    What it earned is taken back. A declined story gave its place in the allowance back, so what it earns is decided again.
    """
    return _let_wait_again(session, uid, by, now, at_once=False)


def may_undo(nomination: Nomination, by: Person, now: datetime) -> bool:
    """Whether `undo` is still offered to this person."""
    return (
        nomination.state in ("accepted", "declined")
        and nomination.judged_by == by.id
        and nomination.judged_at is not None
        and now - nomination.judged_at <= notices.UNDO_FOR
    )


def _let_wait_again(session: Session, uid: str, by: Person, now: datetime, *, at_once: bool) -> Nomination:
    lock = select(Nomination.nominator_id, Nomination.id).where(Nomination.uid == uid)
    found = session.exec(lock).first() if is_uid(uid) else None
    if found is None:
        raise LookupError(uid)
    nominator = now_known_as(session, session.get_one(Person, found[0]))
    lock_names(session, fairness.hold(session, nominator, []))
    nomination = _for_judgement(session, uid, by, "accepted", "declined")
    if at_once and nomination.judged_by != by.id:
        raise _quicker()
    if at_once and not may_undo(nomination, by, now):
        raise Invalid(_("That was a while ago. Under “Judged in the last two weeks” it can wait again."))
    if nomination.state == "accepted":
        take_credit_back(session, nomination, now)
        if at_once:
            _refuse_closed(session, nomination)
    else:
        nominees = tuple(person for _nominee, person in nominees_of(session, nomination))
        told = Told(
            nominees, nomination.guideline, nomination.story, nomination.customer, nomination.happened_on
        )
        weigh_again(session, nomination, nominator, told)
    nomination.state, nomination.reason = "waiting", None
    nomination.judged_at = nomination.judged_by = None
    session.add(nomination)
    notices.drop(session, ("story", "cosign", "judged"), nomination.id or 0)
    beat(session, nomination.id or 0)
    return nomination


def _refuse_closed(session: Session, nomination: Nomination) -> None:
    """A week closed since holds the story. Asked once its points are taken back, for no team's week closes from then on."""
    teams = {person.team_id for _nominee, person in nominees_of(session, nomination)}
    since = select(ClosedWeek.id).where(
        col(ClosedWeek.team_id).in_(teams), col(ClosedWeek.closed_at) >= nomination.judged_at
    )
    if session.exec(since.limit(1)).first() is not None:
        raise Invalid(
            _(
                "The week was closed meanwhile and has this story in it. Under “Judged in the last two weeks” it can wait "
                "again; the week's page then says so."
            )
        )


def _for_judgement(session: Session, uid: str, by: Person, *states: str) -> Nomination:
    nomination = held(session, uid)
    if not may_judge(session, by, nomination):
        raise PermissionError(
            "nobody judges a story that they wrote or star in, or that waits for somebody else"
        )
    if nomination.state not in states:
        raise _quicker()
    return nomination


def _quicker() -> Invalid:
    return Invalid(_("Somebody was quicker: this story is not where you saw it. Please look again."))


# --- withdrawing and hiding ---------------------------------------------------------------------------------


def withdraw(session: Session, uid: str, by: Person, now: datetime) -> Nomination:
    """Take one's own story back; what it earned is reversed. Twice is once."""
    nomination = held(session, uid)
    if teller(session, nomination).id != by.id:
        raise PermissionError("only its nominator withdraws a story")
    if nomination.state == "withdrawn":
        return nomination
    if nomination.state == "accepted":
        take_credit_back(session, nomination, now)
    nomination.state, nomination.withdrawn_at = "withdrawn", now
    session.add(nomination)
    notices.drop(session, ("story", "cosign", "judged"), nomination.id or 0)
    beat(session, nomination.id or 0)
    return nomination


def hide(session: Session, uid: str, by: Person, now: datetime) -> Nomination:
    """Take one's own name and points off a story; it stays with the others in it. Twice is once."""
    nomination, nominee = _mine(session, uid, by)
    if nominee.hidden_at is None:
        nominee.hidden_at = now
        session.add(nominee)
        take_credit_back(session, nomination, now, receiver=by)
        notices.drop(session, ("story", "cosign"), nomination.id or 0, [by.id or 0])
        beat(session, nomination.id or 0)
    return nomination


def show(session: Session, uid: str, by: Person, now: datetime) -> Nomination:
    """Stand by a story again that one hid. Its points come back while the week it counted in is open.

    After that they stay reversed: hiding and showing moves no points from one week to another.
    """
    nomination, nominee = _mine(session, uid, by)
    if nominee.hidden_at is None:
        return nomination
    nominee.hidden_at = None
    session.add(nominee)
    if not is_closed(session, by.team_id, week_of(session, by.team_id, nomination.nominated_at)):
        credit(session, nomination, [(nominee, by)], now)
    beat(session, nomination.id or 0)
    return nomination


def _mine(session: Session, uid: str, by: Person) -> tuple[Nomination, Nominee]:
    nomination = held(session, uid)
    mine = [nominee for nominee, person in nominees_of(session, nomination) if person.id == by.id]
    if nomination.state != "accepted" or not mine or not stars_or_told(session, nomination, by):
        raise PermissionError("only somebody in an accepted story hides or shows it")
    return nomination, mine[0]
