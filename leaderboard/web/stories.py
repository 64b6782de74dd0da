"""/nominate and /stories: tell a story, read the wall, co-sign, edit, withdraw, hide; and what its judges do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlmodel import Session
from werkzeug.exceptions import BadRequest
from wtforms import DateField, HiddenField, RadioField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import Optional

from leaderboard import fairness, nominations, people
from leaderboard.guidelines import BY_SLUG, GUIDELINES, LAST
from leaderboard.ledger import Share
from leaderboard.nominations import Telling
from leaderboard.plugin import Invalid
from leaderboard.points import WHY
from leaderboard.tables import Nomination, Person, new_uid
from leaderboard.web import config, db, now
from leaderboard.web.access import lead_only, me
from leaderboard.web.export import csv_file
from leaderboard.web.forms import Form

blueprint = Blueprint("stories", __name__)

ORDERS = ("newest", "loved")
MOST_IN_A_FILE = 10_000


class StoryForm(Form):
    """What a nominator fills in; nominations.examine checks it. `draft` is the form's own id: sent twice it is one story."""

    nominees = SelectMultipleField(_l("Who went the extra mile?"), validate_choice=False)
    guideline = RadioField(
        _l("Which guideline does it show?"),
        choices=[(each.slug, each.slug) for each in GUIDELINES],
        validate_choice=False,
    )
    story = TextAreaField(_l("What happened, and for whom?"))
    customer = StringField(_l("The customer's name"))
    happened_on = DateField(_l("When was it?"), [Optional()])
    draft = HiddenField()

    def telling(self) -> Telling:
        return Telling(
            nominees=tuple(dict.fromkeys(self.nominees.data or ())),
            guideline=self.guideline.data or "",
            story=self.story.data or "",
            customer=self.customer.data or None,
            happened_on=self.happened_on.data,
        )


@dataclass(frozen=True)
class Earning:
    """What a story would earn: each nominee's share with its reason, and what is left of the week's allowance."""

    shares: Sequence[tuple[Person, Share, str]]
    points: int
    left: int
    of: int
    waits_for: str | None
    """The team whose lead would accept it first; None where it counts at once."""


# --- telling ------------------------------------------------------------------------------------------------


@blueprint.route("/nominate", methods=["GET", "POST"])
def nominate() -> ResponseReturnValue:
    """Tell a story. Without JavaScript, finding colleagues and seeing what it earns are steps of the same form."""
    form = StoryForm()
    if request.method == "GET":
        form.draft.data = new_uid()
        form.nominees.data = [request.args["for"]] if "for" in request.args else []
        return _nominate_page(form)
    if request.form.get("step", "send") != "send":
        return _nominate_page(form)
    told: list[Nomination] = []

    def work(write: Session) -> None:
        nominator = write.get_one(Person, me().id)
        told[:] = [nominations.nominate(write, nominator, form.telling(), now(), uid=form.draft.data)]

    if _send(form, work):
        session["told"] = told[0].uid
        return redirect(url_for(".story", uid=told[0].uid), 303)
    return _nominate_page(form), 422


@blueprint.route("/stories/<uid>/edit", methods=["GET", "POST"])
def edit(uid: str) -> ResponseReturnValue:
    """Tell it better, until it is accepted."""
    with db().reading() as read:
        nomination = _found(read, uid)
        card = nominations.card(read, nomination, me())
        named = [person.uid for person in nominations.people_in(read, nomination)]
    if card.nominator.id != me().id:
        abort(404)
    if card.status not in ("waiting", "declined"):
        flash(_("It is accepted already, so its words stay. You can withdraw it and tell it again."), "info")
        return redirect(url_for(".story", uid=uid), 303)
    form = StoryForm()
    if request.method == "GET":
        form.nominees.data, form.guideline.data = named, card.guideline
        form.story.data, form.customer.data, form.happened_on.data = (
            card.text,
            card.customer,
            card.happened_on,
        )
        return _nominate_page(form, nomination)
    if request.form.get("step", "send") != "send":
        return _nominate_page(form, nomination)

    def work(write: Session) -> None:
        nominations.edit(write, uid, write.get_one(Person, me().id), form.telling(), now())

    if _send(form, work):
        flash(_("Your changes are kept."), "success")
        return redirect(url_for(".story", uid=uid), 303)
    return _nominate_page(form, nomination), 422


@blueprint.get("/nominate/find")
def find() -> ResponseReturnValue:
    """Colleagues whose name holds what was typed: a part of the form."""
    with db().reading() as read:
        found = _search(read, request.args.get("q", ""))
    return render_template("_colleagues.html", found=found, asked=bool(request.args.get("q", "").strip()))


@blueprint.post("/nominate/worth")
def worth() -> ResponseReturnValue:
    """What the story would earn as it stands: a part of the form."""
    form = StoryForm()
    with db().reading() as read:
        nomination = _found(read, request.form["of"]) if request.form.get("of") else None
        earning = _earning(read, form.telling(), _chosen(read, form), nomination)
    return render_template("_worth.html", earning=earning)


