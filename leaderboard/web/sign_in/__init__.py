"""Signing in by Flask-Security: password, second factor, passkeys and single sign-on, on our tables and sessions."""

from datetime import timedelta
from typing import Any

from flask import Flask, request, url_for
from flask.typing import ResponseReturnValue, ResponseValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_limiter.util import get_remote_address
from flask_login import user_logged_in, user_logged_out
from flask_security import Security
from flask_security.recoverable import generate_reset_password_token
from webauthn.helpers.exceptions import WebAuthnException
from werkzeug.exceptions import BadRequest

from leaderboard import people
from leaderboard.config import Config
from leaderboard.plugin import Invalid
from leaderboard.tables import Person
from leaderboard.web import access, config, db, errors, now
from leaderboard.web.sign_in import parts, sessions
from leaderboard.web.sign_in.rows import Rows

OPEN = (
    "login",
    "logout",
    "forgot_password",
    "reset_password",
    "two_factor_token_validation",
    "two_factor_rescue",
    "tf_select",
    "mf_recovery",
    "wan_signin",
    "wan_signin_response",
)
"""Flask-Security's endpoints for people who are not signed in yet (or not any more)."""


def install(app: Flask, settings: Config) -> None:
    """Add /sign-in, /sign-out and what belongs to them."""
    app.config.update(_security_settings(settings))
    app.config.update(
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.sign_in.session_hours),
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    security = Security(
        app,
        Rows(),
        login_form=parts.SignInForm,
        forgot_password_form=parts.ForgotForm,
        reset_password_form=parts.ResetForm,
        change_password_form=parts.ChangeForm,
        verify_form=parts.ConfirmForm,
        two_factor_verify_code_form=parts.CodeForm,
        mf_recovery_form=parts.RecoveryForm,
        wan_register_form=parts.PasskeyForm,
        wan_delete_form=parts.RemovePasskeyForm,
        mail_util_cls=parts.Letters,
        password_util_cls=parts.Passwords,
        totp_cls=parts.Codes,
        webauthn_util_cls=parts.Passkeys,
    )
    app.login_manager.user_loader(sessions.signed_in)  # type: ignore[attr-defined]
    app.login_manager.request_loader(sessions.nobody)  # type: ignore[attr-defined]
    security.unauthn_handler(_unknown)
    security.want_json(_never)
    security.mail_context_processor(_for_letters)
    security.login_context_processor(_for_sign_in)
    security.forgot_password_context_processor(_for_sign_in)
    user_logged_in.connect(sessions.begin, app)
    user_logged_out.connect(sessions.end, app)
    app.before_request(sessions.check_input)
    app.register_error_handler(WebAuthnException, _not_a_passkey)
    for endpoint in OPEN:
        if view := app.view_functions.get(f"security.{endpoint}"):
            access.public(view)
    for endpoint, limits in _limits().items():
        if view := app.view_functions.get(f"security.{endpoint}"):
            vars(view)["limits"] = limits
    if settings.sign_in.oidc is not None:
        from leaderboard.web.sign_in import single_sign_on  # authlib and requests take a tenth of the start

        single_sign_on.install(app, settings.sign_in.oidc)


