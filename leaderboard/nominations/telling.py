"""Telling a story, and telling it better until it is accepted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlmodel import Session, select

from leaderboard import fairness, notices, people
from leaderboard.database import lock_names
from leaderboard.guidelines import BY_SLUG
from leaderboard.nominations.stories import credit, held, nominees_of, now_known_as, tell_accepted, teller
from leaderboard.plugin import Invalid
from leaderboard.tables import Nomination, Nominee, Person, Team, is_uid, new_uid

OLDEST = timedelta(days=60)
MAX_CUSTOMER = 120
MAX_NAMED = 100
"""More names than this are not even looked up."""


@dataclass(frozen=True)
class Telling:
    """What a nominator tells, as the form or the API brings it. A nominee is a uid, a handle or an address."""

    nominees: tuple[str, ...]
    guideline: str
    story: str
    customer: str | None = None
    happened_on: date | None = None


@dataclass(frozen=True)
class Told:
    """The same, examined: people who were found, texts as they are stored."""

    nominees: tuple[Person, ...]
    guideline: str
    story: str
    customer: str | None
    happened_on: date | None


def nominate(
    session: Session, nominator: Person, telling: Telling, now: datetime, *, uid: str | None = None
) -> Nomination:
    """Tell a story. Where all of its people's teams accept at once, it counts at once; otherwise it waits for a lead.

    `uid` is the form's own id: sent twice (a double click, a lost answer) it is the same story. Raises Invalid, with the field.
    """
    told, wrong = examine(session, nominator, telling, now)
    if wrong:
        raise wrong[0]
    lock_names(session, fairness.hold(session, nominator, told.nominees))
    known = _known(session, uid) if uid else None
    if known is not None and known.nominator_id == nominator.id and known.story == told.story:
        return known
    fairness.refuse_haste(session, nominator, now)
    worth = fairness.worth(session, nominator, told.nominees, told.story, now)
    team = judging_team(session, told.nominees)
    nomination = Nomination(
        uid=uid if uid and known is None and is_uid(uid) else new_uid(),
        nominator_id=nominator.id or 0,
        team_id=team.id or 0,
        guideline=told.guideline,
        story=told.story,
        customer=told.customer,
        happened_on=told.happened_on,
        nominated_at=now,
        worth=worth.points,
        full_worth=worth.full,
        worth_why=worth.why,
        joins_id=worth.joins_id,
    )
    session.add(nomination)
    session.flush()
    _name(session, nomination, told, worth, {})
    _count_at_once(session, nomination, team, now)
    return nomination


def edit(session: Session, uid: str, by: Person, telling: Telling, now: datetime) -> Nomination:
    """Tell it better. Only its nominator, and only until it is accepted; a declined story waits again.

    It still counts by the time it was first told; what it earns is decided again where its words or people changed.
    """
    told, wrong = examine(session, by, telling, now)
    lock_names(session, fairness.hold(session, by, told.nominees))
    nomination = held(session, uid)
    if teller(session, nomination).id != by.id:
        raise PermissionError("only its nominator edits a story")
    if nomination.state not in ("waiting", "declined"):
        raise Invalid(_("It is accepted already, so its words stay. You can withdraw it and tell it again."))
    if wrong:
        raise wrong[0]
    before = [person.id for _nominee, person in nominees_of(session, nomination)]
    moved = before != [person.id for person in told.nominees] or nomination.story != told.story
    nomination.guideline, nomination.story = told.guideline, told.story
    nomination.customer, nomination.happened_on = told.customer, told.happened_on
    nomination.edited_at = now
    if moved or nomination.state == "declined":
        weigh_again(session, nomination, by, told)
    nomination.state, nomination.reason = "waiting", None
    nomination.judged_at = nomination.judged_by = None
    team = judging_team(session, told.nominees)
    nomination.team_id = team.id or 0
    session.add(nomination)
    notices.drop(session, ["judged"], nomination.id or 0)
    _count_at_once(session, nomination, team, now)
    return nomination


def weigh_again(session: Session, nomination: Nomination, nominator: Person, told: Told) -> None:
    """Decide anew what a story earns, as if it were told at its first moment and its old form were not there."""
    at = nomination.nominated_at
    worth = fairness.worth(session, nominator, told.nominees, told.story, at, without=nomination.id)
    nomination.worth, nomination.full_worth = worth.points, worth.full
    nomination.worth_why, nomination.joins_id = worth.why, worth.joins_id
    hidden = {}
    for named in session.exec(select(Nominee).where(Nominee.nomination_id == nomination.id)).all():
        hidden[named.person_id] = named.hidden_at
        session.delete(named)
    session.flush()
    _name(session, nomination, told, worth, hidden)


def examine(
    session: Session, nominator: Person, telling: Telling, now: datetime
) -> tuple[Told, list[Invalid]]:
    """The story as it would be stored, and everything that its nominator has to mend first, each with its field."""
    fair = fairness.rules_now(session, nominator, now).fair_play
    wrong: list[Invalid] = []
    found = _find_nominees(session, nominator, telling.nominees, fair.nominees_per_story, wrong)
    story, customer = telling.story, telling.customer
    try:
        story = fairness.clean_text(story, "story", fair.story_max, least=fair.story_min)
    except Invalid as error:
        wrong.append(error)
    try:
        customer = fairness.clean_text(customer or "", "customer", MAX_CUSTOMER, lines=False) or None
    except Invalid as error:
        wrong.append(error)
    if telling.guideline not in BY_SLUG:
        wrong.append(Invalid(_("Choose the guideline that the story shows."), "guideline"))
    if telling.happened_on is not None:
        today = now.astimezone(ZoneInfo(people.zone_of(session, nominator))).date()
        if telling.happened_on > today:
            wrong.append(
                Invalid(_("That day is still to come. Choose the day when it happened."), "happened_on")
            )
        elif today - telling.happened_on > OLDEST:
            wrong.append(
                Invalid(
                    _(
                        "That is more than %(days)s days ago. Leave the day out if you like.",
                        days=OLDEST.days,
                    ),
                    "happened_on",
                )
            )
    return Told(tuple(found), telling.guideline, story, customer, telling.happened_on), wrong


def _find_nominees(
    session: Session, nominator: Person, names: tuple[str, ...], most: int, wrong: list[Invalid]
) -> list[Person]:
    if not names:
        wrong.append(Invalid(_("Choose the colleague that the story is about."), "nominees"))
    if len(names) > MAX_NAMED:
        wrong.append(Invalid(_too_many(most), "nominees"))
        return []
    myself = now_known_as(session, nominator).id
    found: dict[int, Person] = {}
    for name in names:
        person = people.find(session, name)
        if person is None:
            shown = name.strip()[:60].encode("utf-8", "replace").decode()
            wrong.append(
                Invalid(_("We found nobody called “%(name)s”. Search by name.", name=shown), "nominees")
            )
        elif person.id == myself:
            wrong.append(
                Invalid(_("A story is about somebody else: nobody earns by their own act."), "nominees")
            )
        elif not person.active:
            wrong.append(Invalid(_("%(name)s no longer works here.", name=person.name), "nominees"))
        elif person.bot:
            wrong.append(
                Invalid(_("%(name)s is a robot; stories are about people.", name=person.name), "nominees")
            )
        else:
            found[person.id or 0] = person
    if len(found) > most:
        wrong.append(Invalid(_too_many(most), "nominees"))
    return list(found.values())


def _too_many(most: int) -> str:
    return str(
        ngettext(
            "At most %(num)s person shares a story.", "At most %(num)s people share a story; tell two.", most
        )
    )


def _known(session: Session, uid: str) -> Nomination | None:
    if not is_uid(uid):
        return None
    return session.exec(select(Nomination).where(Nomination.uid == uid)).first()


def judging_team(session: Session, nominees: Sequence[Person]) -> Team:
    """The first of their teams that wants a lead to accept, else the first."""
    teams = [session.get_one(Team, person.team_id) for person in nominees]
    return next((team for team in teams if team.accepts == "lead"), teams[0])


def _name(
    session: Session,
    nomination: Nomination,
    told: Told,
    worth: fairness.Worth,
    hidden: Mapping[int, datetime | None],
) -> None:
    for position, person in enumerate(told.nominees):
        share = worth.shares[person.id or 0]
        session.add(
            Nominee(
                nomination_id=nomination.id or 0,
                person_id=person.id or 0,
                position=position,
                share=share.points,
                full_share=share.full,
                share_why=share.why,
                hidden_at=hidden.get(person.id or 0),
            )
        )
    session.flush()


def _count_at_once(session: Session, nomination: Nomination, team: Team, now: datetime) -> None:
    if team.accepts == "at_once":
        nomination.state, nomination.judged_at = "accepted", now
        named = nominees_of(session, nomination)
        credit(session, nomination, named, now)
        tell_accepted(session, nomination, named, now)
