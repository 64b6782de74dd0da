"""Every table one may see can be taken along as a file: a table without its link fails, and so does a file without one."""

import csv
import html
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlmodel import Session
from werkzeug.test import TestResponse

from leaderboard import config, ledger
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.deliveries.receiving import take_in
from leaderboard.plugin import Event
from leaderboard.points import FairPlay, Points, Rules
from leaderboard.tables import Person
from tests.conftest import CONFIG
from tests.make import NOON, Clock, Company
from tests.visitor import Visitor
from tests.web.test_accessibility import is_page
from tests.web.test_hooks import SOURCES
from tests.web.test_stories import told
from tests.web.world import World, world

__all__ = ["world"]

ROOT = Path(__file__).parent.parent.parent
Client = Callable[[str], Visitor]

WITHOUT = {
    ("admin_invitation_links.html", "Links to hand over"): "keys, not records: each is for one pair of eyes",
    ("api_docs.html", "Parameters of %(path)s"): "documentation; openapi.json has it for programs",
    (
        "me_security.html",
        "Your passkeys",
    ): "keys, not records: they are removed here, and nothing else is known of them",
    (
        "me_security.html",
        "Your tokens",
    ): "keys, not records: they are ended here, and their secret is shown once",
    ("styleguide.html", "A table"): "an example without data",
}
"""Tables without a file, each with the reason."""


def tables() -> Iterator[tuple[str, str, bool]]:
    """(template, caption, whether a link to a file follows before its section ends or another table begins)."""
    for file in sorted((ROOT / "templates").rglob("*.html")):
        text = file.read_text("utf-8")
        for found in re.finditer(r"c\.table\(_\(\"([^\"]+)\"|<table", text):
            if file.name != "components.html":
                rest = text[found.end() :]
                near = re.split(r"</section>|c\.table\(|<table", rest)[0]
                yield file.name, found[1], "c.csv_link(" in near


def test_every_table_has_its_file_near_it() -> None:
    found = list(tables())
    assert len(found) >= 12
    assert {(name, caption) for name, caption, linked in found if not linked} == set(WITHOUT)


def test_every_ranking_has_its_file_near_it() -> None:
    for file in sorted((ROOT / "templates").rglob("*.html")):
        text = file.read_text("utf-8")
        if re.search(r"_places\.html|c\.ranking\(board", text):
            assert "c.csv_link(" in text, file.name


def test_every_file_is_linked_from_a_page_and_documented(app: Flask) -> None:
    templates = "".join(file.read_text("utf-8") for file in (ROOT / "templates").rglob("*.html"))
    python = "".join(file.read_text("utf-8") for file in (ROOT / "leaderboard" / "web").glob("*.py"))
    said = (ROOT / "docs" / "operating.md").read_text("utf-8")
    files = [rule for rule in app.url_map.iter_rules() if rule.rule.endswith(".csv")]
    assert len(files) >= 16
    for rule in files:
        name = rule.endpoint.rpartition(".")[2]
        by_page = re.search(rf'csv_link\((url_for\("[\w.]*\b{name}"|"{re.escape(rule.rule)}")', templates)
        by_view = re.search(rf'\w_url"?[=:] ?url_for\("\.{name}"', python)
        assert by_page or by_view, f"no page links {rule.rule}"
        assert f"`{rule.rule}`" in said, f"docs/operating.md does not name {rule.rule}"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_file_that_a_page_offers_is_there_for_whom_it_is_offered_to(world: World) -> None:
    opened = set()
    for handle in ("ana", "lea", "ada"):
        for path in (path for _rule, path in world.routes("GET") if is_page(path)):
            answer = world.get(handle, path)
            if answer.mimetype == "text/html":
                for link in re.findall(r'class="csv-link" href="([^"]+)"', answer.text):
                    file = world.get(handle, html.unescape(link))
                    assert (file.status_code, file.mimetype) == (200, "text/csv"), (handle, path, link)
                    opened.add(urlsplit(link).path)
    files = {path for rule, path in world.routes("GET") if rule.rule.endswith(".csv")}
    assert files - opened == set(), "the world has a page with each of them"


# --- what is in them ----------------------------------------------------------------------------------------


@pytest.fixture
def app(db: Database, company: Company, clock: Clock) -> Flask:
    return create_app(config.read(CONFIG + SOURCES), db, clock)


def rows(answer: TestResponse) -> list[list[str]]:
    """The cells below the header."""
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline="")))[1:]


def fact(key: str, kind: str, agent: str, **more: str) -> Event:
    return Event(key=key, kind=kind, occurred_at=NOON, agents=(agent,), object=key, ticket="7", **more)


