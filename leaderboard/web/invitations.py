"""/admin/invitations: who never came in, and letters to them; /invitation/<token>: where such a letter leads."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_security import login_user
from wtforms import PasswordField
from wtforms.validators import EqualTo, InputRequired
from wtforms.validators import ValidationError as NotRight

from leaderboard import invitations, people
from leaderboard.invitations import LINK, Letter
from leaderboard.languages import speaking
from leaderboard.tables import Person
from leaderboard.web import config, db, now
from leaderboard.web.access import admin_only, limited, me, public
from leaderboard.web.export import MOST_ROWS, csv_file
from leaderboard.web.forms import Form
from leaderboard.web.pages import iso, page_language
from leaderboard.web.sign_in.parts import password_problems

blueprint = Blueprint("invitations", __name__)

SHOWN = 200
STATES = {"waiting": _l("on its way"), "sent": _l("sent"), "failed": _l("could not be sent")}


class PasswordForm(Form):
    """A first password, or the first of the first admin."""

    password = PasswordField(_l("Password"), [InputRequired()])
    again = PasswordField(
        _l("Password, once more"), [EqualTo("password", _l("The two passwords are not the same."))]
    )

    def validate_password(self, field: PasswordField) -> None:
        """As wherever else a password is set."""
        for problem in password_problems(field.data or ""):
            raise NotRight(problem)


# ---------------------------------------------------------------- for admins


@blueprint.get("/admin/invitations")
@admin_only
def overview() -> ResponseReturnValue:
    """Those who never came in, how their letters do, and what to do about it."""
    with db().reading() as session:
        found = invitations.outside(session, SHOWN)
        progress = invitations.progress(session)
    return render_template(
        "admin_invitations.html",
        found=found,
        progress=progress,
        states=STATES,
        has_mail=bool(config().mail.server),
        ways=config().sign_in,
    )


@blueprint.get("/admin/invitations.csv")
@admin_only
def overview_csv() -> ResponseReturnValue:
    """The same as a file, without links."""
    with db().reading() as session:
        found = invitations.outside(session, MOST_ROWS)
    rows = [
        (
            person.name, person.email, str(STATES[letter.state]) if letter else None,
            iso(letter.sent_at) if letter and letter.sent_at else None, letter.error if letter else None,
        )
        for person, letter in found
    ]  # fmt: skip
    header = (_("Name"), _("Address"), _("Invitation"), _("Sent"), _("What the mail server said"))
    return csv_file("invitations", header, rows)


@blueprint.post("/admin/invitations")
@admin_only
@limited("30 per hour")
def invite() -> ResponseReturnValue:
    """Letters to those who got none yet, to all who never came in once more, or to one of them."""
    if not config().mail.server:
        abort(404)
    whom, again = request.form.get("person", ""), request.form.get("do") == "again"
    with db().reading() as session:
        chosen = [
            person
            for person, letter in invitations.outside(session)
            if (person.handle == whom if whom else again or letter is None)
        ]
    letters = [_letter(person) for person in chosen]
    with db().writing() as session:
        invitations.invite(session, letters, me().id, now())
    if letters:
        told = ngettext("%(num)s letter is on its way.", "%(num)s letters are on their way.", len(letters))
        flash(told, "success")
    return redirect(url_for(".overview"), 303)


@blueprint.post("/admin/invitations/links")
@admin_only
@limited("30 per hour")
def links() -> ResponseReturnValue:
    """The links themselves, to hand over by other means."""
    if not config().sign_in.passwords:
        abort(404)
    with db().reading() as session:
        found = [
            (person, invitations.link(config(), person, now()))
            for person, _letter in invitations.outside(session, SHOWN)
        ]
    return render_template("admin_invitation_links.html", found=found)


def _letter(person: Person) -> Letter:
    """In the language that they chose, else in that of who invites."""
    with speaking(person.locale or page_language()):
        subject = str(_("%(name)s invites you to Extra Mile", name=me().name))
        link = LINK if config().sign_in.passwords else config().public_url
        body = render_template(
            "mail/invitation.txt", person=person, host=me(), link=link, ways=config().sign_in
        )
    return Letter(person.id or 0, subject, body)


# ---------------------------------------------------------------- for the invited


@blueprint.route("/invitation/<token>", methods=["GET", "POST"])
@public
@limited("30 per hour")
def come_in(token: str) -> ResponseReturnValue:
    """A first password, and one is in."""
    if not config().sign_in.passwords:
        abort(404)
    with db().reading() as session:
        person = invitations.invited(session, config(), token, now())
    form = PasswordForm()
    if person is not None and form.validate_on_submit():
        secret = people.hash_password(form.password.data or "")
        with db().writing() as session:
            person = invitations.come_in(session, config(), token, secret, now())
        if person is not None:
            login_user(person, authn_via=["password"])
            flash(_("Welcome, %(name)s. Your password holds.", name=person.name), "success")
            return redirect("/", 303)
    if person is None:
        return render_template("invitation.html", person=None), 410
    return render_template("invitation.html", person=person, form=form)
