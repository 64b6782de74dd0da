"""A colleague who says: yes, that is how it was."""

from datetime import datetime

from sqlmodel import Session, col, select

from leaderboard import fairness, notices
from leaderboard.nominations.seeing import may_see
from leaderboard.nominations.stories import (
    credit_co_sign,
    held,
    nominees_of,
    now_known_as,
    stars_or_told,
    take_credit_back,
    thing,
)
from leaderboard.tables import CoSign, Nomination, Person


def co_sign(session: Session, uid: str, by: Person, now: datetime) -> Nomination:
    """Co-sign an accepted story, once per colleague; twice is once. Nobody co-signs what they wrote or star in."""
    nomination = held(session, uid)
    if nomination.state != "accepted" or not may_see(session, by, nomination):
        raise LookupError(uid)
    if stars_or_told(session, nomination, by) or by.bot or not by.active:
        raise PermissionError("nobody co-signs a story that they wrote or star in")
    signed = _of(session, nomination, by)
    if signed is not None and signed.withdrawn_at is None:
        return nomination
    fair = fairness.rules_now(session, by, now).fair_play
    scores = fairness.co_sign_scores(session, nomination.id or 0, fair)
    if signed is None:
        signed = CoSign(nomination_id=nomination.id or 0, person_id=by.id or 0, signed_at=now, scores=scores)
    else:
        signed.withdrawn_at, signed.signed_at, signed.scores = None, now, scores
        signed.signings += 1
    nomination.cosigns += 1
    session.add(signed)
    session.add(nomination)
    showing = [(nominee, who) for nominee, who in nominees_of(session, nomination) if not nominee.hidden_at]
    credit_co_sign(session, nomination, signed, showing, now)
    notices.tell_again(session, [who for _nominee, who in showing], "cosign", nomination.id or 0, now)
    return nomination


def take_back(session: Session, uid: str, by: Person, now: datetime) -> Nomination:
    """Take one's co-sign back, and the points with it. Twice is once."""
    nomination = held(session, uid)
    signed = _of(session, nomination, by)
    if signed is None:
        raise LookupError(uid)
    if signed.withdrawn_at is None:
        signed.withdrawn_at = now
        nomination.cosigns -= 1
        session.add(signed)
        session.add(nomination)
        signer = session.get_one(Person, signed.person_id)
        take_credit_back(session, nomination, now, keys=f"{thing(nomination)}/cosign/{signer.uid}")
        if not nomination.cosigns:
            notices.drop(session, ["cosign"], nomination.id or 0)
    return nomination


def co_signers(session: Session, nomination: Nomination) -> list[Person]:
    """Who co-signed it, the first first."""
    query = (
        select(Person)
        .join(CoSign, col(CoSign.person_id) == Person.id)
        .where(CoSign.nomination_id == nomination.id, col(CoSign.withdrawn_at).is_(None))
        .order_by(col(CoSign.signed_at), col(CoSign.id))
    )
    return [now_known_as(session, person) for person in session.exec(query)]


def _of(session: Session, nomination: Nomination, by: Person) -> CoSign | None:
    mine = select(CoSign).where(CoSign.nomination_id == nomination.id)
    return session.exec(mine.where(CoSign.person_id == by.id)).first()
