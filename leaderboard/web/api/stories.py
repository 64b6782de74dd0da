"""Telling a story, judging it, co-signing it."""

from collections.abc import Callable
from datetime import datetime

from flask import url_for
from sqlmodel import Session
from werkzeug.exceptions import BadRequest

from leaderboard import nominations, people
from leaderboard.tables import Nomination, Person
from leaderboard.web import db, now
from leaderboard.web.access import limited, me
from leaderboard.web.api import examples, shapes
from leaderboard.web.api.blueprint import WRITES, Mistakes, api, asked_of, by_person, cursor, place
from leaderboard.web.api.seeing import chosen_person, chosen_team, person_out


@api.get("/stories")
@api.input(shapes.StoriesQuery, location="query", arg_name="query")
@api.output(shapes.Stories, example=examples.STORIES)
def stories(query: shapes.StoriesQuery) -> shapes.Stories:
    """The wall: accepted stories that you may see; or those that wait for you to judge."""
    viewer, after = me(), place(query.after)
    if query.state == "waiting":
        return _waiting(viewer, after[0] if after else 0, query.limit)
    with db().reading() as session:
        team, who = chosen_team(session, query.team), chosen_person(session, query.person)
        wall = nominations.wall(
            session,
            viewer,
            now(),
            order=query.order,
            guideline=query.guideline,
            team_id=team.id if team else None,
            person_id=who.id if who else None,
            after=str(after[0]) if after else None,
            limit=query.limit,
        )
        return shapes.Stories(
            stories=[_story(session, card, viewer) for card in wall.stories],
            next=cursor(wall.next) if wall.next else None,
        )


def _waiting(judge: Person, after: int | str, limit: int) -> shapes.Stories:
    if not isinstance(after, int):  # a place on the wall
        raise BadRequest("`after` goes on with the wall, not with what waits.")
    with db().reading() as session:
        found = [row for row in nominations.to_judge(session, judge) if (row.id or 0) > after]
        page = nominations.cards(session, found[:limit], judge)
        return shapes.Stories(
            stories=[_story(session, card, judge) for card in page],
            next=cursor(found[limit - 1].id or 0) if len(found) > limit else None,
        )


@api.post("/stories")
@api.input(shapes.StoryIn, arg_name="body", example=examples.STORY_IN)
@api.output(shapes.Story, status_code=201, example=examples.STORY_WAITING)
@limited(WRITES, by=by_person)
def tell(body: shapes.StoryIn) -> tuple[shapes.Story, int, dict[str, str]]:
    """Tell a story about colleagues. It waits for a lead, or counts at once, as their teams decided."""
    moment = now()
    telling = nominations.Telling(
        tuple(body.nominees), body.guideline, body.story, body.customer, body.happened_on
    )

    def work(session: Session) -> shapes.Story:
        _told, wrong = nominations.examine(session, me(), telling, moment)
        if wrong:
            raise Mistakes([(error.field or "story", error.message) for error in wrong])
        nomination = nominations.nominate(session, me(), telling, moment)
        return _story(session, nominations.card(session, nomination, me()), me())

    told = db().write(work)
    return told, 201, {"Location": url_for("api.story", story=told.id)}


@api.get("/stories/<story>")
@api.output(shapes.Story, example=examples.STORY)
def story(story: str) -> shapes.Story:
    """One story that you may see."""
    with db().reading() as session, asked_of("story"):
        found = nominations.find(session, story, me())
        return _story(session, nominations.card(session, found, me()), me())


@api.post("/stories/<story>/accept")
@api.output(shapes.Story, example=examples.STORY)
@limited(WRITES, by=by_person)
def accept(story: str) -> shapes.Story:
    """Let a waiting story count. For its judges: nobody judges a story that they wrote or star in."""
    return _done(story, nominations.accept)


@api.post("/stories/<story>/decline")
@api.input(shapes.Decline, arg_name="body", example=examples.DECLINE)
@api.output(shapes.Story, example=examples.STORY_DECLINED)
@limited(WRITES, by=by_person)
def decline(story: str, body: shapes.Decline) -> shapes.Story:
    """Send a waiting story back, with a reason."""

    def work(session: Session, uid: str, by: Person, moment: datetime) -> Nomination:
        return nominations.decline(session, uid, by, body.reason, moment)

    return _done(story, work)


@api.post("/stories/<story>/withdraw")
@api.output(shapes.Story, example=examples.STORY_WITHDRAWN)
@limited(WRITES, by=by_person)
def withdraw(story: str) -> shapes.Story:
    """Take your own story back; what it earned is reversed. Twice is once."""
    return _done(story, nominations.withdraw)


@api.post("/stories/<story>/co-sign")
@api.output(shapes.Story, example=examples.STORY_CO_SIGNED)
@limited(WRITES, by=by_person)
def co_sign(story: str) -> shapes.Story:
    """Say that you saw it too. Twice is once."""
    return _done(story, nominations.co_sign)


def _done(uid: str, step: Callable[[Session, str, Person, datetime], Nomination]) -> shapes.Story:
    """One step of a story that this person may see, in one unit of work."""
    moment = now()

    def work(session: Session) -> shapes.Story:
        with asked_of("story"):
            nominations.find(session, uid, me())
            nomination = step(session, uid, me(), moment)
            return _story(session, nominations.card(session, nomination, me()), me())

    return db().write(work)


def _story(session: Session, card: nominations.Card, viewer: Person) -> shapes.Story:
    concerned = viewer.id in {card.nominator.id, *(nominee.id for nominee in card.nominees)}
    trusted = concerned or any(people.sees_evidence(session, viewer, nominee) for nominee in card.nominees)
    return shapes.Story(
        id=card.id,
        url=f"/stories/{card.id}",
        nominees=[person_out(nominee) for nominee in card.nominees],
        nominator=person_out(card.nominator),
        guideline=card.guideline,
        story=card.text,
        customer=card.customer if trusted else None,
        happened_on=card.happened_on,
        told_at=card.told_at,
        state=card.status,
        points=card.points,
        co_signs=card.co_signs,
        co_signed=card.co_signed,
    )