def _send(form: StoryForm, work: Callable[[Session], None]) -> bool:
    """Run the unit of work; False, with every refusal beside its field, where the story cannot be told so."""
    with db().reading() as read:
        nominator = read.get_one(Person, me().id)
        wrong = [] if form.validate() else [Invalid(_("Choose a day of the calendar."), "happened_on")]
        wrong += nominations.examine(read, nominator, form.telling(), now())[1]
    if not wrong:
        try:
            db().write(work)
        except Invalid as error:
            wrong = [error]
        except (LookupError, PermissionError):
            abort(404)
    form.happened_on.errors = []
    for refusal in wrong:
        form.blame(refusal)
    return not wrong


def _nominate_page(form: StoryForm, nomination: Nomination | None = None) -> str:
    with db().reading() as read:
        chosen = _chosen(read, form)
        found = _search(read, request.form.get("q", "")) if request.form.get("step") == "find" else []
        earning = _earning(read, form.telling(), chosen, nomination)
        fair = fairness.rules_now(read, read.get_one(Person, me().id), now()).fair_play
    return render_template(
        "nominate.html",
        form=form,
        nomination=nomination,
        chosen=chosen,
        found=[person for person in found if person not in chosen],
        asked=request.form.get("step") == "find",
        q=request.form.get("q", ""),
        earning=earning,
        fair=fair,
        prompts=LAST,
        today=now().date(),
        fresh=request.method == "GET" and nomination is None,
    )


def _chosen(read: Session, form: StoryForm) -> list[Person]:
    """The nominees who were found, in the order in which they were named; whom it cannot be about is said when it is sent."""
    named = (people.find(read, name) for name in (form.nominees.data or ())[: nominations.MAX_NAMED])
    return list({person.id: person for person in named if person is not None}.values())


def _search(read: Session, text: str) -> list[Person]:
    return [person for person in people.search(read, text, 9) if person.id != me().id][:8]


def _earning(
    read: Session, telling: Telling, chosen: Sequence[Person], nomination: Nomination | None
) -> Earning:
    giver = read.get_one(Person, me().id)
    at = nomination.nominated_at if nomination else now()
    without = nomination.id if nomination else None
    allowance = fairness.allowance(read, giver, at, without=without)
    stars = [person for person in chosen if person.id != giver.id]
    if not stars:
        return Earning((), 0, allowance.left, allowance.of, None)
    found = fairness.worth(read, giver, stars, telling.story, at, without=without)
    shares = [
        (person, found.shares[person.id or 0], WHY[found.shares[person.id or 0].why]) for person in stars
    ]
    team = nominations.judging_team(read, stars)
    waits_for = team.name if team.accepts == "lead" else None
    return Earning(shares, found.points, allowance.left, allowance.of, waits_for)


# --- the wall -----------------------------------------------------------------------------------------------


@blueprint.get("/stories")
def wall() -> ResponseReturnValue:
    """The accepted stories one may see: newest or best loved, by guideline, team and person, a part at a time."""
    asked = _filters()
    with db().reading() as read:
        viewer = read.get_one(Person, me().id)
        teams = people.teams(read)
        who = people.find(read, asked["person"]) or next(iter(people.search(read, asked["person"], 1)), None)
        team = next((team for team in teams if team.slug == asked["team"]), None)
        nobody = bool(asked["person"]) and who is None
        try:
            found = nominations.wall(
                read,
                viewer,
                now(),
                order=asked["order"],
                guideline=asked["guideline"] or None,
                team_id=team.id if team else None,
                person_id=0 if nobody else who.id if who else None,
                after=request.args.get("after"),
            )
        except Invalid as error:
            raise BadRequest(error.message) from None
        mine = (
            []
            if any(asked[name] for name in ("guideline", "team", "person"))
            else nominations.mine(read, viewer, 5)
        )
    shortest: dict[str, Any] = {name: value for name, value in asked.items() if value and value != ORDERS[0]}
    return render_template(
        "stories.html",
        stories=found.stories,
        mine=[] if request.args.get("after") else mine,
        next_url=url_for(".wall", **shortest, after=found.next) if found.next else None,
        asked=asked,
        who=who,
        teams=teams,
        orders=[
            (_("Newest"), url_for(".wall", **(shortest | {"order": None})), asked["order"] == "newest"),
            (_("Best loved"), url_for(".wall", **(shortest | {"order": "loved"})), asked["order"] == "loved"),
        ],
        guideline_options=[("", _("All five")), *((each.slug, _(each.name)) for each in GUIDELINES)],
        team_options=[("", _("All teams")), *((team.slug, team.name) for team in teams)],
    )


