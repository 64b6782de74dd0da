"""Promises in a browser without JavaScript."""

import csv
import io
import re
from collections.abc import Callable

import pytest

from tests.make import Clock
from tests.visitor import Visitor

Client = Callable[[str], Visitor]

FORM = {
    "what": "Call Mr Ito about the lost parcel",
    "due_at": "2026-11-20T10:00",
    "contact": "Ana",
    "contact_at": "2026-11-19T09:00",
    "customer": "Mr Ito",
    "authorised_by": "Lea",
}


def made(client: Visitor, **other: str) -> str:
    answer = client.submit("/promises/new", FORM | other)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def test_a_promise_is_made_kept_and_confirmed_by_a_colleague(client_of: Client) -> None:
    ana, ben = client_of("ana"), client_of("ben")
    page = made(ana)
    shown = ana.get(page).text
    assert "Call Mr Ito about the lost parcel" in shown
    assert 'datetime="2026-11-20T09:00:00Z"' in shown, "ten o'clock in Berlin"
    ana.submit(f"{page}/keep", {"note": "He was glad"})
    assert "once somebody else confirms it" in ana.get(page).text
    assert "Colleagues wait for your word" in ben.get("/promises").text
    assert "Do you know that Ana kept it?" in ben.get(page).text
    assert ana.submit(f"{page}/confirm").status_code == 403
    ben.submit(f"{page}/confirm")
    assert "kept and confirmed" in ana.get("/promises").text
    ben.submit(f"{page}/take-back")
    assert "not yet confirmed" in ana.get("/promises").text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"what": ""}, "Please fill this in"),
        ({"due_at": ""}, "Please fill this in"),
        ({"due_at": "2026-11-18T12:00"}, "That moment has passed"),
        ({"due_at": "9999-12-31T23:59"}, "a year"),
        ({"due_at": "0001-01-01T00:00"}, ""),
        ({"due_at": "tomorrow"}, "Not a valid"),
        ({"customer": "\0"}, "cannot be shown"),
    ],
)
def test_what_cannot_be_promised_is_refused_and_nothing_is_lost(
    client_of: Client, wrong: dict[str, str], words: str
) -> None:
    answer = client_of("ana").submit("/promises/new", FORM | wrong)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'value="Lea"' in answer.text


def test_a_promise_moves_before_its_time(client_of: Client, clock: Clock) -> None:
    ana = client_of("ana")
    page = made(ana)
    assert ana.submit(f"{page}/move", {"due_at": "2026-11-18T10:00"}).status_code == 422
    assert ana.submit(f"{page}/move", {"due_at": ""}).status_code == 422
    ana.submit(f"{page}/move", {"due_at": "2026-11-21T10:00", "told": "y", "reason": "The part is late"})
    assert "The part is late" in ana.get(page).text
    assert "the customer knows" in ana.get(page).text
    clock.forward(days=4)
    refused = client_of("ana").submit(f"{page}/move", {"due_at": "2026-11-30T10:00"})
    assert refused.status_code == 422
    assert "Its time has passed" in refused.text


def test_a_promise_is_not_there_for_another_team(client_of: Client) -> None:
    page = made(client_of("ana"))
    dan = client_of("dan")
    assert dan.get(page).status_code == 404
    for act in ("keep", "confirm", "take-back"):
        assert dan.submit(f"{page}/{act}").status_code == 404
    assert dan.submit(f"{page}/move", {"due_at": "2026-11-21T10:00"}).status_code == 404
    assert client_of("ben").submit(f"{page}/keep").status_code == 403


def test_an_open_promise_is_taken_back(client_of: Client) -> None:
    ana = client_of("ana")
    page = made(ana)
    ana.submit(f"{page}/take-back")
    assert "taken back" in ana.get(page).text


def test_how_one_stands_comes_before_the_next_promise(client_of: Client) -> None:
    ana = client_of("ana")
    assert "Nothing is open" in ana.get("/promises").text
    for _ in range(5):
        page = made(ana)
        ana.submit(f"{page}/keep")
    for _ in range(5):
        made(ana)
    before = ana.get("/promises/new").text
    assert re.search(r"Kept in time.*?100%", before, re.DOTALL)
    assert "You have 5 promises open already" in before


def test_ones_promises_come_as_a_file(client_of: Client) -> None:
    ana = client_of("ana")
    made(ana, what="=SUM(A1)")
    rows = list(csv.DictReader(io.StringIO(ana.get("/promises.csv").text.lstrip("\ufeff"))))
    assert [(row["what"], row["state"], row["maker"]) for row in rows] == [("'=SUM(A1)", "open", "Ana")]
