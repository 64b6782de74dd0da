"""The languages we have texts in, and speaking one of them where no page decides it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.numbers import format_decimal
from flask import Flask, has_app_context
from flask_babel import Babel, Domain, force_locale, get_locale

from leaderboard.config import TRANSLATIONS


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """English, and what lies compiled in translations/."""
    return ("en", *sorted(file.parent.parent.name for file in TRANSLATIONS.glob("*/LC_MESSAGES/messages.mo")))


def grouped(number: int) -> str:
    """A number to read, as "4,579"; "4.579" in German. Where nobody speaks a language, as in a command, in English."""
    return str(number) if -1000 < number < 1000 else format_decimal(number, locale=get_locale() or "en")


class Counting(Domain):  # type: ignore[misc]  # Flask-Babel has no types
    """Our texts. One that counts writes its count to be read, as "1,234 points", wherever it is said."""

    def __init__(self) -> None:
        super().__init__()
        self._catalogues: dict[Locale | None, Any] = {}

    def get_translations(self) -> Any:
        """Those of the language that is spoken. Flask-Babel looks for them by its name, which it writes anew for every text."""
        spoken = get_locale()
        if spoken not in self._catalogues:
            self._catalogues[spoken] = super().get_translations()
        return self._catalogues[spoken]

    def ngettext(self, singular: str, plural: str, num: int, **variables: object) -> str:
        said = str(self.get_translations().ngettext(singular, plural, num))
        return said % {"num": grouped(num), **variables}


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
    babel = Babel(app, default_translation_directories=str(TRANSLATIONS), configure_jinja=False)
    babel.domain_instance = Counting()
    return app
