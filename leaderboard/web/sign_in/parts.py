"""Flask-Security's parts with our bounds: forms, passwords, codes, passkeys, letters."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask, current_app, session
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_limiter.util import get_remote_address
from flask_security import LoginForm, MailUtil, PasswordUtil, Totp, WebauthnUtil
from flask_security.forms import (
    ChangePasswordForm,
    ForgotPasswordForm,
    ResetPasswordForm,
    TwoFactorVerifyCodeForm,
    VerifyForm,
)
from flask_security.recovery_codes import MfRecoveryForm
from flask_security.webauthn import WebAuthnDeleteForm, WebAuthnRegisterForm
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from leaderboard import people
from leaderboard.announcements.mail import NotSent, send_mail
from leaderboard.config import Config
from leaderboard.plugin import Invalid
from leaderboard.tables import Person
from leaderboard.web import config

log = logging.getLogger(__name__)

LATER = 1.0
"""Seconds before a letter goes out: sending beside an answer that is still being made would slow that answer down."""


class Passwords(PasswordUtil):
    """At least 10 characters, at most 1,024 bytes: hashing more would be work for whoever sends much."""

    def validate(self, password: str, is_register: bool, **about: Any) -> tuple[list[str] | None, str]:
        if too_long(password):
            return [_("A password has at most 1,000 characters.")], password
        problems, normal = super().validate(password, is_register, **about)
        return problems, normal


def password_problems(password: str) -> list[str]:
    """Why this cannot be a password; empty where it can."""
    problems, _normal = current_app.extensions["security"].password_util.validate(password, False)
    return [str(problem) for problem in problems or ()]


def too_long(password: str) -> bool:
    return len(password.encode("utf-8", "surrogatepass")) > people.MAX_PASSWORD_BYTES or "\0" in password


class Codes(Totp):
    """Six digits from an app. Each works once."""

    def get_last_counter(self, user: Person) -> int | None:  # type: ignore[override]
        return user.tf_last_counter

    def set_last_counter(self, user: Person, tmatch: Any) -> None:  # type: ignore[override]
        user.tf_last_counter = tmatch.counter
        current_app.extensions["security"].datastore.put(user)


class Passkeys(WebauthnUtil):
    """A passkey is both factors in one: the device knows whom it signs in, and asks for a finger, face or PIN."""

    def authenticator_selection(self, user: Any, usage: str) -> AuthenticatorSelectionCriteria:
        return AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        )

    def user_verification(self, user: Any, usage: list[str]) -> UserVerificationRequirement:
        return UserVerificationRequirement.REQUIRED


class Letters(MailUtil):
    """Addresses as `people` writes them; letters go out after the answer, whose time so tells nobody who is known here."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self._post = ThreadPoolExecutor(4, thread_name_prefix="sign-in-mail")

    def normalize(self, email: str) -> str:
        try:
            return people.normal_email(email)
        except Invalid as error:
            raise ValueError(error.message) from None

    validate = normalize

    def send_mail(
        self,
        template: str,
        subject: str,
        recipient: Any,
        sender: Any,
        body: str | None,
        html: str | None,
        **about: Any,
    ) -> None:
        if config().mail.server:
            self._post.submit(_send, config(), str(recipient), str(subject), body or "")


def _send(settings: Config, to: str, subject: str, text: str) -> None:
    time.sleep(LATER)
    try:
        send_mail(settings, to, subject, text)
    except NotSent as error:
        log.error("a letter about signing in was not sent: %s", error)


# --- forms --------------------------------------------------------------------------------------------------


def _name(form: Any, **labels: str) -> None:
    for name, label in labels.items():
        if name in form:
            form[name].label.text = label


class SignInForm(LoginForm):
    """E-mail address and password."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.password.description = ""
        _name(self, email=_("E-mail address"), password=_("Password"))

    def validate(self, **given: Any) -> bool:
        if not config().sign_in.passwords:
            self.form_errors.append(_("Signing in with a password is switched off here."))
            return False
        if too_long(self.password.data or ""):
            self.form_errors.append(str(AUTHENTICATION_FAILED))
            return False
        return bool(super().validate(**given))


AUTHENTICATION_FAILED = _l("The address or the password is not right.")


class ForgotForm(ForgotPasswordForm):
    """Takes the same time whether somebody has this address or not: for strangers Flask-Security hashes, for others we do."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        _name(self, email=_("E-mail address"))

    def validate(self, **given: Any) -> bool:
        known = bool(super().validate(**given))
        if known:
            people.hash_password("as long as for a stranger")
        return known


class ResetForm(ResetPasswordForm):
    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        _name(self, password=_("New password"), password_confirm=_("New password, once more"))


class ChangeForm(ChangePasswordForm):
    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        _name(
            self,
            password=_("Present password"),
            new_password=_("New password"),
            new_password_confirm=_("New password, once more"),
        )


class ConfirmForm(VerifyForm):
    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        _name(self, password=_("Password"))


class CodeForm(TwoFactorVerifyCodeForm):
    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        _name(self, code=_("Code from your app"))


class RecoveryForm(MfRecoveryForm):
    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        _name(self, code=_("Recovery code"))


class PasskeyForm(WebAuthnRegisterForm):
    """A passkey is always enough by itself."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        _name(self, name=_("What you call this device"))

    def validate(self, **given: Any) -> bool:
        self.usage.data = "first"
        return bool(super().validate(**given))


class RemovePasskeyForm(WebAuthnDeleteForm):
    """Its errors travel in the session, which takes plain texts only."""

    def validate(self, **given: Any) -> bool:
        right = bool(super().validate(**given))
        self.name.errors = [str(error) for error in self.name.errors]
        return right


def second_factor_of() -> str:
    """Whose second factor is being guessed at: the person who gave the right password, or else whoever asks."""
    return str(session.get("tf_user_id") or get_remote_address())
