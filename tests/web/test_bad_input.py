"""Every text of the corpus in the fields of signing in, of settings, people and teams: kept, or refused, never a fault."""

import itertools
from collections.abc import Callable

from flask import Flask

from tests import corpus
from tests.make import PASSWORD
from tests.visitor import Visitor

FORM = 64 * 1024
numbers = itertools.count()


def posted(visitor: Visitor, path: str, fields: dict[str, str]) -> int:
    data = {name: text.encode("utf-8", "surrogatepass") for name, text in fields.items()}
    return visitor.submit(path, data).status_code


def texts() -> list[tuple[str, str]]:
    """Those that fit into a form; the others never reach a field (413)."""
    return [(name, text) for name, text in corpus.texts().items() if len(text) < FORM // 8]


def test_no_text_in_a_form_about_people_is_a_fault(client_of: Callable[[str], Visitor]) -> None:
    ana, ada = client_of("ana"), client_of("ada")
    for name, text in texts():
        number = next(numbers)
        doors = [
            (ana, "/me", {"name": text, "alias": text, "visibility": "alias", "locale": "", "theme": ""}),
            (
                ana,
                "/me",
                {"name": "Ana", "visibility": text, "timezone": text, "locale": text, "away_from": text},
            ),
            (
                ada,
                "/admin/people/new",
                {"name": text, "email": f"p{number}@example.com", "team": "care", "role": "member"},
            ),
            (
                ada,
                "/admin/people/new",
                {"name": "Zoe", "email": text, "team": text, "role": text, "joined_on": text},
            ),
            (
                ada,
                "/admin/teams/new",
                {"name": text, "timezone": "UTC", "accepts": "lead", "closes_at": text},
            ),
            (ada, "/admin/teams/care/leads", {"person": text, "do": text}),
        ]
        for client, path, fields in doors:
            assert posted(client, path, fields) in (200, 302, 303, 400), (name, path)
        for path in ("/admin/people", "/people"):
            query = {"name": text.encode("utf-8", "surrogatepass"), "team": text, "after": text}
            assert (
                ada.get(path, query_string={k: v for k, v in query.items() if _plain(v)}).status_code == 200
            ), (name, path)
    for path in ("/me", "/people", "/admin/people", "/admin/people.csv", "/admin/teams"):
        assert ada.get(path).status_code == 200, f"{path} shows what was kept"
    kept = ada.get("/admin/people?name=script").text
    assert "&lt;script&gt;" in kept, "what was kept is shown as it was typed"
    assert "<script>alert" not in kept


def _plain(value: str | bytes) -> bool:
    return isinstance(value, bytes) or not any("\ud800" <= sign <= "\udfff" for sign in value)


def test_no_text_in_a_form_about_signing_in_is_a_fault(app: Flask) -> None:
    for name, text in texts():
        visitor = Visitor(app, app.response_class)
        doors = [
            ("/sign-in", {"email": text, "password": PASSWORD}),
            ("/sign-in", {"email": "not an address", "password": text}),
            ("/sign-in/forgot", {"email": text}),
            ("/sign-in/code", {"code": text}),
            ("/sign-in/recovery", {"code": text}),
            ("/sign-in/passkey", {"identity": text, "remember": text}),
            ("/appearance", {"theme": text, "back": text}),
        ]
        for path, fields in doors:
            assert posted(visitor, path, fields) in (200, 302, 303, 400, 429), (name, path)