def _security_settings(settings: Config) -> dict[str, Any]:
    secret = settings.server.secret_key.get_secret_value()
    given = {
        "LOGIN_URL": "/sign-in",
        "LOGOUT_URL": "/sign-out",
        "LOGOUT_METHODS": ["POST"],
        "POST_LOGIN_VIEW": "/",
        "POST_LOGOUT_VIEW": "/sign-in",
        "STATIC_FOLDER": None,
        "STATIC_FOLDER_URL": None,
        "API_ENABLED_METHODS": ["session"],
        "RETURN_GENERIC_RESPONSES": True,
        "CACHE_CONTROL": None,  # ours stand on every page
        "DATETIME_FACTORY": now,
        "FRESHNESS": timedelta(hours=1),
        "FRESHNESS_GRACE_PERIOD": timedelta(minutes=15),
        "VERIFY_URL": "/me/confirm",
        "POST_VERIFY_VIEW": "/me/security",
        # passwords
        "PASSWORD_HASH": "argon2",
        "PASSWORD_SCHEMES": ["argon2"],
        # They must outlive a change of the secret key, so nothing but Argon2's own salt goes in.
        "PASSWORD_SINGLE_HASH": True,
        "PASSWORD_HASH_PASSLIB_OPTIONS": {
            "argon2__time_cost": people.hasher().time_cost,
            "argon2__memory_cost": people.hasher().memory_cost,
            "argon2__parallelism": people.hasher().parallelism,
        },
        "PASSWORD_LENGTH_MIN": people.MIN_PASSWORD,
        # What a reset link tells of the stored hash, which nobody can guess: a slow digest of it would only tell by its time
        # who is known here.
        "HASHING_SCHEMES": ["hex_sha256"],
        "CHANGEABLE": settings.sign_in.passwords,
        "CHANGE_URL": "/me/password",
        "POST_CHANGE_VIEW": "/me/security",
        "RECOVERABLE": settings.sign_in.passwords,
        "RESET_URL": "/sign-in/forgot",
        "EMAIL_HTML": False,
        # second factor
        "TWO_FACTOR": settings.sign_in.second_factor,
        "TWO_FACTOR_ENABLED_METHODS": ["authenticator"],
        "TWO_FACTOR_AUTHENTICATOR_VALIDITY": 30,
        "TWO_FACTOR_RESCUE_EMAIL": False,
        "TWO_FACTOR_SETUP_URL": "/me/second-factor",
        "TWO_FACTOR_POST_SETUP_VIEW": "/me/security",
        "TWO_FACTOR_TOKEN_VALIDATION_URL": "/sign-in/code",
        "TWO_FACTOR_RESCUE_URL": "/sign-in/help",
        "TWO_FACTOR_SELECT_URL": "/sign-in/choose",
        "TOTP_SECRETS": {"1": people.derived(secret, "second factor")},
        "TOTP_ISSUER": "Extra Mile",
        "MULTI_FACTOR_RECOVERY_CODES": settings.sign_in.second_factor,
        "MULTI_FACTOR_RECOVERY_CODES_N": 8,
        "MULTI_FACTOR_RECOVERY_CODES_KEYS": [people.derived(secret, "recovery codes")],
        "MULTI_FACTOR_RECOVERY_CODES_URL": "/me/recovery-codes",
        "MULTI_FACTOR_RECOVERY_URL": "/sign-in/recovery",
        # passkeys
        "WEBAUTHN": settings.sign_in.passkeys,
        "WAN_RP_NAME": "Extra Mile",
        "WAN_ALLOW_AS_FIRST_FACTOR": True,
        "WAN_ALLOW_USER_HINTS": False,  # hints would tell who is known here
        "WAN_REGISTER_URL": "/me/passkeys",
        "WAN_POST_REGISTER_VIEW": "/me/security",
        "WAN_DELETE_URL": "/me/passkeys/remove",
        "WAN_SIGNIN_URL": "/sign-in/passkey",
        "WAN_VERIFY_URL": "/me/confirm/passkey",
        # words
        "MSG_GENERIC_AUTHN_FAILED": (parts.AUTHENTICATION_FAILED, "error"),
        "MSG_PASSWORD_RESET_REQUEST": (
            _l("If somebody here has this address, a letter with a link is on its way to it."),
            "info",
        ),
        "MSG_PASSWORD_RESET_NO_LOGIN": (_l("Your new password holds. Sign in with it."), "success"),
        "MSG_PASSWORD_RESET_EXPIRED": (_l("The link has expired. Ask for a new one."), "error"),
        "MSG_INVALID_RESET_PASSWORD_TOKEN": (
            _l("The link is not valid any more. Ask for a new one."),
            "error",
        ),
        "MSG_PASSWORD_CHANGE": (_l("Your new password holds. Other devices are signed out."), "success"),
        "MSG_PASSWORD_INVALID_LENGTH": (_l("A password has at least %(length)s characters."), "error"),
        "MSG_INVALID_CODE": (_l("This code is not right. Wait for the next one and try it."), "error"),
        "MSG_TWO_FACTOR_INVALID_TOKEN": (_l("This code was not right. Begin again, please."), "error"),
        "MSG_INVALID_RECOVERY_CODE": (_l("This recovery code is not one of yours, or was used."), "error"),
        "MSG_TWO_FACTOR_CHANGE_METHOD_SUCCESSFUL": (
            _l("Your second factor is on. Now keep recovery codes in a safe place."),
            "success",
        ),
        "MSG_TWO_FACTOR_LOGIN_SUCCESSFUL": (_l("Welcome back."), "success"),
        "MSG_TWO_FACTOR_DISABLED": (_l("Your second factor is off."), "info"),
        "MSG_TWO_FACTOR_PERMISSION_DENIED": (_l("Please sign in again."), "error"),
        "MSG_REAUTHENTICATION_REQUIRED": (_l("Please confirm first that it is you."), "info"),
        "MSG_REAUTHENTICATION_SUCCESSFUL": (_l("Thank you."), "info"),
        "MSG_WEBAUTHN_REGISTER_SUCCESSFUL": (_l("The passkey “%(name)s” is ready."), "success"),
        "MSG_WEBAUTHN_CREDENTIAL_DELETED": (_l("The passkey “%(name)s” is gone."), "info"),
        "MSG_WEBAUTHN_UNKNOWN_CREDENTIAL_ID": (_l("This passkey is not known here."), "error"),
        "MSG_PASSWORD_NOT_PROVIDED": (_l("Please write a password."), "error"),
        "MSG_INVALID_PASSWORD": (_l("The present password is not right."), "error"),
        "MSG_RETYPE_PASSWORD_MISMATCH": (_l("The two passwords are not the same."), "error"),
        "MSG_PASSWORD_IS_THE_SAME": (_l("That is the password you have. Choose another one."), "error"),
        "MSG_INVALID_INPUT_LENGTH": (_l("At most %(length)s characters fit."), "error"),
        "MSG_TWO_FACTOR_SETUP_EXPIRED": (_l("That took too long. Begin again, please."), "error"),
        "MSG_TWO_FACTOR_METHOD_NOT_AVAILABLE": (_l("Choose one of the ways in the list."), "error"),
        "MSG_WEBAUTHN_EXPIRED": (_l("That took too long. Begin again, please."), "error"),
        "MSG_WEBAUTHN_NAME_REQUIRED": (_l("Give the device a name."), "error"),
        "MSG_WEBAUTHN_NAME_INUSE": (_l("You have a passkey “%(name)s” already."), "error"),
        "MSG_WEBAUTHN_NAME_NOT_FOUND": (_l("You have no passkey “%(name)s”."), "error"),
        "MSG_WEBAUTHN_NAME_DISALLOWED_CHARACTERS": (
            _l("A name of a device has letters, digits and simple signs."),
            "error",
        ),
        "MSG_WEBAUTHN_CREDENTIAL_ID_INUSE": (_l("This passkey is known here already."), "error"),
        "MSG_WEBAUTHN_ORPHAN_CREDENTIAL_ID": (_l("This passkey is not known here."), "error"),
        "MSG_WEBAUTHN_MISMATCH_USER_HANDLE": (_l("This passkey is not known here."), "error"),
        "MSG_WEBAUTHN_CREDENTIAL_WRONG_USAGE": (_l("This passkey cannot be used for that."), "error"),
        "MSG_WEBAUTHN_NO_VERIFY": (
            _l("Your device's answer could not be confirmed. Try it once more."),
            "error",
        ),
        "EMAIL_SUBJECT_PASSWORD_RESET": _l("A new password for Extra Mile"),
        "EMAIL_SUBJECT_PASSWORD_NOTICE": _l("Your password for Extra Mile was changed"),
        "EMAIL_SUBJECT_PASSWORD_CHANGE_NOTICE": _l("Your password for Extra Mile was changed"),
    }
    return {f"SECURITY_{name}": value for name, value in given.items()}


