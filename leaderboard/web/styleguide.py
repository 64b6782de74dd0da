"""/styleguide, in the demo: every component of components.html on one page, with made-up people, to look at and to test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, RadioField, SelectField, StringField, TextAreaField

from leaderboard.deliveries import Day
from leaderboard.guidelines import BY_SLUG
from leaderboard.nominations import Card
from leaderboard.people import Shown
from leaderboard.tables import EVERY, Person
from leaderboard.web.charts import bars, level, over_time, quarters_to, rhythm
from leaderboard.web.forms import Form
from leaderboard.weeks import Week

blueprint = Blueprint("styleguide", __name__)

MOMENT = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
WEEK = Week(2026, 47)
TOLD: dict[str, list[tuple[str, int | None]]] = {
    "Care": [("Care", 24), ("Shop", 9), ("Shipping", None)],
    "Shop": [("Care", 14), ("Shop", 3), ("Shipping", 0)],
    "Shipping": [("Care", 0), ("Shop", None), ("Shipping", 18)],
}
"""Made-up stories between teams."""
STORY = (
    "Mrs. Ito's flight left in forty minutes, and the blue shirt that her son was to wear hung in our other shop, across the "
    "river. Ben did not say that we don't have it here. He called ahead, ran to the tram, and met her at the station with the "
    "shirt already pressed.\n\nShe wrote to us the next morning. He had finished his own shift an hour before."
)


@dataclass(frozen=True)
class Row:
    """A row of a ranking."""

    rank: int
    person: Shown
    points: int
    movement: int | None


class Example(Form):
    """A form with one field of each kind, two of them wrong."""

    name = StringField(_l("Who is it about?"), description=_l("Type a few letters of a name."))
    story = TextAreaField(_l("What happened?"), description=_l("80 to 2,000 characters."))
    team = SelectField(_l("Team"), choices=[("care", "Care"), ("shop", "Shop")])
    guideline = RadioField(
        _l("Which guideline does it show?"), choices=[(g.slug, _l(g.name)) for g in BY_SLUG.values()]
    )
    agreed = BooleanField(_l("The customer agreed to be quoted inside the company"))


@blueprint.get("/styleguide")
def styleguide() -> ResponseReturnValue:
    """Every component once, in each of its states."""
    ana, ben, chris, dan, eve = (
        _person(name) for name in ("Ana Kovač", "Ben Okafor", "Chris Nguyen", "Dan Weiss", "Eve Laurent")
    )
    story = Card(
        id="1", nominees=(ben,), nominator=ana, guideline="above-and-beyond", text=STORY, customer="Mrs. Ito",
        happened_on=date(2026, 11, 19), told_at=MOMENT, points=10, co_signs=2, co_signed=False, may_co_sign=True,
        status="accepted",
    )  # fmt: skip
    form = Example(meta={"csrf": False})
    form.name.errors = ["Nobody is called that here."]
    form.story.errors = ["Tell a little more: a story has at least 80 characters."]
    weeks = [(WEEK - back, back * back % 11 * 4) for back in reversed(range(53))]
    return render_template(
        "styleguide.html",
        me=ana,
        moment=MOMENT,
        form=form,
        stories=[
            story,
            replace(
                story, id="2", nominees=(chris, dan), guideline="team-player", co_signed=True, customer=None
            ),
            replace(
                story,
                id="3",
                nominees=(ana, ben, chris, dan, eve),
                guideline="relationships",
                text=STORY[:120],
            ),
            replace(
                story, id="4", guideline="positive-energy", may_co_sign=False, co_signs=0, happened_on=None
            ),
        ],
        about_me=replace(story, id="5", nominees=(ana, ben), nominator=dan, may_co_sign=False),
        ranking=[
            Row(1, Shown(ben.name, ben.handle), 41, 2),
            Row(2, Shown(chris.name, chris.handle), 38, 0),
            Row(2, Shown("Quiet Owl"), 38, -1),
            Row(4, Shown(ana.name, ana.handle), 12, None),
        ],
        pictures={
            "": over_time(_by_guideline(weeks[-12:])),
            "A year": over_time(_by_guideline(weeks)),
            "One week": over_time(_by_guideline(weeks[-2:-1])),
            "Without points": over_time({str(week): {} for week, _points in weeks[-12:]}),
        },
        days=[
            bars(
                [
                    Day(date(2026, 11, 1 + place), place % 7 * 3, place % 7 // 4 * 2, place % 9 == 8)
                    for place in range(28)
                ]
            ),
            bars([Day(date(2026, 11, 1 + place), 0, 0, False) for place in range(28)]),
        ],
        rhythms=[
            ("Care", rhythm(dict.fromkeys(quarters_to(WEEK, 5), 0) | dict(weeks), WEEK - 46, WEEK)),
            ("New and quiet", rhythm(dict.fromkeys(quarters_to(WEEK, 5), 0), WEEK - 2, WEEK)),
        ],
        entries=_entries(ben),
        places=[Row(1, Shown(ben.name, ben.handle), 41, None), Row(2, Shown(ana.name, ana.handle), 38, None)],
        by_week=[(week, (points, 0)) for week, points in weeks[-3:]],
        told=[
            (name, [(stories, level(stories or 0, 24), name == about) for about, stories in told])
            for name, told in TOLD.items()
        ],
    )


def _entries(giver: Person) -> list[dict[str, object]]:
    """Lines of a ledger: in full, lowered, counted in a later week, taken back."""
    whole = {
        "kind": "story.accepted", "guideline": "relationships", "at": MOMENT, "giver": giver, "why": _("Counts in full."),
        "points": 10, "full_points": 10, "text": STORY, "customer": "Mrs. Ito", "url": "/stories/1", "source": "stories",
        "week": WEEK, "rules_version": 1, "late": False, "reverses": None,
    }  # fmt: skip
    lowered = {
        "points": 5,
        "why": _("It answers a story in the other direction within 7 days, so it counts half."),
    }
    states: list[dict[str, object]] = [{}, lowered, {"late": True}, {"points": -10, "reverses": 1}]
    return [whole | {"id": number} | state for number, state in enumerate(states, 1)]


def _by_guideline(weeks: Sequence[tuple[Week, int]]) -> dict[str, dict[str, int]]:
    """Made-up points: each week's, dealt to the first four guidelines."""
    return {
        str(week): {EVERY: points}
        | {slug: points * (4 - place) // 10 for place, slug in enumerate(list(BY_SLUG)[:4])}
        for week, points in weeks
    }


def _person(name: str) -> Person:
    return Person(
        name=name, handle=name.split()[0].lower(), email="", team_id=0, created_at=MOMENT, changed_at=MOMENT
    )
