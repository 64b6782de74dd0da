"""Which language a page speaks: the one that its reader chose, else the one that their browser asks for."""

from collections.abc import Callable

import pytest
from flask import Flask

import hatch_build
from leaderboard.database import Database
from leaderboard.languages import languages
from tests.make import Company
from tests.test_tree import ROOT
from tests.visitor import Visitor
from tests.web.conftest import Call
from tests.web.test_home import change

Client = Callable[[str], Visitor]


@pytest.fixture(autouse=True)
def german() -> None:
    """The German of this checkout, compiled."""
    hatch_build.compile_translations(ROOT)
    languages.cache_clear()


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("de", "de"),
        ("de-AT, en;q=0.8", "de"),
        ("en-GB, de;q=0.5", "en"),
        ("fr, de;q=0.3", "de"),
        ("DE;q=0.2, en;q=0", "de"),
        ("de_DE", "en"),
        ("", "en"),
        ("*", "en"),
    ],
)
def test_who_is_not_signed_in_is_spoken_to_as_their_browser_asks(
    visitor: Visitor, asked: str, spoken: str
) -> None:
    page = visitor.get("/sign-in", headers={"Accept-Language": asked}).text
    assert f'<html lang="{spoken}"' in page
    assert {"de": "Anmelden", "en": "Sign in"}[spoken] in page


def test_what_a_person_chose_wins_over_their_browser(
    client_of: Client, db: Database, company: Company
) -> None:
    change(db, company, "ana", locale="de")
    page = client_of("ana").get("/people", headers={"Accept-Language": "en"}).text
    assert '<html lang="de"' in page
    assert "Alle hier, mit ihren Geschichten" in page


def test_a_message_of_the_form_library_is_in_the_language_of_the_page(
    visitor: Visitor, client_of: Client
) -> None:
    page = client_of("ana").submit("/me", {"name": ""}, headers={"Accept-Language": "de"}).text
    assert "Dieses Feld wird benötigt." in page


@pytest.mark.parametrize(
    ("form", "english", "in_german"),
    [
        ({"password": "", "new_password": ""}, "Please write a password.", "Bitte schreib ein Passwort."),
        (
            {"new_password": "one-mile-more-today", "new_password_confirm": "one-mile-more-tomorrow"},
            "The two passwords are not the same.",
            "Die beiden Passwörter sind nicht gleich.",
        ),
    ],
)
def test_a_message_of_the_sign_in_library_is_in_our_words(
    client_of: Client, form: dict[str, str], english: str, in_german: str
) -> None:
    ana = client_of("ana")
    assert english in ana.submit("/me/password", form).text
    assert in_german in ana.submit("/me/password", form, headers={"Accept-Language": "de"}).text


def test_a_name_that_is_too_long_for_a_passkey_is_said_with_its_bound(client_of: Client) -> None:
    assert "At most 64 characters fit." in client_of("ana").submit("/me/passkeys", {"name": "x" * 65}).text


def test_the_api_speaks_english_whatever_its_owner_chose_until_a_program_asks(
    desk: Flask, db: Database, company: Company, tokens: dict[str, str], call: Call
) -> None:
    change(db, company, "ana", locale="de")
    story = {
        "nominees": ["ana@example.com"],
        "guideline": "above-and-beyond",
        "story": "She did it all. " * 8,
    }
    english = "A story is about somebody else: nobody earns by their own act."
    assert english in call("ana", "/stories", story).text
    headers = {"Authorization": f"Bearer {tokens['ana']}", "Accept-Language": "de"}
    answer = desk.test_client().post("/api/v1/stories", json=story, headers=headers)
    assert "Eine Geschichte handelt von anderen" in answer.json["detail"]
