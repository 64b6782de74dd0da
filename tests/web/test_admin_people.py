"""/admin/people and /admin/teams: adding, changing, leaving, leading, importing."""

import html
import io
import re
from collections.abc import Callable

import pytest

from leaderboard import people
from leaderboard.database import Database
from leaderboard.tables import Person, Team
from tests import make
from tests.make import Company
from tests.visitor import Visitor

Client = Callable[[str], Visitor]

ZOE = {
    "name": "Zoe Lind",
    "email": "ZOE@example.com",
    "team": "shop",
    "role": "lead",
    "timezone": "",
    "joined_on": "2026-11-02",
}


def stored(db: Database, text: str) -> Person:
    with db.reading() as work:
        person = people.find(work, text)
    assert person is not None
    return person


def test_an_admin_adds_somebody_and_gives_them_a_way_in(
    client_of: Client, visitor: Visitor, db: Database, company: Company
) -> None:
    ada = client_of("ada")
    assert ada.submit("/admin/people/new", ZOE).headers["Location"] == "/admin/people/zoe-lind"
    zoe = stored(db, "zoe@example.com")
    assert (zoe.role, zoe.team_id, zoe.password) == ("lead", company.teams["Shop"], None)
    page = ada.submit("/admin/people/zoe-lind/link").text
    found = re.search(r'value="http://localhost(/sign-in/forgot/[^"]+)"', page)
    assert found
    new = {"password": "a very own password", "password_confirm": "a very own password"}
    assert visitor.submit(found[1], new).headers["Location"] == "/sign-in"
    signed = visitor.submit("/sign-in", {"email": "zoe@example.com", "password": "a very own password"})
    assert signed.headers["Location"] == "/"


def test_refusals_stand_beside_their_field_and_nothing_is_lost(client_of: Client) -> None:
    ada = client_of("ada")
    for wrong, field in (
        ({"email": "ana@example.com"}, "email"),
        ({"email": "nobody"}, "email"),
        ({"name": "\u3164"}, "name"),
        ({"role": "boss"}, "role"),
        ({"team": "no-such"}, "team"),
        ({"timezone": "UTC+2"}, "timezone"),
        ({"joined_on": "02/11/2026"}, "joined_on"),
    ):
        page = ada.submit("/admin/people/new", ZOE | wrong).text
        assert f'id="{field}-error"' in page, wrong
        assert "2026" in page


def test_an_admin_changes_a_person_and_a_new_role_signs_them_out(
    client_of: Client, db: Database, company: Company
) -> None:
    ana, ada = client_of("ana"), client_of("ada")
    assert ana.get("/me").status_code == 200
    said = {"name": "Ana M", "email": "ana@example.com", "team": "care", "role": "lead"}
    assert ada.submit("/admin/people/ana", said).status_code == 303
    assert (stored(db, "ana").name, stored(db, "ana").role) == ("Ana M", "lead")
    assert ana.get("/me").status_code == 302


def test_who_is_deactivated_is_out_at_the_next_request(client_of: Client, db: Database) -> None:
    ana, ada = client_of("ana"), client_of("ada")
    ada.submit("/admin/people/ana/deactivate")
    assert ana.get("/me").status_code == 302
    assert not stored(db, "ana").active
    assert "Ana" in ada.get("/admin/people?name=ana@").text, "leavers are still found here"
    ada.submit("/admin/people/ana/reactivate")
    assert stored(db, "ana").active
    assert ana.get("/me").status_code == 302, "she signs in anew"


def test_the_last_admin_cannot_lock_everybody_out(client_of: Client, db: Database) -> None:
    ada = client_of("ada")
    assert "last admin" in ada.submit("/admin/people/ada/deactivate", follow_redirects=True).text
    said = {"name": "Ada", "email": "ada@example.com", "team": "care", "role": "member"}
    assert "last admin" in ada.submit("/admin/people/ada", said).text
    assert (stored(db, "ada").role, stored(db, "ada").active) == ("admin", True)


