"""/notices: what one was told, the newest first; /me/notices: how one wishes to be told."""

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectField

from leaderboard import notices
from leaderboard.announcements import letters
from leaderboard.plugin import Invalid
from leaderboard.tables import Person
from leaderboard.web import access, config, db, now, row_number
from leaderboard.web.export import MOST_ROWS, csv_file
from leaderboard.web.forms import Form, options
from leaderboard.web.pages import bell_version, iso

blueprint = Blueprint("notices", __name__)

PAGE = 30
ICONS = {
    "story": "message-heart",
    "cosign": "heart",
    "thanks": "quote",
    "judged": "circle-check",
    "won": "trophy",
    "promise_due": "clock",
    "promise_confirmed": "shield-check",
    "to_confirm": "calendar-check",
    "to_judge": "inbox",
    "taken_back": "arrow-back-up",
    "merged": "users",
}


WAY_NAMES = {
    "at_once": _l("In the page, and by mail at once"),
    "daily": _l("In the page, and in one mail a day"),
    "page": _l("In the page only"),
    "off": _l("Not at all"),
}


class WaysForm(Form):
    """One select for each sort of notice."""


for _sort, _name in notices.SORT_NAMES.items():
    _field = SelectField(
        _l(_name),
        choices=options(*WAY_NAMES.items()),
    )
    setattr(WaysForm, _sort, _field)


@blueprint.get("/notices")
def listing() -> ResponseReturnValue:
    """What one was told, page by page."""
    viewer = access.me()
    with db().reading() as session:
        found, after = notices.listed(session, viewer, request.args.get("after", ""), PAGE)
        ways = notices.ways_of(session, viewer.id or 0)
    return render_template(
        "notices.html",
        notices=[(said, notices.sentence(said), icon_of(said)) for said in found],
        told=[
            (name, [notices.SORT_NAMES[sort] for sort in notices.sorts_of(viewer) if ways[sort] == way])
            for way, name in WAY_NAMES.items()
        ],
        until=max((said.id for said in found), default=0),
        unread=viewer.unread or any(not said.read for said in found),
        next_url=url_for(".listing", after=after) if after else None,
        first_page="after" not in request.args,
    )


def icon_of(said: notices.Said) -> str:
    """The sign that stands beside it."""
    return "arrow-back-up" if said.sort == "judged" and not said.accepted else ICONS[said.sort]


@blueprint.get("/notices/bell")
def bell() -> ResponseReturnValue:
    """The bell of an open page: 304 while it says the same. Who is signed in was asked anyhow, with how many are new."""
    response = make_response(render_template("_bell.html"))
    response.headers["ETag"] = bell_version(access.me().unread)
    response.headers["Cache-Control"] = "private, no-cache"
    return response.make_conditional(request)


@blueprint.get("/notices.csv")
def listing_csv() -> ResponseReturnValue:
    """The same as a file."""
    with db().reading() as session:
        found, _after = notices.listed(session, access.me(), limit=MOST_ROWS)
    rows = [
        (
            iso(said.at),
            notices.sentence(said),
            said.words,
            _("yes") if said.read else _("no"),
            config().public_url + said.url,
        )
        for said in found
    ]
    return csv_file("notices", (_("When"), _("Notice"), _("Words"), _("Read"), _("Link")), rows)


@blueprint.get("/notices/<int:number>")
def opened(number: int) -> ResponseReturnValue:
    """On to what it is about; it is read now. Nobody else's notices are there for one."""
    try:
        with db().writing() as session:
            url = notices.opened(session, access.me(), number, now())
    except LookupError:
        abort(404)
    return redirect(url, 303)


@blueprint.post("/notices/read")
def read_all() -> ResponseReturnValue:
    """All that the page showed, and all before it, is read."""
    until = row_number(request.form.get("until", ""))
    if until is None:
        abort(400)
    with db().writing() as session:
        notices.read_all(session, access.me(), until, now())
    return redirect(url_for(".listing"), 303)


@blueprint.route("/notices/mail/<token>", methods=["GET", "POST"])
@access.public
@access.proves_itself
def no_more_mail(token: str) -> ResponseReturnValue:
    """End one's mails by the link in any of them; a mail program posts it by itself (RFC 8058)."""
    try:
        with db().reading() as session:
            person = letters.person_of_stop(session, config(), token)
    except LookupError:
        raise Invalid(
            _("This link is not whole. Copy all of it from the mail, or sign in and choose on your page.")
        ) from None
    if request.method == "POST":
        with db().writing() as session:
            notices.no_more_mail(session, session.get_one(Person, person.id))
    return render_template("no_more_mail.html", address=person.email, done=request.method == "POST")


@blueprint.route("/me/notices", methods=["GET", "POST"])
def ways() -> ResponseReturnValue:
    """How one wishes to be told each sort of thing."""
    person = access.me()
    with db().reading() as session:
        form = WaysForm(data=notices.ways_of(session, person.id or 0))
    for sort in notices.SORT_NAMES.keys() - set(notices.sorts_of(person)):
        del form[sort]
    if form.validate_on_submit():
        chosen = {sort: str(form[sort].data) for sort in notices.sorts_of(person)}
        try:
            with db().writing() as session:
                notices.choose(session, session.get_one(Person, person.id), chosen)
        except Invalid as error:
            form.blame(error)
        else:
            flash(_("Your choice is kept."), "success")
            return redirect(url_for(".ways"), 303)
    return render_template(
        "me_notices.html",
        form=form,
        fields=[form[sort] for sort in notices.sorts_of(person)],
        mails=bool(config().mail.server),
        address=person.email,
    )
