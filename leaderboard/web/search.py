"""/search: people and stories by words; and the palette, which finds pages, too."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from leaderboard import search
from leaderboard.web import db, row_number
from leaderboard.web.access import me
from leaderboard.web.navigation import ADMINISTRATION, DOING, OWN, PLACES, open_to

blueprint = Blueprint("search", __name__)

PEOPLE, STORIES = 8, 10
IN_PALETTE = 5
FARTHER = 30
"""How many of one kind a page has once one asked for more of them."""


@blueprint.get("/search")
def page() -> ResponseReturnValue:
    """People first, then stories; with ?only= one kind of them, from ?after= on."""
    question, only = _question(), request.args.get("only", "")
    only = only if only in ("people", "stories") else ""
    start = (row_number(request.args.get("after", "")) or 0) if only else 0
    most = {
        "people": FARTHER if only == "people" else PEOPLE,
        "stories": FARTHER if only == "stories" else STORIES,
    }
    with db().reading() as session:
        people = (
            search.people(session, me(), question, start, most["people"] + 1) if only != "stories" else []
        )
        stories = (
            search.stories(session, me(), question, start, most["stories"] + 1) if only != "people" else []
        )
    more = {
        kind: url_for(".page", q=question, only=kind, after=start + most[kind])
        for kind, found in (("people", people), ("stories", stories))
        if len(found) > most[kind]
    }
    return render_template(
        "search.html",
        question=question,
        people=people[: most["people"]],
        stories=stories[: most["stories"]],
        more=more,
        kinds=[
            (name, url_for(".page", q=question, only=kind or None), only == kind)
            for kind, name in (("", _("All of it")), ("people", _("People")), ("stories", _("Stories")))
        ],
        farther=start > 0,
        longest=search.LONGEST,
    )


@blueprint.get("/search/palette")
def palette() -> ResponseReturnValue:
    """The palette itself, fetched when it is opened first: the pages that one may open, and what one may do."""
    return render_template(
        "_palette.html",
        doing=DOING,
        places=[*open_to(me(), PLACES), *OWN],
        administration=open_to(me(), ADMINISTRATION[1:]),
        longest=search.LONGEST,
    )


@blueprint.get("/search/found")
def found() -> ResponseReturnValue:
    """The best few people and stories: a part of the palette."""
    question = _question()
    with db().reading() as session:
        people = search.people(session, me(), question, limit=IN_PALETTE)
        stories = search.stories(session, me(), question, limit=IN_PALETTE)
    return render_template("_found.html", question=question, people=people, stories=stories)


@blueprint.get("/me/page")
def my_page() -> ResponseReturnValue:
    """One's own page, under an address that is the same for everybody: for a shortcut on a phone's screen."""
    return redirect(url_for("people.person", handle=me().handle))


def _question() -> str:
    return " ".join(request.args.get("q", "")[: search.LONGEST].split())
