"""Every fault is a page that says what to do, with a number to pass on; programs get JSON."""

import io
import logging
import re
from collections.abc import Callable

import pytest
from flask import Flask, abort
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import TooManyRequests

from leaderboard.database import Unavailable
from leaderboard.plugin import Invalid
from leaderboard.web import errors
from leaderboard.web.access import public
from tests.visitor import Visitor


@pytest.fixture
def broken(app: Flask) -> Flask:
    """Routes that fail in every way."""

    @public
    def fail(code: int) -> ResponseReturnValue:
        if code == 429:
            raise TooManyRequests(retry_after=60)
        if code == 500:
            raise ZeroDivisionError("a secret detail")
        if code == 503:
            raise Unavailable("disk full at /var/lib/secret")
        abort(code)

    @public
    def wrong() -> ResponseReturnValue:
        raise Invalid("Write the day as 2026-11-20.")

    app.add_url_rule("/fail/<int:code>", "fail", fail)
    app.add_url_rule("/api/v1/fail/<int:code>", "fail_api", fail)
    app.add_url_rule("/hooks/fail/<int:code>", "fail_hook", fail)
    app.add_url_rule("/wrong", "wrong", wrong)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


def reference(page: str) -> str:
    match = re.search(r"<code>([0-9a-f]{8})</code>", page)
    assert match, "a page about a fault has a reference number"
    return match[1]


@pytest.mark.parametrize("code", sorted(errors.PAGES))
def test_every_fault_has_a_page_of_its_own(
    broken: Flask, client_of: Callable[[str], Visitor], code: int
) -> None:
    answer = client_of("ana").get(f"/fail/{code}")
    title, _ = errors.PAGES[code]
    assert answer.status_code == code
    assert title in answer.text
    assert "secret" not in answer.text
    assert reference(answer.text) != reference(client_of("ana").get(f"/fail/{code}").text)


def test_a_fault_on_our_side_is_found_in_the_log_by_its_number(
    broken: Flask, visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        page = visitor.get("/fail/500").text
    record = next(record for record in caplog.records if reference(page) in record.getMessage())
    assert record.exc_info
    assert isinstance(record.exc_info[1], ZeroDivisionError)


def test_a_database_that_is_gone_still_has_a_page(
    broken: Flask, client_of: Callable[[str], Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = client_of("ana")

    def gone() -> None:
        raise Unavailable("gone")

    monkeypatch.setattr(broken.extensions["database"], "reading", gone)
    answer = ana.get("/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "Back in a moment" in answer.text


def test_what_a_person_can_mend_is_said_in_its_own_words(broken: Flask, visitor: Visitor) -> None:
    answer = visitor.get("/wrong")
    assert answer.status_code == 400
    assert "Write the day as 2026-11-20." in answer.text


def test_headers_of_a_fault_stay(broken: Flask, visitor: Visitor) -> None:
    assert visitor.get("/fail/429").headers["Retry-After"] == "60"
    assert "GET" in visitor.get("/fail/405").headers.get("Allow", "GET")
    assert "GET" in visitor.delete("/fail/404").headers["Allow"]


@pytest.mark.parametrize("path", ["/api/v1/fail/503", "/hooks/fail/503", "/hooks/fail/404"])
def test_programs_are_answered_in_json(broken: Flask, visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["status"] == answer.status_code
    assert re.fullmatch(r"[0-9a-f]{8}", answer.get_json()["reference"])


def test_an_unknown_address_is_a_page_for_everybody(visitor: Visitor) -> None:
    answer = visitor.get("/nowhere/at/all")
    assert answer.status_code == 404
    assert 'action="/search"' not in answer.text
    assert "There is nothing here" in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_who_is_signed_in_may_look_for_what_is_not_there(client_of: Callable[[str], Visitor]) -> None:
    ana = client_of("ana")
    for path, looked_for in (
        ("/nowhere", "nowhere"),
        ("/blue-shirt/", "blue shirt"),
        ("/people/zoë.mar", "zoë mar"),
        ("/x/%3Cb%3E", ""),
        ("/invite/aB3x9-token", ""),
        (f"/stories/{'ab' * 16}", ""),
    ):
        answer = ana.get(path)
        assert answer.status_code == 404
        assert answer.text.index("There is nothing here") < answer.text.index('class="error-search"')
        assert f'name="q" value="{looked_for}"' in answer.text.partition('class="error-search"')[2], path


def test_a_form_holds_64_kb_and_a_file_more(broken: Flask, client_of: Callable[[str], Visitor]) -> None:
    ada = client_of("ada")
    for path in ("/sign-in", "/me", "/nominate", "/appearance", "/admin/rules"):
        assert ada.submit(path, {"name": "x" * 64_000}).status_code != 413, path
        assert ada.submit(path, {"name": "x" * 66_000}).status_code == 413, path
        assert ada.submit(path, {"name": "語" * 21_000}).status_code != 413, "some 63 KB, sent as 189"
        assert ada.submit(path, {"name": "語" * 22_000}).status_code == 413, path
        assert ada.submit(path, {f"field{number}": "" for number in range(8_000)}).status_code == 413, path
    file = {"file": (io.BytesIO(b"name,email,team,role\n" + b" \n" * 60_000), "people.csv")}
    assert ada.submit("/admin/people/import", file).status_code == 200
