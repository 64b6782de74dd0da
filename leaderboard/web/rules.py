"""/admin/rules: the numbers of the rules, what each means, and changing them from next week on."""

from itertools import zip_longest
from typing import Any

from annotated_types import Ge, Le
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlmodel import Session
from wtforms import IntegerField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from leaderboard import ledger, people
from leaderboard.guidelines import N_
from leaderboard.plugin import Invalid
from leaderboard.points import FairPlay, Points, Rules
from leaderboard.web import config, db, now
from leaderboard.web.access import admin_only, me
from leaderboard.web.export import csv_file
from leaderboard.web.forms import Form, stripped
from leaderboard.web.pages import iso

blueprint = Blueprint("rules", __name__)

POINTS: dict[str, tuple[str, str]] = {
    "story_accepted": (
        N_("A colleague's story"),
        N_("When it is accepted; several people share it equally, rounded down, at least 1 each."),
    ),
    "story_cosigned": (N_("A co-sign"), N_("For each colleague who saw it too.")),
    "thanks_received": (N_("A customer's thanks, with words"), N_("By a helpdesk or the thank-you page.")),
    "rating_good": (N_("A good rating without words"), N_("One rating earns once, at its highest.")),
    "rating_recovered": (
        N_("An unhappy customer won back"),
        N_("An unhappy rating, an answer, then a good one. It earns the most, for it is the hardest."),
    ),
    "promise_kept": (
        N_("A promise kept"),
        N_("Once a colleague, the customer or the helpdesk bears it out."),
    ),
    "help_given": (N_("Help on a colleague's ticket"), N_("By the helpdesk.")),
    "knowledge_shared": (N_("Knowledge shared"), N_("As a published help-centre article.")),
}
FAIR_PLAY: dict[str, tuple[str, str]] = {
    "allowance_per_week": (
        N_("Scoring stories per colleague and week"),
        N_("More stories are welcome, at 0 points. What is not used is gone on Monday."),
    ),
    "repeat_days": (N_("Days in which stories about the same person count as repeats"), ""),
    "second_story_percent": (N_("What the second story about the same person counts, in percent"), ""),
    "later_story_percent": (N_("What the third and later ones count, in percent"), ""),
    "return_days": (
        N_("Days in which a story in the other direction counts as a return"),
        N_("Ben about Ana after Ana about Ben."),
    ),
    "return_percent": (N_("What a return counts, in percent"), ""),
    "story_min": (N_("Characters that a story has at least"), ""),
    "story_max": (N_("Characters that a story has at most"), ""),
    "same_text_percent": (
        N_("How much alike two texts are the same story, in percent"),
        N_("The later one joins the first, at 0 points."),
    ),
    "same_text_days": (N_("Days in which texts are compared"), ""),
    "nominees_per_story": (N_("People in one story at most"), ""),
    "cosigns_per_story": (N_("Co-signs that score, per story"), ""),
    "nominations_per_10_minutes": (
        N_("Stories per colleague in ten minutes"),
        N_("More have to wait a moment."),
    ),
    "thanks_per_customer_and_week": (N_("Thanks from one customer to one person and week that score"), ""),
    "promise_lead_minutes": (
        N_("Minutes that a promise is on record before it is due"),
        N_("One that is written down when it is done already earns nothing."),
    ),
    "promises_per_ticket_and_day": (N_("Scored promises per ticket and day"), ""),
    "promises_per_day": (N_("Scored promises per person and day"), ""),
    "points_per_witness_and_week": (
        N_("Points per person and week from one kind of witness"),
        N_(
            "Colleagues, customers, promises and work are each one kind. The entry says that the cap was reached."
        ),
    ),
    "points_per_week": (N_("Points per person and week in all"), ""),
    "ratios_from": (N_("Cases from which on a ratio is shown"), N_("A rate of two cases says nothing.")),
    "winner_witnesses": (N_("Different witnesses that a week's winner has at least"), ""),
    "winner_gap_weeks": (
        N_("Weeks before the same person may win the same category again"),
        N_("So that everybody's turn can come."),
    ),
    "newcomer_days": (
        N_("Days that newcomers are not ranked"),
        N_("After the day they joined; they see their points from the first day on."),
    ),
}


def _number_field(model: Any, name: str, texts: tuple[str, str]) -> IntegerField:
    limits = {type(one): one for one in model.model_fields[name].metadata}
    least, most = limits[Ge].ge, limits[Le].le
    return IntegerField(
        _l(texts[0]),
        [InputRequired(), NumberRange(least, most)],
        description=_l(texts[1]) if texts[1] else "",
        render_kw={"inputmode": "numeric", "min": least, "max": most},
    )