@pytest.fixture
def facts(db: Database, company: Company) -> None:
    def work(session: Session) -> None:
        take_in(
            session,
            "standard",
            [
                fact("rating/1", "rating.bad", "ana@example.com", text="=I waited two days."),
                fact("rating/2", "rating.bad", "dan@example.com", text="Nobody called."),
                fact("thanks/1", "thanks.received", "ben@example.com", text="+1, lovely", customer="Mr Ito"),
                fact("thanks/2", "thanks.received", "stranger", text="Who was that?", customer="Mr Ito"),
            ],
            NOON,
        )

    db.write(work)


def test_a_lead_takes_the_follow_ups_of_their_own_team_along(client_of: Client, facts: None) -> None:
    lea = client_of("lea")
    (line,) = rows(lea.get("/lead/follow-ups.csv"))
    assert line == [
        "2026-11-18T12:00:00Z",
        "Ana",
        "standard",
        "7",
        "'=I waited two days.",
        "",
        "open",
        "",
        "",
    ]
    assert [line[1] for line in rows(client_of("max").get("/lead/follow-ups.csv"))] == ["Dan"]
    assert [line[1] for line in rows(client_of("ada").get("/lead/follow-ups.csv"))] == ["Ana", "Dan"]
    page = lea.get("/lead").text
    number = re.search(r"/lead/follow-ups/(\d+)", page)
    assert number is not None
    lea.submit(f"/lead/follow-ups/{number[1]}", {"do": "close", "note": "Called, and sent a new one."})
    (line,) = rows(lea.get("/lead/follow-ups.csv"))
    assert line[6:] == ["done", "2026-11-18T12:00:00Z", "Called, and sent a new one."]


def test_decisions_come_as_the_desk_lists_them(client_of: Client) -> None:
    page = told(client_of("ana"), "ben")
    client_of("lea").submit(f"{page}/accept")
    (line,) = rows(client_of("lea").get("/lead/decisions.csv"))
    assert [line[1], line[2], line[4]] == ["Ben", "Ana", "accepted"]
    assert rows(client_of("max").get("/lead/decisions.csv")) == []


def test_accounts_come_linked_and_unlinked(client_of: Client, facts: None, company: Company) -> None:
    ada = client_of("ada")
    found = {line[1]: line[5] for line in rows(ada.get("/admin/accounts.csv?source=standard"))}
    assert found == {
        "ana@example.com": "ana",
        "ben@example.com": "ben",
        "dan@example.com": "dan",
        "stranger": "",
    }
    assert len(rows(ada.get("/admin/accounts.csv"))) == 4
    assert {line[0]: line[4] for line in rows(ada.get("/admin/sources.csv"))}["standard"] == "4"


def test_teams_and_rules_come_with_all_their_settings(
    db: Database, client_of: Client, company: Company
) -> None:
    ada = client_of("ada")
    care, _shop = rows(ada.get("/admin/teams.csv"))
    assert care == ["Care", "care", "Europe/Berlin", "Lea", "lead", "yes", "no", "", "2026-W20"]
    first = rows(ada.get("/admin/rules.csv"))
    assert {(line[0], line[3]): line[4] for line in first}["1", "story_accepted"] == "10"
    before = Rules(1, Points(), FairPlay())
    with db.writing() as session:
        ledger.change_rules(
            session, before, Points(story_accepted=11), FairPlay(), NOON, company["ada"], "=why"
        )
    both = rows(ada.get("/admin/rules.csv"))
    assert len(both) == 2 * len(first)
    newest = next(line for line in both if line[:4] == ["2", "2026-W48", "points", "story_accepted"])
    assert newest[4:] == ["11", "2026-11-18T12:00:00Z", "Ada", "'=why"]


def test_thanks_come_as_far_as_one_may_read_them(
    db: Database, client_of: Client, facts: None, company: Company
) -> None:
    (line,) = rows(client_of("ben").get("/people/thanks.csv"))
    assert line[1:3] == ["Ben", "'+1, lovely"]
    assert line[5] == "Mr Ito"
    (line,) = rows(client_of("dan").get("/people/thanks.csv?person=ben"))
    assert line[5] == "", "a customer's name is for the person, their leads and admins"
    assert rows(client_of("dan").get("/people/thanks.csv?person=ana")) == []
    assert client_of("dan").get("/people/thanks.csv?person=nobody").status_code == 404
    with db.writing() as session:
        session.get_one(Person, company["ben"]).visibility = "team"
    assert rows(client_of("dan").get("/people/thanks.csv")) == []
    assert len(rows(client_of("ana").get("/people/thanks.csv"))) == 1
