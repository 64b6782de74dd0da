"""/screen: for a screen in the office, one story after the other."""

from flask import Blueprint, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from leaderboard import __version__, screen
from leaderboard.tables import Team
from leaderboard.web import db, now
from leaderboard.web.access import me
from leaderboard.web.weeks import category_names

blueprint = Blueprint("screen", __name__)

LOOK = 12
"""Seconds that a story stands at least."""
READ = 15
"""Characters that somebody who walks by reads in a second."""
MOST = 450
"""Characters of a story; the rest of a longer one is on the wall."""
LARGE, MIDDLE = 110, 240
"""Characters up to which a story is set large, or less large, and leaves room for a customer's words."""


@blueprint.get("/screen")
def page() -> ResponseReturnValue:
    """The story after ?after=, or ?hold= as long as it may be shown. A screen asks again for as long as it hangs there."""
    hold = request.args.get("hold", "")
    with db().reading() as session:
        team = session.get_one(Team, me().team_id)
        turn = screen.turn(session, team, now(), after=request.args.get("after", ""), hold=hold)
    story = turn.story
    held = story is not None and story.id == hold
    length = min(len(story.text), MOST) if story else 0
    response = make_response(
        render_template(
            "screen.html",
            turn=turn,
            held=held,
            most=MOST,
            size="large" if length <= LARGE else "middle" if length <= MIDDLE else "small",
            seconds=LOOK + length // READ,
            next_url=url_for(
                ".page",
                hold=story.id if story and held else None,
                after=story.id if story and not held else None,
                version=__version__,
            ),
            category_names=category_names(),
        )
    )
    if "HX-Request" in request.headers and request.args.get("version") != __version__:
        response.headers["HX-Refresh"] = "true"  # a screen may hang there through many versions
    return response
