"""German is complete, whole in every text, of one voice and of one word for each thing; and every page speaks it."""

import re
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

import hatch_build
from leaderboard.database import Database
from leaderboard.languages import languages
from tests.test_tree import ROOT
from tests.web.test_grouped_numbers import bare_numbers, mark_what_is_bare
from tests.web.test_translations import NAMES, NOT_LOOKED_AT, Words, stored, words_of
from tests.web.world import World, world

__all__ = ["world"]

TERMS = {
    r"stor(?:y|ies)": "Geschicht|rzähl",
    r"promises?": "ersprech|ersprich|ersproch",
    r"guidelines?": "Leitlinie",
    r"points?": "Punkt",
    r"ledger": "Punktebuch",
    r"weeks?": "woche",
    r"wall": "Pinnwand",
    r"boards?|ranking": "Rangliste",
    r"winners?": "usgezeichnet|uszeichnung|wählt",
    r"announcements?": "ekanntgabe|ekannt |nkündigung",
    r"witness(?:es)?": "ezeug|Seite|Beleg",
    r"caps?": "Obergrenze",
    r"leads?": "leitung|leite",
    r"alias": "Deckname",
    r"handle": "Kürzel",
    r"deliver(?:y|ies)": "zustellung|zugestellt",
    r"facts?": "Ereignis",
    r"sources?": "Quelle",
    r"the clock": "Uhr",
    r"second factor": r"zweite[rn]? Faktor",
    r"recovery codes?": "Wiederherstellungscode",
    r"passkeys?": "Passkey",
    r"tokens?": "Token",
}
"""An English word and what stands for it in German, as the head of the catalogue says."""
BLANKS = re.compile(r"%\(\w+\)s|</?\w+>")
QUOTED_TO_CUSTOMERS = "„Ihr Problem ist“"


@pytest.fixture(scope="module")
def german() -> Catalog:
    with (ROOT / "leaderboard/translations/de/LC_MESSAGES/messages.po").open("rb") as file:
        return read_po(file)


def pairs(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Each English text with its German one; a plural is two of them."""
    for message in catalog:
        if message.id:
            yield from zip(*(_forms(each) for each in (message.id, message.string)), strict=True)


def _forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def faults(english: str, said: str) -> Iterator[str]:
    """What is wrong with a translation, whatever it means."""
    if sorted(BLANKS.findall(english)) != sorted(BLANKS.findall(said)):
        yield "other blanks or tags"
    if (english[:1].isspace(), english[-1:].isspace()) != (said[:1].isspace(), said[-1:].isspace()):
        yield "another space at its ends"
    if english[-1:] in ".?!" and said[-1:] != english[-1:]:
        yield "another end of the sentence"
    if said.count("„") != said.count("“") or '"' in said or "..." in said or " - " in said:
        yield "signs that are not German"
    if re.search(
        r"(?<![.!?:;„]\s)(?<!^)\b(?:Sie|Ihnen|Ihre[nmrs]?|Ihr)\b", said.replace(QUOTED_TO_CUSTOMERS, "")
    ):
        yield "not as to a colleague"
    if re.search(r"\w[*:_]in(?:nen)?\b", said):
        yield "stars"
    bare = re.sub(r"%\(\w+\)s|\[\w+\]", "", english)
    for term, word in TERMS.items():
        if re.search(rf"\b(?:{term})\b", bare, re.IGNORECASE) and not re.search(word, said, re.IGNORECASE):
            yield f"another word for {term}"


def test_each_text_is_whole_and_of_one_voice(german: Catalog) -> None:
    assert [
        (fault, english, said) for english, said in pairs(german) for fault in faults(english, said)
    ] == []


@pytest.mark.parametrize(
    ("english", "said", "fault"),
    [
        ("Hello %(name)s", "Hallo", "other blanks or tags"),
        ("in <code>x</code>", "in x", "other blanks or tags"),
        (" and ", "und", "another space at its ends"),
        ("Is it you?", "Bist du es.", "another end of the sentence"),
        ("Leave “x” out", 'Lass "x" weg', "signs that are not German"),
        ("If you like", "Wenn Sie mögen", "not as to a colleague"),
        ("Colleagues", "Kolleg*innen", "stars"),
        ("A promise", "Eine Zusage", "another word for promises?"),
    ],
)
def test_a_faulty_text_is_found(english: str, said: str, fault: str) -> None:
    assert list(faults(english, said)) == [fault]


def test_sie_at_the_beginning_of_a_sentence_is_a_story_and_no_person() -> None:
    assert list(faults("It waits. It counts.", "Sie wartet. Sie zählt.")) == []


def english_left(page: str, said: dict[str, str]) -> list[str]:
    """Texts of a page that are an English text of ours whose German is another."""
    parser = Words()
    parser.feed(page)
    found = (" ".join(text.split()) for text in parser.found)
    return [text for text in found if words_of(text) and text in said and said[text] != text]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_page_in_german_has_an_english_text_or_a_bare_number_left(
    world: World, db: Database, german: Catalog
) -> None:
    hatch_build.compile_translations(ROOT)
    languages.cache_clear()
    of_people = stored(db) | NAMES
    said = {english: text for english, text in pairs(german) if not words_of(english) <= of_people}
    left, bare = {}, {}
    mark_what_is_bare(world.app)
    for handle in (None, "ana", "lea", "ada"):
        for _rule, path in world.routes("GET"):
            answer = world.get(handle, path, headers={"Accept-Language": "de-CH, de;q=0.9, en;q=0.5"})
            if answer.status_code == 200 and answer.mimetype == "text/html" and path not in NOT_LOOKED_AT:
                assert 'lang="de"' in answer.text or "<html" not in answer.text, path
                left |= dict.fromkeys(english_left(answer.text, said), path)
                bare |= dict.fromkeys(bare_numbers(answer.text), path)
    assert left == {}
    assert bare == {}


def test_an_english_text_left_on_a_page_is_found() -> None:
    page = "<h1>Weeks</h1><p>Points</p><p title='Weeks'>Wochen</p>"
    assert english_left(page, {"Weeks": "Wochen", "Points": "Punkte"}) == ["Weeks", "Points", "Weeks"]
