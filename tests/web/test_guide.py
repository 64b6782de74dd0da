"""The first steps know by what is there what is done; a helpdesk is chosen, connected and tried from the pages."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlmodel import select

from leaderboard import announcements, people, steps
from leaderboard import config as settings
from leaderboard.app import create_app
from leaderboard.config import folder
from leaderboard.database import Database
from leaderboard.people import PersonFields, TeamFields
from leaderboard.tables import Credit, Event, Person, PointsEntry, Team
from tests.conftest import CONFIG
from tests.make import NOON, Clock, Company
from tests.visitor import Visitor
from tests.web.test_hooks import SOURCES, send
from tests.web.test_stories import told

Client = Callable[[str], Visitor]


@pytest.fixture
def app(db: Database, company: Company, clock: Clock) -> Flask:
    return create_app(settings.read(CONFIG + SOURCES), db, clock)


def done(db: Database) -> list[str]:
    with db.reading() as session:
        return [step.name for step in steps.first_steps(session).all if step.done]


def test_a_new_company_is_led_from_step_to_step_by_what_is_there(db: Database, clock: Clock) -> None:
    app = create_app(settings.read(CONFIG + SOURCES), db, clock)
    with db.writing() as session:
        team = TeamFields("Care", "Europe/Berlin")
        nora = people.add_first(session, team, PersonFields("Nora", "nora@example.com", "admin"), None, NOON)
    visitor = Visitor(app, app.response_class)
    visitor.sign_in(nora.id or 0)

    def focus() -> str:
        page = visitor.get("/admin/first-steps").text
        assert page.count('class="step-done"') == len(done(db)), "those done are a line each"
        found = re.findall(r'id="(\w+)" aria-current="step"', page)
        assert len(found) == 1
        assert f"{len(done(db))} of 6 done" in page
        return str(found[0])

    assert (done(db), focus()) == ([], "people")
    table = "Lea\tlea@example.com\nBen\tben@example.com\nAna\tana@example.com"
    visitor.submit("/admin/people/import", {"table": table, "team": "Care", "do": "it"})
    assert (done(db), focus()) == (["people"], "leads")
    visitor.submit("/admin/teams/care/leads", {"person": "lea"})
    assert focus() == "invitations"
    with db.writing() as session:
        for person in session.exec(select(Person)):
            person.password = "set"
    assert focus() == "source"
    send(app)
    assert focus() == "channel"
    with db.writing() as session:
        row = session.exec(select(Team)).one()
        announcements.add_channel(session, row.id or 0, "email", "Everybody", "all@example.com")
    assert focus() == "story"
    ana, lea = (Visitor(app, app.response_class) for _ in range(2))
    for who, browser in (("ana", ana), ("lea", lea)):
        with db.reading() as session:
            found = people.find(session, who)
        assert found is not None
        browser.sign_in(found.id or 0)
    page = told(ana, "ben")
    assert focus() == "story", "it waits"
    lea.submit(f"{page}/accept")
    page = visitor.get("/admin/first-steps").text
    assert "You have begun" in page
    assert "All 6 steps, done" in page.partition("<ol")[0].rpartition("<summary>")[2], (
        "one line holds them all"
    )


def test_a_team_without_a_lead_is_still_to_do(db: Database, company: Company) -> None:
    assert "leads" in done(db)
    with db.writing() as session:
        people.set_leads(session, session.get_one(Team, company.teams["Shop"]), [])
    assert "leads" not in done(db)


def test_the_steps_stand_on_the_overview_until_they_are_put_away(client_of: Client) -> None:
    ada = client_of("ada")
    assert "Put away" in ada.get("/admin").text
    ada.submit("/admin/first-steps")
    page = ada.get("/admin")
    assert "Put away" not in page.text
    assert "/admin/first-steps" in page.text, "they come back from the tabs"
    ada.submit("/admin/first-steps", {"do": "show"})
    assert "Put away" in ada.get("/admin").text


# ---------------------------------------------------------------- a helpdesk


def test_every_plugin_is_offered_with_its_section_and_its_exact_address(client_of: Client) -> None:
    ada = client_of("ada")
    page = ada.get("/admin/connect").text
    names = [
        path.parent.name for path in folder("plugins").glob("*/__init__.py") if path.parent.name[0] != "_"
    ]
    assert set(re.findall(r'href="/admin/connect/(\w+)"', page)) == set(names)
    for name in names:
        one = ada.get(f"/admin/connect/{name}").text
        assert f'<pre tabindex="0" aria-labelledby="section">[plugins.{name}]\n' in one
        assert f'value="http://localhost/hooks/{name}"' in one
        assert "&lt;public_url&gt;" not in one  # what stands there can be pasted as it is
    assert "The section is there" in ada.get("/admin/connect/standard").text
    assert "The section is there" not in ada.get("/admin/connect/zendesk").text
    assert ada.get("/admin/connect/nothing").status_code == 404


def test_a_test_goes_through_the_front_door_and_earns_nothing(
    client_of: Client, db: Database, company: Company
) -> None:
    ada = client_of("ada")
    assert "Send a test" in ada.get("/admin/sources/standard").text
    answer = ada.submit("/admin/sources/standard/try")
    page = ada.get(urlsplit(answer.headers["Location"]).path).text
    assert "signed, checked and taken in" in page
    with db.reading() as session:
        event = session.exec(select(Event)).one()
        credit = session.exec(select(Credit)).one()
        assert session.exec(select(PointsEntry)).all() == []
    assert (event.source, event.kind, credit.person_id) == ("standard", "ticket.solved", company["ada"])
    ada.submit("/admin/sources/standard/try")
    with db.reading() as session:
        assert len(session.exec(select(Event)).all()) == 1, "the clock stands: it is the same fact"
    assert "source" in done(db)


def test_a_source_that_cannot_send_a_test_says_so(
    client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    section = '[plugins.help_scout]\nsecret = "a secret of the helpdesk"\n'
    app = create_app(settings.read(CONFIG + section), db, clock)
    ada = Visitor(app, app.response_class)
    ada.sign_in(company["ada"])
    assert "Send a test" not in ada.get("/admin/sources/help_scout").text
    answer = ada.submit("/admin/sources/help_scout/try", follow_redirects=True)
    assert "Send one from the tool" in answer.text
    assert ada.submit("/admin/sources/nothing/try").status_code == 404


@pytest.mark.parametrize(
    ("handle", "offered"),
    [("ana", ()), ("lea", ("/lead",)), ("ada", ("/lead", "/admin/first-steps"))],
)
def test_an_empty_home_page_says_what_comes_first_by_role(
    client_of: Client, handle: str, offered: tuple[str, ...]
) -> None:
    page = client_of(handle).get("/").text.partition("<main")[2]
    assert "Tell the first story" in page
    assert ("What comes first" in page) == bool(offered)
    assert all(f'href="{address}"' in page for address in offered)
    assert ("/admin/first-steps" in page) == (handle == "ada")
