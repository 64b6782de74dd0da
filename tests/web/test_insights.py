"""/insights: pictures of teams that say the same as their tables and files, and never of persons."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape

import pytest
from flask import Flask
from playwright.sync_api import Page
from werkzeug.test import TestResponse

from leaderboard.database import Database
from leaderboard.guidelines import GUIDELINES
from leaderboard.plugin import Event
from leaderboard.tables import Person
from leaderboard.web import pages, styleguide
from tests.make import Clock, Company
from tests.test_insights import two_teams
from tests.test_ledger import MONDAY, take_in, thanks
from tests.test_standings import give
from tests.visitor import Visitor
from tests.web.test_browser import PHONE, Opened, address, opened
from tests.web.test_home import change, tell
from tests.web.test_people import text

__all__ = ["address", "opened", "two_teams"]
Client = Callable[[str], Visitor]
in_browser = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def rows(answer: TestResponse) -> list[list[str]]:
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline="")))


def table(page: str, name: str) -> list[list[str]]:
    """The cells of the table with this caption."""
    found = re.search(rf"<caption[^>]*>{name}</caption>(.*?)</table>", page, re.DOTALL)
    assert found is not None, name
    lines = re.findall(r"<tr[^>]*>(.*?)</tr>", found[1], re.DOTALL)
    return [
        [text(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL)] for line in lines
    ]


def drawn(part: str) -> dict[str, str]:
    """Week and points of what a picture shows."""
    return dict(re.findall(r"<title>([\d-]+W\d+): (\d+)</title>", part))


def section(page: str, name: str) -> str:
    found = re.search(rf'<section[^>]*aria-labelledby="{name}">(.*?)</section>', page, re.DOTALL)
    assert found is not None, name
    return found[1]


# --- the page -----------------------------------------------------------------------------------------------


@pytest.fixture
def some_weeks(db: Database, two_teams: Company) -> Company:
    give(db, ana=2, dan=1)
    tell(db, two_teams, "ana", "dan", guideline="team-player")
    earlier = [thanks(900 + n, n / 100 - 24 * 7, "ben@example.com") for n in range(3)]
    take_in(db, *earlier, now=MONDAY.replace(day=14))
    return two_teams


def test_picture_table_and_file_of_points_by_week_say_the_same(
    client_of: Client, some_weeks: Company
) -> None:
    for query, total in (("", 24 + 10 + 24), ("?team=care", 16 + 24), ("?team=shop&weeks=52", 18)):
        page = client_of("eve").get(f"/insights{query}").text
        part = section(page, "over-time")
        head, *lines = table(part, "Points by week and guideline")
        assert head == ["Week", "Points", *(one.name for one in GUIDELINES)]
        assert len(lines) == (52 if "52" in query else 12)
        assert sum(int(line[1]) for line in lines) == total
        assert all(int(line[1]) == sum(map(int, line[2:])) for line in lines)
        columns = part.partition('class="strips"')[0]
        assert drawn(columns) == {line[0]: line[1] for line in lines if line[1] != "0"}
        link = re.search(r'class="csv-link" href="([^"]+)"', part)
        assert link is not None
        assert rows(client_of("eve").get(unescape(link[1]))) == [head, *lines]


def test_the_mix_gives_each_guideline_its_points_and_its_share(
    client_of: Client, some_weeks: Company
) -> None:
    lines = table(
        client_of("ana").get("/insights?team=shop").text, "Which guidelines the points were earned in"
    )
    assert lines[0] == ["Guideline", "Points", "Share"]
    assert {line[0]: line[1:] for line in lines[1:]} == {
        "Relationships": ["8 points", "44%"],
        "Team player": ["10 points", "56%"],
    }


def test_picture_table_and_file_of_the_rhythm_say_the_same(client_of: Client, some_weeks: Company) -> None:
    page = client_of("ana").get("/insights").text
    head, *lines = table(section(page, "rhythm"), "Points by week and team")
    assert head == ["Week", "Care", "Shop"]
    assert lines[-2:] == [["2026-W46", "24", "0"], ["2026-W47", "16", "18"]]
    pictures = section(page, "rhythm").split("<figure")[1:3]
    for place, picture in enumerate(pictures, 1):
        assert drawn(picture) == {line[0]: line[place] for line in lines if line[0] >= "2026-W20"}
    file = rows(client_of("ana").get("/insights/rhythm.csv"))
    assert file[0] == ["Week", "Team", "Points"]
    assert [[week, points] for week, team, points in file[1:] if team == "Care"] == [
        line[:2] for line in lines
    ]
    alone = rows(client_of("ana").get("/insights/rhythm.csv?team=shop"))
    assert {team for _, team, _ in alone[1:]} == {"Shop"}


def test_who_tells_of_whom_is_told_from_three_tellers_on(
    client_of: Client, db: Database, two_teams: Company
) -> None:
    for giver in ("ana", "ben", "chris"):
        tell(db, two_teams, giver, "dan")
    tell(db, two_teams, "ana", "eve")
    tell(db, two_teams, "dan", "eve")
    page = client_of("ana").get("/insights").text
    found = re.findall(r'<td class="shade-(\d)[^>]*>([^<]*)</td>', section(page, "between"))
    assert found == [("0", "0"), ("4", "4"), ("0", "0"), ("0", "few")]
    file = rows(client_of("ana").get("/insights/between.csv"))
    assert file[1:] == [
        ["Care", "Care", "0"],
        ["Care", "Shop", "4"],
        ["Shop", "Care", "0"],
        ["Shop", "Shop", "few"],
    ]


def test_the_ripple_is_an_estimate_that_names_its_sources(
    client_of: Client, db: Database, two_teams: Company
) -> None:
    bad = Event("bad/1", "rating.bad", MONDAY, ("dan@example.com",), object="bad/1", ticket="b1")
    take_in(db, thanks(1), thanks(2), bad)
    ripple = text(section(client_of("ana").get("/insights").text, "ripple"))
    assert "2 customers thanked us or rated well about 18 people hear of it" in ripple
    assert "1 customer was unhappy about 16 people hear of it; by the older saying, more than 10" in ripple
    assert "Last week No customer was heard." in ripple
    assert "An estimate." in ripple
    assert "American Express Global Customer Service Barometer, 2011" in ripple
    care = text(section(client_of("ana").get("/insights?team=care").text, "ripple"))
    assert "0 customers were unhappy Last week" in care, "nobody hears of what was not"


def test_nobody_is_named(client_of: Client, some_weeks: Company, db: Database) -> None:
    with db.writing() as session:
        session.get_one(Person, some_weeks["dan"]).name = "Zacharias Unmistakable"
    for path in ("", "/weeks.csv", "/rhythm.csv", "/between.csv"):
        assert "Unmistakable" not in client_of("ana").get(f"/insights{path}?team=shop").text


def test_a_small_team_is_shown_with_others_only(client_of: Client, db: Database, company: Company) -> None:
    give(db, ana=1)
    page = client_of("ana").get("/insights").text
    assert '<option value="_joined">Smaller teams together (my team)</option>' in page
    assert client_of("ana").get("/insights?team=_joined").status_code == 200
    for path in ("", "/weeks.csv", "/rhythm.csv"):
        for team in ("shop", "nowhere", "%00", "1"):
            assert client_of("ana").get(f"/insights{path}?team={team}").status_code == 404
    file = client_of("ana").get("/insights/weeks.csv?team=_joined")
    assert file.headers["Content-Disposition"] == 'attachment; filename="weeks-joined.csv"'


def test_a_company_that_is_too_small_is_told_why(client_of: Client, db: Database, company: Company) -> None:
    for handle in ("eve", "max", "dan", "chris"):
        change(db, company, handle, active=False)
    page = client_of("ana").get("/insights").text
    assert "Too few people for pictures" in page
    assert '<svg class="plot' not in page
    assert rows(client_of("ana").get("/insights/rhythm.csv"))[1:] == []
    assert len(rows(client_of("ana").get("/insights/weeks.csv"))) == 13
    assert rows(client_of("ana").get("/insights/between.csv"))[1:] == []


def test_before_the_first_story_the_page_says_what_will_draw(client_of: Client, two_teams: Company) -> None:
    ana = client_of("ana")
    begin = ana.get("/insights").text.partition("<main")[2]
    assert "Nothing to draw yet" in begin
    assert 'href="/nominate"' in begin
    assert "<select" not in begin, "no choice stands above nothing"
    page = ana.get("/insights?team=shop").text
    assert page.count("Nothing yet: the first story will draw the first bar.") == 2
    assert "Here you will see how far a good or a poor experience travels" in text(page)
    assert "0 customers" not in text(page)


def test_one_week_is_said_in_the_singular_where_it_stands_alone(
    client_of: Client, db: Database, two_teams: Company
) -> None:
    take_in(db, thanks(1, kind="knowledge.shared", key="k", customer=None, text=None))
    words = text(section(client_of("ana").get("/insights").text, "over-time"))
    assert "4 points in the last 12 weeks. The most was week 47, with 4." in words


def test_many_teams_are_looked_at_one_by_one(
    client_of: Client, db: Database, two_teams: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(db, ana=1)
    monkeypatch.setattr("leaderboard.web.insights.MOST_GROUPS", 1)
    page = client_of("ana").get("/insights").text
    assert page.count("There are many teams: choose one above") == 2
    assert "<figure" not in section(page, "rhythm")
    page = client_of("ana").get("/insights?team=shop").text
    assert section(page, "rhythm").count("<figure") == 1
    assert re.findall(r'<th scope="col">([^<]*)</th>', section(page, "between")) == ["Shop"]
    assert re.findall(r'<th scope="row">([^<]*)</th>', section(page, "between")) == ["Care", "Shop"]
    assert len(rows(client_of("ana").get("/insights/between.csv"))) == 5


def test_a_week_that_lies_in_two_years_and_a_year_of_53_weeks_keep_their_order(
    client_of: Client, db: Database, two_teams: Company, clock: Clock
) -> None:
    for day, number in ((27, 1), (30, 2)):
        moment = datetime(2026, 12, day, 12, tzinfo=UTC)
        take_in(db, thanks(number, occurred_at=moment), now=moment)
    clock.at(datetime(2027, 1, 5, 12, tzinfo=UTC))
    take_in(db, thanks(3, occurred_at=clock()), now=clock())
    page = client_of("ana").get("/insights?team=care").text
    lines = table(section(page, "over-time"), "Points by week and guideline")
    assert [line[:2] for line in lines[-4:]] == [
        ["2026-W51", "0"],
        ["2026-W52", "8"],
        ["2026-W53", "8"],
        ["2027-W01", "8"],
    ]
    picture = section(page, "rhythm")
    assert re.findall(r">(Q\d \d+)</text>", picture)[-2:] == ["Q4 2026", "Q1 2027"]
    assert list(drawn(picture))[-3:] == ["2026-W52", "2026-W53", "2027-W01"]


def test_ones_own_team_is_marked_in_the_choice(client_of: Client, db: Database, two_teams: Company) -> None:
    give(db, ana=1)
    options = re.findall(r"<option[^>]*>([^<]*)</option>", client_of("dan").get("/insights").text)
    assert options[:3] == ["All teams", "Care", "Shop (my team)"]


def test_large_numbers_fit_their_scale(app: Flask) -> None:
    with app.test_request_context():
        assert [pages.compact(number) for number in (0, 600, 4000, 20_000, 400_000)] == [
            "0", "600", "4,000", "20K", "400K",
        ]  # fmt: skip


def test_the_page_is_reached_from_the_weeks(client_of: Client, two_teams: Company) -> None:
    assert '<a href="/insights">How are we doing?</a>' in client_of("ana").get("/weeks").text
    page = client_of("ana").get("/insights").text
    assert '<a href="/insights" aria-current="true">How are we doing?</a>' in page


# --- a person's page ----------------------------------------------------------------------------------------


def test_a_persons_pictures_go_back_a_quarter_or_a_year(client_of: Client, some_weeks: Company) -> None:
    ben = client_of("ben")
    for query, count in (("", 12), ("?weeks=52", 52), ("?weeks=99999", 12), ("?weeks=x", 12)):
        page = ben.get(f"/people/ben{query}").text
        lines = table(section(page, "over-time"), "Points by week and guideline")[1:]
        assert len(lines) == count
        assert lines[-2][:2] == ["2026-W46", "24"]
        assert rows(ben.get(f"/people/ben/weeks.csv{query}"))[1:] == lines
    assert 'href="/people/ben?weeks=52#over-time"' in ben.get("/people/ben").text
    assert "24 points" in text(section(ben.get("/people/ben").text, "mix"))


def test_a_persons_weeks_come_to_those_who_may_see_the_points(
    client_of: Client, db: Database, company: Company
) -> None:
    change(db, company, "ben", visibility="off")
    for handle, status in (("ana", 404), ("dan", 404), ("ben", 200), ("lea", 200), ("ada", 200)):
        assert client_of(handle).get("/people/ben/weeks.csv").status_code == status
    assert client_of("ana").get("/people/nobody/weeks.csv").status_code == 404


# --- in a browser -------------------------------------------------------------------------------------------

LETTERS = """() => [...document.querySelectorAll(".plot text")].map(text => {
  const plot = text.ownerSVGElement;
  return parseFloat(getComputedStyle(text).fontSize) * plot.clientWidth / plot.viewBox.baseVal.width;
})"""
OUTSIDE = """() => [...document.querySelectorAll(".plot rect, .plot text, .mix-bar, .between")].filter(part => {
  const room = part.closest(".panel, .table-frame").getBoundingClientRect(), box = part.getBoundingClientRect();
  return !part.closest("details") && !part.matches(".table-frame *") && (box.left < room.left || box.right > room.right);
}).map(part => part.outerHTML.slice(0, 200))"""
CONTRAST = """() => {
  const numbers = colour => {
    const pen = new OffscreenCanvas(1, 1).getContext("2d");
    pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const light = colour => numbers(colour).slice(0, 3).map(part => part / 255)
    .map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [.2126, .7152, .0722][place], 0);
  const ratio = (one, other) => (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
  const found = {};
  for (const part of document.querySelectorAll(".plot rect, .mix-bar rect")) {
    const look = getComputedStyle(part), panel = getComputedStyle(part.closest(".panel"));
    const colour = look.fill === "none" ? look.stroke : look.fill;
    found[colour] = ratio(light(colour), light(panel.backgroundColor));
  }
  for (const cell of document.querySelectorAll(".between td[class]:not(.shade-0)")) {
    const look = getComputedStyle(cell), frame = getComputedStyle(cell.closest(".table-frame"));
    found[look.borderTopColor + " border"] = ratio(light(look.borderTopColor), light(frame.backgroundColor));
    found[look.backgroundColor + " number"] = ratio(light(look.color), light(look.backgroundColor)) / 1.5;
  }
  return found;
}"""


@in_browser
def test_pictures_keep_their_letters_and_their_room_on_a_phone_from_both_sides(
    app: Flask, opened: Opened, some_weeks: Company
) -> None:
    app.register_blueprint(styleguide.blueprint)
    for path in ("/insights", "/insights?weeks=52&team=care", "/people/ana?weeks=52", "/styleguide"):
        page = opened(path, viewport=PHONE)
        for direction in ("ltr", "rtl"):
            page.evaluate("direction => document.documentElement.dir = direction", direction)
            letters = page.evaluate(LETTERS)
            assert letters, path
            assert min(letters) >= 12, (path, direction)
            assert page.evaluate(OUTSIDE) == [], (path, direction)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], (path, direction)


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_drawn_stands_out_three_to_one_from_what_it_is_drawn_on(
    app: Flask, opened: Opened, scheme: str
) -> None:
    app.register_blueprint(styleguide.blueprint)
    page: Page = opened("/styleguide", color_scheme=scheme)
    found = page.evaluate(CONTRAST)
    assert len(found) >= 11
    assert {colour: ratio for colour, ratio in found.items() if ratio < 3} == {}
