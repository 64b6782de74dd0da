"""/first-run: where the first admin comes in, by an address that only the operator's console shows. Later it is no page."""

from datetime import datetime, timedelta

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_security import login_user
from itsdangerous import BadData, URLSafeSerializer
from wtforms import EmailField, StringField
from wtforms.validators import InputRequired, Length

from leaderboard import people
from leaderboard.config import Config
from leaderboard.people import MAX_EMAIL, MAX_NAME, PersonFields, TeamFields
from leaderboard.plugin import Invalid
from leaderboard.web import config, db, now
from leaderboard.web.access import limited, public
from leaderboard.web.forms import stripped
from leaderboard.web.invitations import PasswordForm
from leaderboard.weeks import zone_names

blueprint = Blueprint("first_run", __name__)

LASTS = timedelta(days=1)


class FirstForm(PasswordForm):
    name = StringField(_l("Your name"), [InputRequired(), Length(max=MAX_NAME)], filters=[stripped])
    email = EmailField(
        _l("Your e-mail address"), [InputRequired(), Length(max=MAX_EMAIL)], filters=[stripped]
    )
    team = StringField(
        _l("Your team"),
        [InputRequired(), Length(max=MAX_NAME)],
        filters=[stripped],
        description=_l("Everybody belongs to one, you too. It can be renamed, and others are added later."),
    )
    timezone = StringField(
        _l("Its time zone"),
        [InputRequired(), Length(max=60)],
        filters=[stripped],
        description=_l("It makes the team's weeks, from Monday to Monday."),
    )


def address(settings: Config, moment: datetime) -> str:
    """Where the first admin comes in, for a day; to be shown to nobody but who runs the service."""
    ends = int((moment + LASTS).timestamp())
    return f"{settings.public_url}/first-run?token={_signer(settings).dumps(ends)}"


@blueprint.route("/first-run", methods=["GET", "POST"])
@public
@limited("10 per 15 minutes")
def begin() -> ResponseReturnValue:
    """The first admin gives name, address, team and password, and is signed in.

    A wrong token, and a right one once somebody is here, is answered as a page that does not exist.
    """
    try:  # compares in constant time
        ends = int(_signer(config()).loads(request.args.get("token", "")))
    except (BadData, ValueError, TypeError):
        abort(404)
    with db().reading() as session:
        if not people.nobody_here(session):
            abort(404)
    if now().timestamp() > ends:
        return render_template("first_run.html", form=None), 410
    form = FirstForm(data={"timezone": config().week.timezone})
    if not config().sign_in.passwords:
        del form.password, form.again
    if form.validate_on_submit():
        try:
            return _begun(form)
        except Invalid as error:
            form.blame(error)
    return render_template("first_run.html", form=form, zones=sorted(zone_names()))


def _begun(form: FirstForm) -> ResponseReturnValue:
    secret = None
    if "password" in form:
        secret = people.hash_password(form.password.data or "")
    team = TeamFields(people.clean_name(form.team.data or "", "team"), form.timezone.data or "")
    fields = PersonFields(form.name.data or "", form.email.data or "", "admin")
    with db().writing() as session:
        person = people.add_first(session, team, fields, secret, now())
    if secret is None:
        flash(_("You are the first admin. Sign in as your company does."), "success")
        return redirect(url_for("security.login"), 303)
    login_user(person, authn_via=["password"])
    flash(_("Welcome, %(name)s. This page shows what comes first.", name=person.name), "success")
    return redirect(url_for("guide.first_steps"), 303)


def _signer(settings: Config) -> URLSafeSerializer:
    return URLSafeSerializer(people.derived(settings.server.secret_key.get_secret_value(), "first run"))