@blueprint.get("/stories.csv")
def wall_csv() -> ResponseReturnValue:
    """The stories one may see, as a file."""
    with db().reading() as read:
        viewer = read.get_one(Person, me().id)
        found = nominations.wall(read, viewer, now(), limit=MOST_IN_A_FILE).stories
    rows = [
        (
            card.told_at.isoformat(),
            card.nominator.name,
            ", ".join(person.name for person in card.nominees),
            card.guideline,
            card.text,
            card.customer,
            card.happened_on.isoformat() if card.happened_on else None,
            card.co_signs,
            card.points,
        )
        for card in found
    ]
    header = ["told_at", "nominator", "nominees", "guideline", "story", "customer", "happened_on", "co_signs"]
    return csv_file("stories", [*header, "points"], rows)


def _filters() -> dict[str, str]:
    order, guideline = request.args.get("order", ""), request.args.get("guideline", "")
    return {
        "order": order if order in ORDERS else ORDERS[0],
        "guideline": guideline if guideline in BY_SLUG else "",
        "team": request.args.get("team", ""),
        "person": request.args.get("person", ""),
    }


# --- one story ----------------------------------------------------------------------------------------------


@blueprint.get("/stories/<uid>")
def story(uid: str) -> ResponseReturnValue:
    """The story's own page: its words, who saw it too, and what this viewer may do with it."""
    told = session.get("told") == uid
    if told:
        session.pop("told")
    with db().reading() as read:
        nomination = _found(read, uid)
        viewer = read.get_one(Person, me().id)
        card = nominations.card(read, nomination, viewer)
        stars = nominations.starring(read, nomination)
        joins = read.get(Nomination, nomination.joins_id) if nomination.joins_id else None
        judges = nominations.judges(read, nomination)
        judge = read.get(Person, nomination.judged_by) if nomination.judged_by else None
        context = {
            "signers": nominations.co_signers(read, nomination),
            "shares": [(who, star, WHY[star.share_why]) for star, who in stars],
            "hidden": any(star.hidden_at for star, who in stars if who.id == viewer.id),
            "joins": joins,
            "judges": judges,
            "judge": judge,
        }
    mine = card.nominator.id == viewer.id
    return render_template(
        "story.html",
        story=card,
        nomination=nomination,
        mine=mine,
        stars=any(who.id == viewer.id for _star, who in stars),
        may_judge=any(each.id == viewer.id for each in judges),
        told=told,
        address=config().public_url + url_for(".story", uid=uid),
        **context,
    )


@blueprint.post("/stories/<uid>/co-sign")
def co_sign(uid: str) -> ResponseReturnValue:
    """Say that one saw it too."""
    return _change(uid, nominations.co_sign)


@blueprint.post("/stories/<uid>/co-sign/take-back")
def take_back(uid: str) -> ResponseReturnValue:
    """Take one's co-sign back."""
    return _change(uid, nominations.take_back, _("Your co-sign is taken back."))


@blueprint.post("/stories/<uid>/withdraw")
def withdraw(uid: str) -> ResponseReturnValue:
    """Take one's own story back."""
    return _change(uid, nominations.withdraw, _("Your story is withdrawn; what it earned is reversed."))


@blueprint.post("/stories/<uid>/hide")
def hide(uid: str) -> ResponseReturnValue:
    """Take one's own name and points off a story."""
    return _change(uid, nominations.hide, _("Your name and your points are off this story."))


@blueprint.post("/stories/<uid>/show")
def show(uid: str) -> ResponseReturnValue:
    """Stand by a story again."""
    return _change(uid, nominations.show, _("Your name is back on this story."))


@blueprint.post("/stories/<uid>/accept")
@lead_only
def accept(uid: str) -> ResponseReturnValue:
    """Let a story count."""
    return _change(uid, nominations.accept, _("Accepted. It counts from the moment it was told."))


@blueprint.post("/stories/<uid>/decline")
@lead_only
def decline(uid: str) -> ResponseReturnValue:
    """Send a story back with a reason."""
    reason = request.form.get("reason", "")
    return _change(
        uid, nominations.decline, _("Declined. Its nominator sees your reason and can mend it."), reason
    )


@blueprint.post("/stories/<uid>/reopen")
@lead_only
def reopen(uid: str) -> ResponseReturnValue:
    """Undo a judgement."""
    return _change(uid, nominations.reopen, _("Undone. The story waits again."))


def _change(
    uid: str, do: Callable[..., Nomination], done: str | None = None, *what: str
) -> ResponseReturnValue:
    """Let the viewer do something with a story that they may see; a story they may not see is not there for them."""

    def work(write: Session) -> None:
        viewer = write.get_one(Person, me().id)
        nominations.find(write, uid, viewer)
        do(write, uid, viewer, *what, now())

    try:
        db().write(work)
        if done:
            flash(done, "success")
    except LookupError:
        abort(404)
    except PermissionError:
        abort(403)
    except Invalid as error:
        flash(error.message, "error")
    back = request.form.get("back", "")
    return redirect("/lead" if back == "lead" else url_for(".story", uid=uid), 303)


def _found(read: Session, uid: str) -> Nomination:
    try:
        return nominations.find(read, uid, read.get_one(Person, me().id))
    except LookupError:
        abort(404)