# --- limits against guessing ----------------------------------------------------------------------------------


def _limits() -> dict[str, list[Any]]:
    """How often, counted by what, and which answers count.

    By account against guesses from many addresses; by address against guesses at many accounts.
    """
    guess = ("60 per 15 minutes", get_remote_address, _failed)
    code = ("10 per 15 minutes", parts.second_factor_of, None)
    own = ("10 per 15 minutes", _own, None)
    return {
        "login": [("20 per 15 minutes", _account, None), guess],
        "forgot_password": [("5 per hour", _account, None), ("30 per hour", get_remote_address, None)],
        "reset_password": [("30 per hour", get_remote_address, None)],
        "two_factor_token_validation": [code],
        "mf_recovery": [code],
        "wan_signin_response": [guess],
        "verify": [own],
        "change_password": [own],
        "two_factor_setup_validate": [own],
    }


def _account() -> str:
    """The address that is being guessed at, spelled one way (hashed: whoever reads the store learns no address)."""
    try:
        return people.sha256(people.normal_email(request.form.get("email", "")))
    except Invalid:
        return "none"


def _own() -> str:
    return str(access.me().id)


def _failed(response: Any) -> bool:
    return bool(response.status_code != 302)


# --- what Flask-Security asks of us ---------------------------------------------------------------------------


def _unknown(mechanisms: list[str] | None = None, headers: dict[str, str] | None = None) -> ResponseValue:
    """What to answer somebody who is not signed in."""
    return access.to_sign_in()


def _never(_: Any) -> bool:
    """Its JSON twins of every page are not offered."""
    return False


def _not_a_passkey(error: WebAuthnException) -> ResponseReturnValue:
    """What a browser sent as a passkey is none."""
    return errors.answer(
        BadRequest(), _("The browser's answer was no passkey. Go back and try it once more.")
    )


def _for_letters() -> dict[str, Any]:
    """Addresses in letters come from the config: the Host header is whatever the asking browser says."""
    return {"public_url": config().public_url}


def _for_sign_in() -> dict[str, Any]:
    settings = config()
    with db().reading() as work:
        empty = people.nobody_here(work)
    return {
        "ways": settings.sign_in,
        "company_name": settings.server.company,
        "letters": bool(settings.mail.server),
        "empty": empty,
    }


def link_to_set_password(person: Person) -> str:
    """A link with which this person, once and within a day, sets a password."""
    token = generate_reset_password_token(person)  # type: ignore[no-untyped-call]
    return config().public_url + url_for("security.reset_password", token=token)