def test_lost_devices_are_taken_away_and_sessions_with_them(
    client_of: Client, db: Database, company: Company
) -> None:
    with db.writing() as work:
        work.get_one(Person, company["ana"]).tf_primary_method = "authenticator"
    ana, ada = client_of("ana"), client_of("ada")
    assert "Take second factor" in ada.get("/admin/people/ana").text
    ada.submit("/admin/people/ana/reset-second-factor")
    assert stored(db, "ana").tf_primary_method is None
    assert ana.get("/me").status_code == 302


def test_an_admin_ends_sessions_of_others(client_of: Client) -> None:
    ana, ada = client_of("ana"), client_of("ada")
    ada.submit("/admin/people/ana/sign-out")
    assert ana.get("/me").status_code == 302


def test_a_team_is_made_changed_and_led(client_of: Client, db: Database, company: Company) -> None:
    ada = client_of("ada")
    said = {
        "name": "Field Service",
        "timezone": "Asia/Tokyo",
        "accepts": "at_once",
        "board": "y",
        "closes_at": "",
    }
    assert ada.submit("/admin/teams/new", said).headers["Location"] == "/admin/teams/field-service"
    ada.submit("/admin/teams/field-service/leads", {"person": "dan"})
    with db.reading() as work:
        team = people.team_named(work, "field-service")
        assert team is not None
        assert (team.timezone, team.accepts, team.board, team.autopilot) == (
            "Asia/Tokyo",
            "at_once",
            True,
            False,
        )
        assert people.leads_of(work, team.id or 0) == [company["dan"]]
    assert stored(db, "dan").role == "lead"
    ada.submit("/admin/teams/field-service/leads", {"person": "dan@example.com", "do": "remove"})
    assert stored(db, "dan").role == "member"
    changed = said | {"timezone": "Europe/Paris", "board": "", "closes_at": "25:99"}
    assert 'id="closes_at-error"' in ada.submit("/admin/teams/field-service", changed).text
    ada.submit("/admin/teams/field-service", changed | {"closes_at": "10:30"})
    with db.reading() as work:
        team = work.get_one(Team, team.id)
        assert (team.next_timezone, team.closes_at, team.board) == ("Europe/Paris", "10:30", False)
    assert (
        "Nobody here" in ada.submit("/admin/teams/care/leads", {"person": "zed"}, follow_redirects=True).text
    )


def upload(client: Visitor, content: bytes, do: str = "show") -> str:
    file = (io.BytesIO(content), "people.csv")
    return client.submit(
        "/admin/people/import", {"file": file, "do": do, "team": "Care"}, content_type="multipart/form-data"
    ).text


def test_a_file_is_shown_first_and_then_imported(client_of: Client, db: Database) -> None:
    ada = client_of("ada")
    content = b"name,email,team,role\nZoe,zoe@example.com,Depot,member\n"
    assert "Nothing is written yet" in upload(ada, content)
    with db.reading() as work:
        assert people.find(work, "zoe@example.com") is None
    assert "Done." in upload(ada, content, "it")
    assert stored(db, "zoe@example.com").name == "Zoe"
    page = upload(ada, content.replace(b"member", b"boss"), "it")
    assert "Line 2:" in page


def paste(client: Visitor, table: str, do: str = "show", team: str = "Care") -> str:
    return client.submit("/admin/people/import", {"table": table, "team": team, "do": do}).text


