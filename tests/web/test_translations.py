"""A language that somebody adds is complete, and every page speaks it: nothing that people read stays English."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from sqlalchemy import select
from sqlmodel import SQLModel

from leaderboard import languages
from leaderboard.database import Database
from leaderboard.web.guide import guides
from tests.test_tree import ROOT
from tests.web.world import World, world

__all__ = ["world"]

KEYWORDS = {**DEFAULT_KEYWORDS, "N_": None, "_l": None}
BLANK = re.compile(r"%\(\w+\)s|%s")

NOT_LOOKED_AT = {
    "/api/v1/docs": "made of openapi.json, which is English",
    "/styleguide": "made-up people and their words",
    "/admin/connect": "names of tools and what their guides say, which are English and marked so",
    "/admin/connect/standard": "the guide, which is English and marked so",
}
MONTHS, DAYS = Locale("de").months["format"], Locale("de").days["format"]
NAMES = {"Standard", "Webhooks", "SQLite", *MONTHS["wide"].values()} | {
    short.rstrip(".") for names in (MONTHS, DAYS) for short in names["abbreviated"].values()
}

Text = str | tuple[str, str]


@pytest.fixture(scope="module")
def texts() -> set[Text]:
    """All that translators get; a tuple for a text with a plural."""
    found: set[Text] = set()
    with (ROOT / "babel.cfg").open() as file:
        methods, _options = parse_mapping_cfg(file)
    for folder in ("leaderboard", "templates"):
        here = [
            (pattern.removeprefix(f"{folder}/"), how)
            for pattern, how in methods
            if pattern.startswith(folder)
        ]
        for _file, _line, text, _comments, _context in extract_from_dir(
            str(ROOT / folder), here, keywords=KEYWORDS
        ):
            found.add((text[0], text[1]) if isinstance(text, tuple) else text)
    return found


def wrong_in(catalog: Catalog, texts: set[Text]) -> list[str]:
    """What a catalogue lacks: a text without a translation, one that is in doubt, or one whose blanks are others."""
    said = {message.id: message for message in catalog if message.id}
    wrong = []
    for text in texts:
        message = said.get(text)
        forms = (
            [] if message is None else [message.string] if isinstance(message.string, str) else message.string
        )
        blanks = set(BLANK.findall(text if isinstance(text, str) else text[1]))
        if message is None or message.fuzzy or not forms or not all(forms):
            wrong.append(f"not translated: {text}")
        elif any(set(BLANK.findall(form)) - blanks for form in forms):
            wrong.append(f"other blanks: {text}")
    return wrong


def test_every_language_is_complete(texts: set[Text]) -> None:
    assert len(texts) > 1000
    files = sorted((ROOT / "leaderboard" / "translations").glob("*/LC_MESSAGES/messages.po"))
    assert [file.parent.parent.name for file in files] == ["de"]
    for file in files:
        assert wrong_in(read_po(BytesIO(file.read_bytes())), texts) == [], (
            f"./dev translations, then mend {file}"
        )


def test_what_a_catalogue_lacks_is_found() -> None:
    texts: set[Text] = {"Yes", "Hello %(name)s", ("%(num)s point", "%(num)s points"), "In doubt"}
    catalog = Catalog("de")
    catalog.add("Yes", "Ja")
    catalog.add("Hello %(name)s", "Hallo %(nmae)s")
    catalog.add(("%(num)s point", "%(num)s points"), ("%(num)s Punkt", ""))
    catalog.add("In doubt", "Im Zweifel", flags={"fuzzy"})
    assert sorted(wrong_in(catalog, texts)) == [
        "not translated: ('%(num)s point', '%(num)s points')",
        "not translated: In doubt",
        "other blanks: Hello %(name)s",
    ]


# --- every page in a language that marks what it has translated ----------------------------------------------


class Words(HTMLParser):
    """What people read on a page, but what says that it is English."""

    SILENT = ("code", "pre", "script", "style", "option", "time")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.silent: list[str] = []
        """The tags that say nothing here, and those inside them of the same name."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = bool(self.silent)
        if tag in self.SILENT or (tag != "html" and ("lang", "en") in attrs) or tag in self.silent:
            self.silent.append(tag)
        if not inside and tag != "time":
            self.found += [
                value
                for name, value in attrs
                if value and name in ("alt", "aria-label", "placeholder", "title")
            ]

    def handle_endtag(self, tag: str) -> None:
        if self.silent and self.silent[-1] == tag:
            self.silent.pop()

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.found.append(data)


@pytest.fixture
def marked(
    world: World, texts: set[Text], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """The world in a German in which every text stands between ‹ and ›, so that what was not translated can be seen."""
    catalog = Catalog("de")
    for text in texts:
        catalog.add(text, f"‹{text}›" if isinstance(text, str) else tuple(f"‹{form}›" for form in text))
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "messages.mo").open("wb") as file:
        write_mo(file, catalog)
    monkeypatch.setattr(languages, "TRANSLATIONS", tmp_path)
    languages.languages.cache_clear()
    world.app.extensions["babel"].translation_directories[:] = [str(tmp_path)]
    yield world
    monkeypatch.undo()
    languages.languages.cache_clear()


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]*[a-z]{2,}[A-Za-z]*", text))


def stored(db: Database) -> set[str]:
    """Every word in the database: people and tools wrote it in their own language."""
    with db.reading() as session:
        connection = session.connection()
        rows = [row for table in SQLModel.metadata.sorted_tables for row in connection.execute(select(table))]
    return words_of("\n".join(str(value) for row in rows for value in row))


def unmarked(page: str) -> list[str]:
    """The texts of a page that look like English and stand outside the marks."""
    parser = Words()
    parser.feed(page)
    text = "\n".join(parser.found)
    while text != (bare := re.sub(r"‹[^‹›]*›", "", text)):
        text = bare
    return [line for line in text.splitlines() if words_of(line)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_on_any_page_stays_english(marked: World, db: Database) -> None:
    known = stored(db) | NAMES | {word for guide in guides() for word in words_of(guide.title)}
    english: dict[str, str] = {}
    for handle in (None, "ana", "ada"):
        for _rule, path in marked.routes("GET"):
            answer = marked.get(handle, path, headers={"Accept-Language": "de"})
            if answer.status_code == 200 and answer.mimetype == "text/html" and path not in NOT_LOOKED_AT:
                english |= {text: path for text in unmarked(answer.text) if words_of(text) - known}
    assert english == {}
