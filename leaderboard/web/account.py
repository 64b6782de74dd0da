"""/me: what people decide about themselves, and how they sign in."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_security import auth_required
from wtforms import (
    BooleanField,
    DateField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from leaderboard import people
from leaderboard.languages import languages
from leaderboard.people import MAX_NAME, Settings
from leaderboard.people.pictures import MOST_BYTES
from leaderboard.plugin import Invalid
from leaderboard.tables import Person
from leaderboard.web import config, db, now
from leaderboard.web.access import me
from leaderboard.web.forms import Form, options, stripped
from leaderboard.weeks import zone_names

blueprint = Blueprint("account", __name__)

LANGUAGE_NAMES = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français"}


class SettingsForm(Form):
    name = StringField(_l("Name"), [InputRequired(), Length(max=MAX_NAME)], filters=[stripped])
    visibility = RadioField(
        _l("Who sees you on boards"),
        choices=options(
            ("on", _l("Everybody here, by my name")),
            ("alias", _l("Everybody here, by my alias")),
            ("team", _l("Only my team")),
            ("off", _l("Nobody: I am not ranked")),
        ),
        description=_l("You always see all of your own stories and points."),
    )
    alias = StringField(_l("Alias"), [Optional(), Length(max=MAX_NAME)], filters=[stripped])
    on_screens = BooleanField(
        _l("Show me on screens in the office, too"),
        description=_l(
            "Stories about you, and your place in the week, for whoever passes by. Only if everybody here may see you."
        ),
    )
    timezone = StringField(
        _l("Time zone"),
        [Optional(), Length(max=60)],
        filters=[stripped],
        description=_l("For the times that you see. Empty: your team's."),
    )
    locale = SelectField(_l("Language"), validate_choice=True)
    theme = SelectField(
        _l("Appearance"),
        choices=options(("", _l("As my device")), ("light", _l("Light")), ("dark", _l("Dark"))),
    )
    away_from = DateField(
        _l("Away from"), [Optional()], description=_l("While you are away you are not ranked.")
    )
    away_until = DateField(_l("Away until, the last day"), [Optional()])


class TokenForm(Form):
    name = StringField(_l("What it is for"), [InputRequired(), Length(max=MAX_NAME)], filters=[stripped])
    scopes = SelectMultipleField(
        _l("What it may do"),
        choices=options(("read", _l("read")), ("write", _l("write")), ("admin", _l("administer"))),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    days = IntegerField(_l("Days until it ends"), [InputRequired(), NumberRange(1, 3650)], default=90)


@blueprint.route("/me", methods=["GET", "POST"])
def settings() -> ResponseReturnValue:
    """Name, visibility, zone, language, appearance, days away."""
    person = me()
    form = SettingsForm(obj=person)
    form.locale.choices = options(
        ("", _("As my browser")), *((code, LANGUAGE_NAMES.get(code, code)) for code in languages())
    )
    if form.validate_on_submit():
        wanted = Settings(
            name=form.name.data or "",
            alias=form.alias.data or None,
            visibility=form.visibility.data,
            on_screens=form.on_screens.data,
            timezone=form.timezone.data or None,
            locale=form.locale.data or None,
            theme=form.theme.data or None,
            away_from=form.away_from.data,
            away_until=form.away_until.data,
        )
        try:
            with db().writing() as work:
                people.change_settings(work, work.get_one(Person, person.id), wanted, now())
        except Invalid as error:
            form.blame(error)
        else:
            flash(_("Your settings are kept."), "success")
            answer = redirect(url_for(".settings"), 303)
            answer.delete_cookie("theme")  # the choice made here holds in this browser too
            return answer
    return render_template(
        "me.html", form=form, zones=sorted(zone_names()), person=person, most_kb=MOST_BYTES // 1024
    )


@blueprint.post("/me/picture")
def picture() -> ResponseReturnValue:
    """Show the picture that was sent beside one's name."""
    file = request.files.get("picture")
    try:
        with db().writing() as work:
            people.keep_picture(work, work.get_one(Person, me().id), file.read() if file else b"", now())
    except Invalid as error:
        flash(error.message, "danger")
    else:
        flash(_("Your picture is kept."), "success")
    return redirect(url_for(".settings"), 303)


@blueprint.post("/me/picture/remove")
def remove_picture() -> ResponseReturnValue:
    """Back to initials."""
    with db().writing() as work:
        people.remove_picture(work, work.get_one(Person, me().id), now())
    flash(_("Your picture is removed."), "success")
    return redirect(url_for(".settings"), 303)


@blueprint.get("/me/security")
def security() -> ResponseReturnValue:
    """Password, second factor, recovery codes, passkeys, tokens, signing out everywhere."""
    return _security(_token_form(me()))


@blueprint.post("/me/tokens")
@auth_required("session", within=60, grace=15)
def create_token() -> ResponseReturnValue:
    """A new API token, shown once."""
    person = me()
    form = _token_form(person)
    if not form.validate_on_submit():
        return _security(form)
    try:
        with db().writing() as work:
            token = people.token_create(
                work,
                work.get_one(Person, person.id),
                form.scopes.data or [],
                form.days.data,
                now(),
                form.name.data or "",
            )
    except Invalid as error:
        form.blame(error)
        return _security(form)
    return _security(_token_form(person, fresh=True), token)


@blueprint.post("/me/tokens/<int:token_id>/revoke")
def revoke_token(token_id: int) -> ResponseReturnValue:
    """End one of one's own tokens."""
    with db().writing() as work:
        people.token_revoke(work, me(), token_id, now())
    flash(_("The token is ended."), "success")
    return redirect(url_for(".security"), 303)


@blueprint.post("/me/sign-out-everywhere")
def sign_out_everywhere() -> ResponseReturnValue:
    """End all sessions and tokens, this one too."""
    with db().writing() as work:
        people.end_sessions(work, work.get_one(Person, me().id))
    flash(_("You are signed out everywhere."), "success")
    return redirect(url_for("security.login"), 303)


def _token_form(person: Person, fresh: bool = False) -> TokenForm:
    form = TokenForm(formdata=None) if fresh else TokenForm()
    if person.role != "admin":
        form.scopes.choices = options(("read", _("read")), ("write", _("write")))
    return form


def _security(form: TokenForm, new_token: str | None = None) -> ResponseReturnValue:
    person = me()
    with db().reading() as work:
        tokens = people.tokens_of(work, person, now())
    return render_template(
        "me_security.html",
        form=form,
        person=person,
        passkeys=sorted(person.webauthn, key=lambda passkey: passkey.id or 0),
        codes=len(person.mf_recovery_codes or []),
        tokens=tokens,
        new_token=new_token,
        ways=config().sign_in,
    )
