"""The languages we have texts in, and speaking one of them where no page decides it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache

from flask import Flask, has_app_context
from flask_babel import Babel, force_locale

from leaderboard.config import TRANSLATIONS


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """English, and what lies compiled in translations/."""
    return ("en", *sorted(file.parent.parent.name for file in TRANSLATIONS.glob("*/LC_MESSAGES/messages.mo")))


@contextmanager
def speaking(language: str | None) -> Iterator[None]:
    """Within it every text is in this language, on a page as in the clock; in English where we have no texts in it.

    For what others read than those who ask for it: announcements, a person's mail.
    """
    with ExitStack() as stack:
        if not has_app_context():  # gettext asks the app at hand for its catalogues; the clock has none
            stack.enter_context(_voice().app_context())
        stack.enter_context(force_locale(language if language in languages() else "en"))
        yield


@lru_cache(maxsize=1)
def _voice() -> Flask:
    app = Flask("leaderboard", static_folder=None)
    Babel(app, default_translation_directories=str(TRANSLATIONS), configure_jinja=False)
    return app