def test_a_table_is_pasted_looked_at_and_then_taken_in(
    client_of: Client, db: Database, company: Company
) -> None:
    ada = client_of("ada")
    assert 'value="Care"' in ada.get("/admin/people/import").text, "their own team is suggested"
    table = "Name\tE-Mail\tTelefon\nZoé Lind\tzoe@example.com\t12\nYui Mori\tyui@example.com\t34\n"
    page = paste(ada, table)
    assert "Nothing is written yet" in page
    assert "Zoé Lind &lt;zoe@example.com&gt;, Care, member" in page
    assert "Not read, for want of a use: Telefon." in page
    assert "yui@example.com\t34" in page, "the table stays in the form"
    with db.reading() as work:
        assert people.find(work, "zoe@example.com") is None
    page = paste(ada, table, "it")
    assert "Done." in page
    assert "/admin/invitations" in page
    assert stored(db, "zoe@example.com").team_id == company.teams["Care"]
    assert "yui@example.com\t34" not in page


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("zoe.lind@example.com", ("Zoe Lind", "Care", "member")),
        ("Zoe Lind;zoe.lind@example.com;Depot;Teamleitung", ("Zoe Lind", "Depot", "lead")),
        (
            "Vorname\tNachname\tE-Mail-Adresse\tAbteilung\nZoe\tLind\tzoe.lind@example.com\tDepot",
            ("Zoe Lind", "Depot", "member"),
        ),
        ("email,role,name\nzoe.lind@example.com,Admin,Zoe", ("Zoe", "Care", "admin")),
        ("Eintritt;E-Mail\n3.11.2026;ZOE.LIND@example.com", ("Zoe Lind", "Care", "member")),
        ('zoe.lind@example.com\t"Zoe ""Z"" Lind"', ('Zoe "Z" Lind', "Care", "member")),
    ],
)
def test_a_table_may_come_as_people_have_it(
    client_of: Client, db: Database, company: Company, table: str, found: tuple[str, str, str]
) -> None:
    assert "Done." in paste(client_of("ada"), table, "it")
    zoe = stored(db, "zoe.lind@example.com")
    with db.reading() as work:
        assert (zoe.name, work.get_one(Team, zoe.team_id).name, zoe.role) == found
    if "Eintritt" in table:
        assert str(zoe.joined_on) == "2026-11-03"


def test_what_a_table_does_not_say_stays_as_it_is(client_of: Client, db: Database, company: Company) -> None:
    """Pasted again without teams and roles, a lead stays a lead, and nobody changes teams."""
    page = paste(client_of("ada"), "Name,E-Mail\nMax M,max@example.com\nLea,lea@example.com", "it", "Depot")
    assert "Done." in page
    max_ = stored(db, "max@example.com")
    assert (max_.name, max_.role, max_.team_id) == ("Max M", "lead", company.teams["Shop"])
    assert stored(db, "lea").role == "lead"
    with db.reading() as work:
        assert people.team_named(work, "Depot") is None, "nobody needed it"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "There is nothing in it."),
        ("Name,Phone\nZoe,1", "No column holds e-mail addresses."),
        ("Zoe,zoe@example.com\nYui,yui at example.com", "Line 2: email:"),
        ("zoe@example.com\nzoe@example.com", "Line 2: email: zoe@example.com stands in line 1 already"),
        ("Zoe,zoe@example.com,Care,boss", "Line 1:"),
        ("Zoe,zoe@example.com\nYui,yui@example.com,Care", "Line 2:"),
        ("E-Mail;Mail\nzoe@example.com;zoe@example.com", "twice"),
        ("seit;e-mail\n1;zoe@example.com".replace("seit", "Eintritt"), "Line 2: joined_on"),
    ],
)
def test_what_cannot_be_read_is_said_by_line_and_nothing_is_written(
    client_of: Client, db: Database, table: str, says: str
) -> None:
    page = paste(client_of("ada"), table, "it")
    assert says in html.unescape(page)
    assert "Done." not in page
    with db.reading() as work:
        assert people.find(work, "zoe@example.com") is None


def test_a_file_that_was_looked_at_need_not_be_chosen_again(client_of: Client) -> None:
    page = upload(client_of("ada"), b"\xef\xbb\xbfname,email\nZoe,zoe@example.com\n")
    assert "Zoe,zoe@example.com" in page.partition("<textarea")[2]


def test_what_is_exported_imports_without_a_change(client_of: Client, db: Database, company: Company) -> None:
    with db.writing() as work:
        work.get_one(Person, company["ana"]).name = '=Ana; "the" best'
    ada = client_of("ada")
    exported = ada.get("/admin/people.csv").data
    with db.writing() as work:
        report = people.import_csv(work, exported, make.NOON, dry_run=False)
    assert (report.errors, report.added, report.changed) == ([], [], [])
    assert report.unchanged == len(make.CAST)


@pytest.mark.parametrize("path", ["/admin/people/nobody", "/admin/teams/nothing", "/admin/teams/Care"])
def test_what_is_not_there_is_not_found(client_of: Client, path: str) -> None:
    assert client_of("ada").get(path).status_code == 404