RulesForm: type[Any] = type(
    "RulesForm",
    (Form,),
    {
        **{f"points_{name}": _number_field(Points, name, texts) for name, texts in POINTS.items()},
        **{f"fair_{name}": _number_field(FairPlay, name, texts) for name, texts in FAIR_PLAY.items()},
        "note": StringField(
            _l("Why"),
            [Optional(), Length(max=500)],
            filters=[stripped],
            description=_l("For who comes after you."),
        ),
    },
)


@blueprint.route("/admin/rules", methods=["GET", "POST"])
@admin_only
def rules() -> ResponseReturnValue:
    """Which numbers hold since when, and the form that changes them."""
    with db().reading() as session:
        known = ledger.versions(session)
        begins = ledger.next_week(session, now())
        holding = ledger.rules_of(session, begins - 1) if known else from_config()
        newest = ledger.rules_of(session, begins) if known else from_config()
        authors = people.by_id(session, [row.created_by for row in known if row.created_by is not None])
    form = RulesForm(data=_as_form(newest))
    if request.method == "POST" and form.validate():
        try:
            version = _change(form)
        except Invalid as error:
            form.blame(error)
        else:
            flash(_("Version %(version)s holds from %(week)s on.", version=version, week=begins), "success")
            return redirect(url_for(".rules"), 303)
    return render_template(
        "rules.html",
        form=form,
        point_fields=[form[f"points_{name}"] for name in POINTS],
        fair_fields=[form[f"fair_{name}"] for name in FAIR_PLAY],
        versions=[(row, changes(row, older)) for row, older in zip_longest(known, known[1:])],
        authors=authors,
        holding=holding,
        begins=begins,
    ), 422 if form.errors else 200


@blueprint.get("/admin/rules.csv")
@admin_only
def rules_csv() -> ResponseReturnValue:
    """Every number of every version, one a line, by the names that the config file has."""
    with db().reading() as session:
        known = ledger.versions(session)
        authors = people.by_id(session, [row.created_by for row in known if row.created_by is not None])
    first = from_config()
    versions: list[tuple[Any, ...]] = [
        (row.version, row.from_week, row.points, row.fair_play, iso(row.created_at), row.created_by, row.note)
        for row in known
    ] or [(first.version, "", first.points.model_dump(), first.fair_play.model_dump(), None, None, None)]
    rows = [
        (version, week, section, name, value, at, authors[by].name if by in authors else None, note)
        for version, week, points, fair_play, at, by, note in versions
        for section, numbers in (("points", points), ("fair_play", fair_play))
        for name, value in numbers.items()
    ]
    header = (
        _("Version"), _("From"), _("Section"), _("Setting"), _("Number"), _("Changed"), _("By"), _("Why"),
    )  # fmt: skip
    return csv_file("rules", header, rows)


def _change(form: Any) -> int:
    points = Points(**{name: form[f"points_{name}"].data for name in POINTS})
    fair = FairPlay(**{name: form[f"fair_{name}"].data for name in FAIR_PLAY})
    if fair.story_min > fair.story_max:
        raise Invalid(_("No story could be told: the least is more than the most."), "fair_story_min")
    moment, before, by = now(), from_config(), me().id

    def work(session: Session) -> int:
        return ledger.change_rules(session, before, points, fair, moment, by, form.note.data)

    return db().write(work)


def from_config() -> Rules:
    """Version 1: the numbers of the config file."""
    return Rules(1, config().points, config().fair_play)


def changes(row: Any, older: Any) -> list[tuple[str, Any, Any]]:
    """(what, before, after) of each number that a version changed."""
    if older is None:
        return []
    texts = {
        **{("points", k): v[0] for k, v in POINTS.items()},
        **{("fair_play", k): v[0] for k, v in FAIR_PLAY.items()},
    }
    return [
        (_(text), getattr(older, part).get(name), getattr(row, part).get(name))
        for (part, name), text in texts.items()
        if getattr(older, part).get(name) != getattr(row, part).get(name)
    ]


def _as_form(rules: Rules) -> dict[str, int]:
    return {
        **{f"points_{name}": value for name, value in rules.points.model_dump().items()},
        **{f"fair_{name}": value for name, value in rules.fair_play.model_dump().items()},
    }


assert set(POINTS) == set(Points.model_fields)
assert set(FAIR_PLAY) == set(FairPlay.model_fields)
