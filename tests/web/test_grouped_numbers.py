"""A number that may pass 999 is written as the reader's language writes it: 1,234 here, 1.234 in German.

That no page has a number of another kind is looked for where pages are walked in German (test_german.py).
"""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from flask_babel import ngettext
from jinja2 import pass_context
from jinja2.runtime import Context

from leaderboard.languages import grouped, speaking
from leaderboard.people import Shown

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

NUMBERED = r"(?:[Ww]oche|Fassung|Zustellung|Nummer|·) ⟦"
"""What is counted through and not counted up has its number as it is: weeks, versions of the rules, deliveries; years."""


class Read(HTMLParser):
    """What is read of a page: its words, and the names of what has none."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.numbered = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        named = ("aria-label", "title", "placeholder", "alt")
        self.found += [values[name] or "" for name in named if name in values]
        self.numbered = (
            values.get("class") == "plot-text"  # the weeks below a chart
            or (values.get("href") or "").startswith("/admin/deliveries/")
        )

    def handle_data(self, data: str) -> None:
        if not self.numbered:
            self.found.append(data)


def bare_numbers(page: str) -> list[str]:
    """The words around each number that a template wrote as it is, once mark_what_is_bare() has been at work."""
    read = Read()
    read.feed(page)
    text = re.sub(NUMBERED, "", " ".join(" ".join(read.found).split()))
    return [text[max(0, found.start() - 30) : found.end() + 20] for found in re.finditer(r"⟦-?\d+⟧", text)]


def mark_what_is_bare(app: Flask) -> None:
    """Every whole number that a template of this app prints as it is, alone or in a text, comes in ⟦⟧."""
    app.jinja_env.bytecode_cache = None  # what is compiled here is of no use to other tests' apps
    app.jinja_env.cache.clear()
    app.jinja_env.finalize = marked
    for name in ("gettext", "ngettext", "_"):
        app.jinja_env.globals[name] = saying(app.jinja_env.globals[name])


def marked(value: Any) -> Any:
    return f"⟦{value}⟧" if type(value) is int else value


def saying(said: Any) -> Any:
    @pass_context
    def say(context: Context, *texts: Any, **blanks: Any) -> Any:
        return said(context, *texts, **{name: marked(value) for name, value in blanks.items()})

    return say


@sqlite
def test_a_number_that_is_printed_as_it_is_is_found(app: Flask) -> None:
    mark_what_is_bare(app)
    page = """<p title="{{ n }}">{{ n }} of {{ n | grouped }}</p><i data-n="{{ n }}">{{ _("About %(names)s", names=n) }}</i>
    <p>Woche {{ n }} · {{ n }}</p><text class="plot-text">{{ n }}</text><a href="/admin/deliveries/7">{{ n }}</a>"""
    with app.test_request_context():
        assert len(bare_numbers(app.jinja_env.from_string(page).render(n=7))) == 3  # title, words, blank


@sqlite
@pytest.mark.parametrize(("language", "written"), [("en", "1,234"), ("de", "1.234")])
def test_a_count_is_written_in_the_readers_language(app: Flask, language: str, written: str) -> None:
    counted = """{% import "components.html" as c %}{{ c.points_word(1234) }}|{{ c.stat("", 1234) }}|
    {{ c.standing_row({"rank": 1234, "points": 1234, "movement": -1234, "person": ana}) }}"""
    with app.test_request_context(headers={"Accept-Language": language}):
        page = app.jinja_env.from_string(counted).render(ana=Shown("Ana"))
        assert (page.count(written), page.count("1234")) == (5, 0)
    with speaking(language):
        assert ngettext("%(num)s point", "%(num)s points", 1234).startswith(written + " ")


def test_a_number_is_grouped_where_nobody_speaks_a_language() -> None:
    assert [grouped(number) for number in (999, 1000, -1000, 50_000)] == ["999", "1,000", "-1,000", "50,000"]
