"""Telling, reading, co-signing and judging stories in a browser without JavaScript."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import select

from leaderboard.database import Database
from leaderboard.tables import Nomination, Person, Team
from tests.make import NOON, Clock, Company, a_story
from tests.visitor import Visitor

Client = Callable[[str], Visitor]


def told(client: Visitor, *about: str, **other: object) -> str:
    """The address of a story that was told by the form."""
    form = {"nominees": list(about), "guideline": "team-player", "story": a_story(), **other}
    answer = client.submit("/nominate", form)
    assert answer.status_code == 303, answer.text
    assert re.fullmatch(r"/stories/[0-9a-f]{32}", answer.location)
    return str(answer.location)


def change(db: Database, company: Company, handle: str, **values: object) -> None:
    with db.writing() as session:
        person = session.get_one(Person, company[handle])
        for name, value in values.items():
            setattr(person, name, value)


def test_a_story_goes_from_the_form_to_its_page_and_to_the_wall(client_of: Client) -> None:
    ana, lea, dan = client_of("ana"), client_of("lea"), client_of("dan")
    page = told(ana, "ben@example.com", story="She found the shirt. " * 5, customer="Mr Ito")
    first = ana.get(page).text
    assert "Thank you for telling it." in first
    assert "It waits for Lea" in first
    assert "Thank you for telling it." not in ana.get(page).text, "said once"
    assert lea.submit(f"{page}/accept", {"back": "lead"}).location == "/lead"
    wall = dan.get("/stories").text
    assert "She found the shirt." in wall
    assert "Mr Ito" not in wall, "the customer's name is for those in the story and leads"
    assert "Mr Ito" in client_of("ben").get(page).text


def test_a_colleague_is_found_and_ticked_step_by_step(client_of: Client, company: Company) -> None:
    ana = client_of("ana")
    words = a_story()
    page = ana.submit("/nominate", {"step": "find", "q": "be", "story": words}).text
    assert f'value="{company.uids["ben"]}"' in page
    assert words in page
    page = ana.submit(
        "/nominate", {"step": "find", "q": "chr", "nominees": [company.uids["ben"]], "story": words}
    ).text
    assert re.search(rf'value="{company.uids["ben"]}" checked', page)
    assert f'value="{company.uids["chris"]}"' in page
    assert f'value="{company.uids["ana"]}"' not in ana.submit("/nominate", {"step": "find", "q": "ana"}).text


def test_the_form_says_what_it_will_earn_and_why(client_of: Client) -> None:
    ana = client_of("ana")
    assert "5 scoring stories left this week, of 5" in ana.get("/nominate?for=ben").text
    preview = ana.submit(
        "/nominate", {"step": "preview", "nominees": ["ben", "chris"], "story": a_story()}
    ).text
    assert preview.count("5 points") == 2
    assert "Shared equally" in preview
    assert "It waits until a lead of Care has read it" in preview
    told(ana, "ben")
    part = ana.submit("/nominate/worth", {"nominees": ["ben"], "story": a_story()}).text
    assert "counts half" in part
    assert "<html" not in part


def test_when_the_allowance_is_used_up_a_story_is_still_welcome(client_of: Client, clock: Clock) -> None:
    ana = client_of("ana")
    for who in ("ben", "chris", "dan", "eve", "lea"):
        told(ana, who)
        clock.forward(minutes=11)
    page = ana.submit("/nominate", {"step": "preview", "nominees": ["max"], "story": a_story()}).text
    assert "One more is just as welcome; it earns no points" in page
    assert "0 points" in ana.get(told(ana, "max")).text


@pytest.mark.parametrize(
    ("change_to", "words"),
    [
        ({"nominees": ["ana"]}, "about somebody else"),
        ({"nominees": []}, "Choose the colleague"),
        ({"nominees": ["nobody"]}, "We found nobody"),
        ({"story": "Too short."}, "70 characters to go"),
        ({"guideline": ""}, "Choose the guideline"),
        ({"guideline": "x" * 500}, "Choose the guideline"),
        ({"happened_on": "2026-11-19"}, "still to come"),
        ({"happened_on": "2026-02-30"}, "Choose a day of the calendar"),
        ({"happened_on": "0001-01-01"}, "60 days"),
        ({"story": "She helped.\0" * 20}, "cannot be shown"),
    ],
)
def test_a_refusal_stands_beside_its_field_and_nothing_is_lost(
    client_of: Client, change_to: dict[str, object], words: str
) -> None:
    form = {
        "nominees": ["ben"],
        "guideline": "relationships",
        "story": "She found the shirt. " * 6,
        "customer": "Mr Ito",
        **change_to,
    }
    answer = client_of("ana").submit("/nominate", form)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'value="Mr Ito"' in answer.text
    for field, kept in (("story", "She found the shirt."), ("guideline", 'value="relationships" checked')):
        assert field in change_to or kept in answer.text


def test_a_double_click_tells_one_story(client_of: Client, db: Database) -> None:
    ana = client_of("ana")
    draft = re.search(r'name="draft" value="([0-9a-f]{32})"', ana.get("/nominate").text)
    assert draft
    form = {"nominees": ["ben"], "guideline": "team-player", "story": a_story(), "draft": draft[1]}
    assert ana.submit("/nominate", form).location == ana.submit("/nominate", form).location
    with db.reading() as session:
        assert len(session.exec(select(Nomination)).all()) == 1


def test_the_fields_of_a_story_cannot_be_smuggled_in(
    client_of: Client, db: Database, company: Company
) -> None:
    smuggled = {
        "worth": "1000",
        "state": "accepted",
        "nominator_id": str(company["ben"]),
        "team_id": "2",
        "id": "9",
    }
    told(client_of("ana"), "chris", **smuggled)
    with db.reading() as session:
        row = session.exec(select(Nomination)).one()
    assert (row.worth, row.state, row.nominator_id, row.team_id) == (
        10,
        "waiting",
        company["ana"],
        company.teams["Care"],
    )


def test_stored_text_never_becomes_code(client_of: Client) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)> {{ 7*7 }} " + "x" * 80
    page = told(client_of("ana"), "ben", story=evil, customer="</textarea><script>")
    shown = client_of("ana").get(page).text
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown
    assert "{{ 7*7 }}" in shown
    assert "</textarea><script>" not in client_of("ana").get(f"{page}/edit").text


def test_a_story_is_told_better_until_it_is_accepted(client_of: Client) -> None:
    ana, lea = client_of("ana"), client_of("lea")
    page = told(ana, "ben")
    assert lea.submit(f"{page}/decline", {"reason": "Which customer?"}).status_code == 303
    assert "Which customer?" in ana.get(page).text
    edit = ana.get(f"{page}/edit").text
    assert "Which customer?" in edit
    better = {"nominees": ["ben", "chris"], "guideline": "relationships", "story": "Mrs Kim. " * 12}
    assert ana.submit(f"{page}/edit", better).location == page
    assert client_of("chris").get(page).status_code == 404, "it waits again"
    lea.submit(f"{page}/accept")
    assert "Mrs Kim." in client_of("chris").get(page).text
    assert ana.get(f"{page}/edit").location == page
    assert client_of("ben").get(f"{page}/edit").status_code == 404


def test_a_short_edit_is_refused_and_keeps_the_old_words(client_of: Client, db: Database) -> None:
    ana = client_of("ana")
    page = told(ana, "ben")
    answer = ana.submit(f"{page}/edit", {"nominees": ["ben"], "guideline": "relationships", "story": "No."})
    assert answer.status_code == 422
    with db.reading() as session:
        assert session.exec(select(Nomination.guideline)).one() == "team-player"


def test_a_co_sign_counts_once_and_can_be_taken_back(client_of: Client) -> None:
    page = told(client_of("ana"), "ben")
    client_of("lea").submit(f"{page}/accept")
    chris = client_of("chris")
    for _ in range(2):
        assert chris.submit(f"{page}/co-sign").location == page
    shown = chris.get(page).text
    assert "You saw it too" in shown
    assert "11 points" in shown
    chris.submit(f"{page}/co-sign/take-back")
    assert "10 points" in chris.get(page).text
    assert client_of("ben").submit(f"{page}/co-sign").status_code == 403
    assert client_of("chris").submit("/stories/" + "0" * 32 + "/co-sign").status_code == 404


def test_a_nominee_hides_and_shows_their_name(client_of: Client) -> None:
    page = told(client_of("ana"), "ben", "chris")
    client_of("lea").submit(f"{page}/accept")
    ben, dan = client_of("ben"), client_of("dan")
    ben.submit(f"{page}/hide")
    assert "Ben" not in dan.get(page).text
    assert "You took your name" in ben.get(page).text
    ben.submit(f"{page}/show")
    assert "Ben" in dan.get(page).text
    assert dan.submit(f"{page}/hide").status_code == 403


def test_a_withdrawn_story_is_there_for_its_teller_only(client_of: Client) -> None:
    page = told(client_of("ana"), "ben")
    client_of("lea").submit(f"{page}/accept")
    assert client_of("chris").submit(f"{page}/withdraw").status_code == 403
    client_of("ana").submit(f"{page}/withdraw")
    assert "You took this story back" in client_of("ana").get(page).text
    for who in ("ben", "lea", "ada", "dan"):
        assert client_of(who).get(page).status_code == 404


@pytest.mark.parametrize("act", ["accept", "decline", "reopen"])
def test_nobody_judges_who_may_not(client_of: Client, act: str) -> None:
    page = told(client_of("ana"), "ben")
    assert client_of("ana").submit(f"{page}/{act}", {"reason": "x"}).status_code == 403
    assert client_of("ben").submit(f"{page}/{act}", {"reason": "x"}).status_code == 403
    assert client_of("max").submit(f"{page}/{act}", {"reason": "x"}).status_code == 404, "not theirs to read"


def test_a_story_that_one_may_not_see_is_not_there(client_of: Client, db: Database, company: Company) -> None:
    page = told(client_of("ana"), "ben")
    client_of("lea").submit(f"{page}/accept")
    change(db, company, "ben", visibility="team")
    assert client_of("chris").get(page).status_code == 200
    assert client_of("dan").get(page).status_code == 404
    assert client_of("dan").get("/stories/" + "f" * 32).status_code == 404


def test_the_wall_filters_and_goes_on(
    client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    with db.writing() as session:
        for team in session.exec(select(Team)):
            team.accepts = "at_once"
    for n in range(22):
        told(
            client_of(["ana", "chris", "lea", "dan", "eve", "max", "ada"][n % 7]),
            "ben",
            guideline="relationships",
        )
        clock.forward(hours=5)
    told(client_of("ana"), "dan")
    dan = client_of("dan")
    page = dan.get("/stories?guideline=relationships").text
    assert page.count('class="story"') == 20
    after = re.search(r'href="(/stories\?[^"]*after=[^"]*)" rel="next"', page)
    assert after
    assert dan.get(after[1].replace("&amp;", "&")).text.count('class="story"') == 2
    assert dan.get("/stories?team=shop").text.count('class="story"') == 1
    assert dan.get("/stories?person=dan").text.count('class="story"') == 1
    assert "No story is like that yet" in dan.get("/stories?person=nobody").text
    assert dan.get("/stories?order=loved").status_code == 200
    assert dan.get("/stories?after=junk").status_code == 400


def test_a_wall_without_a_story_invites_to_tell_the_first(client_of: Client) -> None:
    page = client_of("ana").get("/stories").text.partition("<main")[2]
    assert "Tell the first story" in page
    assert "Filter" not in page
    assert "Best loved" not in page


def test_the_wall_comes_as_a_file_with_inert_cells(client_of: Client) -> None:
    page = told(client_of("ana"), "ben", story="=cmd|' /C calc'!A0 " + "x" * 80)
    client_of("lea").submit(f"{page}/accept")
    rows = list(csv.DictReader(io.StringIO(client_of("dan").get("/stories.csv").text.lstrip("\ufeff"))))
    assert [(row["nominator"], row["nominees"], row["points"]) for row in rows] == [("Ana", "Ben", "10")]
    assert rows[0]["story"].startswith("'=cmd")


def test_who_is_not_signed_in_reads_no_story(client_of: Client, visitor: Visitor) -> None:
    page = told(client_of("ana"), "ben")
    client_of("lea").submit(f"{page}/accept")
    answer = visitor.get(page, follow_redirects=True)
    assert answer.request.path == "/sign-in"
    assert 'property="og:title" content="A story on Extra Mile"' in answer.text
    assert "Ben" not in answer.text
    shared = client_of("dan").get(page).text
    assert 'property="og:title" content="A story about Ben"' in shared


def test_a_form_without_its_token_changes_nothing(client_of: Client, db: Database) -> None:
    ana = client_of("ana")
    assert ana.post("/nominate", data={"nominees": ["ben"], "story": a_story()}).status_code == 400
    with db.reading() as session:
        assert session.exec(select(Nomination)).all() == []


def test_the_fourth_story_in_ten_minutes_waits_and_keeps_its_words(client_of: Client, clock: Clock) -> None:
    ana = client_of("ana")
    for who in ("ben", "chris", "dan"):
        told(ana, who)
    words = a_story()
    answer = ana.submit("/nominate", {"nominees": ["eve"], "guideline": "team-player", "story": words})
    assert answer.status_code == 422
    assert "wait 10 minutes" in answer.text
    assert words in answer.text
    clock.at(NOON + timedelta(minutes=10))
    told(ana, "eve")


@pytest.mark.parametrize("name", ["%00", "0", "%ff%fe", "x" * 5000, "'%20OR%201=1--", "١٢٣"])
def test_a_name_that_no_story_can_have_is_not_there(client_of: Client, name: str) -> None:
    lea = client_of("lea")
    for path in (f"/stories/{name}", f"/promises/{name}"):
        assert lea.get(path).status_code == 404
    for path in (f"/stories/{name}/accept", f"/stories/{name}/reopen", f"/promises/{name}/confirm"):
        assert lea.submit(path).status_code == 404
    assert lea.get(f"/stories?person={name}&team={name}&guideline={name}&order={name}").status_code == 200
    assert lea.get(f"/nominate?for={name}").status_code == 200
    assert lea.get(f"/nominate/find?q={name}").status_code == 200
    assert lea.submit("/lead/follow-ups/99999999999999999999").status_code == 404
    worth = lea.submit(
        "/nominate/worth", {"nominees": ["\0", name, "ana"], "story": "\0", "of": "", "happened_on": name}
    )
    assert worth.status_code == 200
