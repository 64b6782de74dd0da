"""Set-up that helps itself: what to paste and to tick, a light that says what is wrong, the freeze button, the past."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlmodel import select

from leaderboard import config as settings
from leaderboard import jobs
from leaderboard.app import create_app
from leaderboard.config import Config, folder, plugin_class
from leaderboard.database import Database
from leaderboard.deliveries.freezing import touch
from leaderboard.plugin import Delivery, Plugin, Refused
from leaderboard.tables import Act, Backfill, Person, Refusal
from tests.conftest import CONFIG
from tests.make import NOON, Clock, Company
from tests.visitor import Visitor
from tests.web.test_admin import DEMO
from tests.web.test_hooks import SOURCES, count, points, send, signed

PLUGINS = sorted(file.parent.name for file in folder("plugins").glob("*/__init__.py"))


class OtherAccount(Plugin):
    """A plugin whose tool says for which account a delivery is."""

    def verify(self, delivery: Delivery) -> None:
        raise Refused("it is about the account globex; the settings name acme", "account")


@pytest.fixture
def config() -> Config:
    found = settings.read(CONFIG + SOURCES + DEMO)
    return found.model_copy(update={"plugins": {**found.plugins, "other": OtherAccount()}})


@pytest.fixture
def desk(db: Database, company: Company, clock: Clock, config: Config) -> Flask:
    return create_app(config, db, clock)


def forge(desk: Flask, clock: Clock, times: int = 1, source: str = "standard") -> None:
    for _ in range(times):
        clock.forward(seconds=2)  # they are written down once a second
        assert desk.test_client().post(f"/hooks/{source}", data=b"{}").status_code == 401


def lamp(page: str) -> str:
    """What the light's own part of a source's page says."""
    return page.partition('id="light"')[2].partition("</section>")[0]


def is_light(page: str, light: str) -> bool:
    return f'class="panel lamp lamp-{light}"' in page


# ------------------------------------------------------------------------------------------ what to paste and to tick


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_says_what_to_tick_and_what_to_grant_in_its_tools_words(name: str) -> None:
    plugin = plugin_class(name)
    assert plugin.to_tick or not plugin.sends
    assert plugin.to_grant or plugin.pull is Plugin.pull
    assert all(text == text.strip() and 3 <= len(text) <= 120 for text in plugin.to_tick + plugin.to_grant)


def test_each_source_shows_the_address_to_paste_and_what_to_tick(ada: Visitor) -> None:
    for path in ("/admin/sources", "/admin/sources/standard"):
        page = ada.get(path).text
        assert 'readonly value="http://localhost/hooks/standard"' in page
        assert "webhook-signature" in page
    assert 'value="http://localhost/hooks/shop"' in ada.get("/admin/sources").text


# ------------------------------------------------------------------------------------------ the light


def test_before_anything_came_the_light_says_what_it_usually_is(ada: Visitor) -> None:
    page = ada.get("/admin/sources/standard").text
    assert is_light(page, "calm")
    assert "Nothing has come yet" in lamp(page)
    assert "Our address, http://localhost, can be reached from this network alone" in page


def test_the_light_is_red_with_the_usual_reasons_until_the_first_good_delivery_makes_it_green(
    desk: Flask, ada: Visitor, clock: Clock
) -> None:
    forge(desk, clock, 3)
    page = ada.get("/admin/sources/standard").text
    assert is_light(page, "bad")
    said = lamp(page)
    for words in (
        "The signature does not match",
        "3 were refused since",
        "Another secret was pasted",
        "Something between changes the body",
        "The address belongs to another account",
        "The secret was changed on one side only",
        "webhook-id is missing",
    ):
        assert words in said
    assert "Standard Webhooks is not let in" in ada.get("/admin").text
    clock.forward(seconds=1)
    assert send(desk).status_code == 202
    page = ada.get("/admin/sources/standard").text
    assert is_light(page, "good")
    assert "refused" not in lamp(page), "what was before the first good one is over"
    assert "is not let in" not in ada.get("/admin").text


def test_nobody_turns_a_green_light_red_by_a_forgery(
    desk: Flask, visit: Callable[[str], Visitor], clock: Clock
) -> None:
    ada = visit("ada")
    send(desk)
    forge(desk, clock, 5)
    page = ada.get("/admin/sources/standard").text
    assert is_light(page, "good")
    assert "5 were refused since" in lamp(page)
    assert "this alone changes no light" in lamp(page)
    assert is_light(ada.get("/admin/sources").text, "good lamp-brief")
    clock.forward(days=2)
    forge(desk, clock)
    ada = visit("ada")
    page = ada.get("/admin/sources/standard").text
    assert is_light(page, "calm"), "quiet, as it would be without them"
    assert "6 were refused since" in lamp(page)
    assert "is not let in" not in ada.get("/admin").text


def test_a_source_whose_pull_works_stays_green_whatever_is_sent_to_it(
    desk: Flask, db: Database, ada: Visitor, clock: Clock
) -> None:
    with db.writing() as session:
        touch(session, "demo", pulled_at=clock())
    forge(desk, clock, 2, "demo")
    page = ada.get("/admin/sources/demo").text
    assert is_light(page, "good")
    assert "2 were refused since" in lamp(page)


def test_a_delivery_of_the_tool_that_cannot_be_read_makes_it_red(
    desk: Flask, ada: Visitor, clock: Clock
) -> None:
    send(desk)
    clock.forward(minutes=1)
    send(desk, b"{")
    page = ada.get("/admin/sources/standard").text
    assert is_light(page, "bad")
    assert "could not be read" in lamp(page)
    assert 'href="/admin/deliveries/2"' in lamp(page)


@pytest.mark.parametrize(
    ("hours", "words"), [(-3, "behind our clock by 3 hours"), (3, "ahead of our clock by 3 hours")]
)
def test_a_wrong_clock_is_told_with_how_far_it_is_off(
    desk: Flask, ada: Visitor, clock: Clock, hours: int, words: str
) -> None:
    headers = desk.extensions["config"].plugins["standard"].sign(b"{}", clock() + timedelta(hours=hours))
    assert desk.test_client().post("/hooks/standard", data=b"{}", headers=headers).status_code == 401
    assert words in lamp(ada.get("/admin/sources/standard").text)


def test_what_is_signed_for_another_section_is_told_so(desk: Flask, ada: Visitor) -> None:
    headers = signed(desk, b"{}", "shop")
    assert desk.test_client().post("/hooks/standard", data=b"{}", headers=headers).status_code == 401
    said = lamp(ada.get("/admin/sources/standard").text)
    assert "It is signed with the secret of another section" in said
    assert "[plugins.shop]" in said


def test_what_is_about_another_account_is_told_so(desk: Flask, ada: Visitor, clock: Clock) -> None:
    forge(desk, clock, source="other")
    said = lamp(ada.get("/admin/sources/other").text)
    assert "It is about another account than the settings name" in said
    assert "globex" in said


def test_a_delivery_that_is_too_large_is_told_of(desk: Flask, ada: Visitor) -> None:
    body = b" " * (1024 * 1024 + 1)
    answer = desk.test_client().post("/hooks/standard", data=body, headers=signed(desk, body))
    assert answer.status_code == 413
    assert "A delivery was too large" in lamp(ada.get("/admin/sources/standard").text)


def test_what_comes_to_no_source_is_told_of_for_a_week(
    desk: Flask, visit: Callable[[str], Visitor], clock: Clock
) -> None:
    ada = visit("ada")
    assert desk.test_client().post("/hooks/standrad", data=b"{}").status_code == 404
    assert "no source has, /hooks/standrad" in ada.get("/admin/sources").text
    clock.forward(days=8)
    assert "standrad" not in visit("ada").get("/admin/sources").text


def test_a_flood_makes_no_more_rows_than_there_are_causes(
    desk: Flask, db: Database, ada: Visitor, clock: Clock
) -> None:
    for number in range(30):
        clock.forward(seconds=2)
        desk.test_client().post(f"/hooks/made_up_{number}", data=b"{}")
        desk.test_client().post("/hooks/standard", data=b"{}", headers={"webhook-id": f"<b>{number}</b>"})
        clock.forward(seconds=2)
        desk.test_client().post("/hooks/standard", data=b"{}")
    assert count(db, Refusal) == 2
    page = ada.get("/admin/sources").text
    assert "30 deliveries came to addresses" in page
    assert "60 were refused since" in page


def test_a_pull_that_is_not_let_in_names_what_to_grant(
    desk: Flask, db: Database, ada: Visitor, clock: Clock
) -> None:
    with db.writing() as session:
        error = "desk.example.com refuses our credentials (status 403); check them"
        touch(session, "demo", pull_failures=1, pull_error=error, pull_cause="rights", pulled_at=clock())
    page = ada.get("/admin/sources/demo").text
    assert is_light(page, "bad")
    for words in ("refuses our credentials", "It must be allowed", "facts: read"):
        assert words in lamp(page)


def test_an_open_page_is_told_of_a_change_and_of_nothing_else(
    desk: Flask, ada: Visitor, clock: Clock
) -> None:
    for path in ("/admin/sources", "/admin/sources/standard"):
        version = ada.get(path).headers["ETag"]
        asks = {"HX-Request": "true", "If-None-Match": version}
        assert ada.get(path, headers=asks).status_code == 304
        forge(desk, clock)
        changed = ada.get(path, headers=asks)
        assert changed.status_code == 200
        assert changed.headers["ETag"] != version
        assert ada.get(path, headers={"If-None-Match": changed.headers["ETag"]}).status_code == 200, (
            "a reload"
        )


# ------------------------------------------------------------------------------------------ the freeze button


def test_the_freeze_button_holds_everything_back_and_its_counterpart_lets_it_go(
    desk: Flask, db: Database, company: Company, ada: Visitor, clock: Clock
) -> None:
    answer = ada.submit("/admin/sources/standard/freeze", {"why": "They were broken into"})
    assert answer.headers["Location"] == "/admin/sources/standard#freeze"
    taken = send(desk)
    assert (taken.status_code, taken.json and taken.json["state"]) == (202, "pending")
    assert points(db, company) == 0
    page = ada.get("/admin/sources/standard").text
    assert "Frozen since" in lamp(page)
    for words in ("By Ada,", "1 delivery waits", "They were broken into", "Unfreeze"):
        assert words in page
    assert "Standard Webhooks is frozen" in ada.get("/admin").text
    assert "frozen since" in ada.get("/admin/sources").text
    assert desk.test_client().get("/healthz").json["frozen_sources"] == 1  # type: ignore[index]
    assert "is frozen" in ada.submit("/admin/deliveries/1/replay", follow_redirects=True).text
    ada.submit("/admin/sources/standard/release")
    jobs.tick(
        next(job for job in jobs.JOBS if job.name == "deliveries"), db, desk.extensions["config"], clock
    )
    assert points(db, company) == 8
    assert "is frozen" not in ada.get("/admin").text
    with db.reading() as session:
        acts = session.exec(select(Act.what, Act.done_by, Act.why).order_by(Act.id)).all()  # type: ignore[arg-type]
    assert acts == [("freeze", company["ada"], "They were broken into"), ("release", company["ada"], "")]


def test_a_frozen_source_is_not_pulled_by_hand_and_its_test_waits(
    desk: Flask, db: Database, ada: Visitor
) -> None:
    ada.submit("/admin/sources/demo/freeze")
    assert "is frozen" in ada.submit("/admin/sources/demo/pull", follow_redirects=True).text
    assert (
        "It waits: the source is frozen" in ada.submit("/admin/sources/demo/try", follow_redirects=True).text
    )


def test_a_reason_that_no_database_takes_is_refused(desk: Flask, db: Database, ada: Visitor) -> None:
    assert ada.submit("/admin/sources/standard/freeze", {"why": "a\0b"}).status_code in (303, 400, 422)
    assert count(db, Act) == 0


# ------------------------------------------------------------------------------------------ the past


def test_the_past_is_asked_for_stopped_and_gone_on_with(
    desk: Flask, db: Database, company: Company, ada: Visitor
) -> None:
    where = "/admin/sources/demo/backfill"
    for days in ("0", "366", "-1", "", "many", "٣"):
        assert "from 1 to 365" in ada.submit(where, {"days": days}, follow_redirects=True).text, days
    assert count(db, Backfill) == 0
    ada.submit(where, {"days": "90"})
    page = ada.get("/admin/sources/demo").text
    assert "It fetches: from" in page
    assert 'hx-trigger="every 2s"' in page
    assert "fetched already" in ada.submit(where, {"days": "3"}, follow_redirects=True).text
    page = ada.submit(where, {"do": "stop"}, follow_redirects=True).text
    assert "Stopped: from" in page
    page = ada.submit(where, {"do": "resume"}, follow_redirects=True).text
    assert "It fetches: from" in page
    for act in (
        "Fetching the past</strong> <span>90 days",
        "Fetching the past: stopped",
        "Fetching the past: went on",
    ):
        assert act in page
    with db.reading() as session:
        assert session.get_one(Backfill, "demo").since == (NOON - timedelta(days=90)).replace(hour=0)


def test_several_silent_sources_are_told_once_what_it_usually_is(desk: Flask, ada: Visitor) -> None:
    usual, address = "The tool&#39;s own log of webhooks says", 'readonly value="http://localhost/hooks/'
    page = ada.get("/admin/sources").text
    assert page.count(address) > 2
    assert page.count(usual) == 1
    assert usual in ada.get("/admin/sources/standard").text


def test_four_weeks_of_a_source_stand_in_bars_a_sentence_and_a_file(
    desk: Flask, ada: Visitor, clock: Clock
) -> None:
    clock.forward(days=-2)
    send(desk)
    send(desk)
    clock.forward(days=1)
    send(desk, b"{")
    clock.forward(days=1)
    assert ada.get("/admin/sources").text.count('class="days"') == 1, "the others were silent for ever"
    forge(desk, clock)
    words = "3 deliveries in four weeks, on 2 of 28 days; 1 could not be read; something was refused on 1 day"
    for path in ("/admin", "/admin/sources", "/admin/sources/standard"):
        assert f'aria-label="{words}"' in ada.get(path).text
    page = ada.get("/admin/sources/standard").text
    assert [page.count(f'class="days-{sign}"') for sign in ("read", "unread", "silent", "refused")] == [
        1,
        1,
        26,
        1,
    ]
    rows = ada.get("/admin/sources/standard/days.csv").text.splitlines()
    assert len(rows) == 29
    assert rows[-3:] == ["2026-11-16,2,0,", "2026-11-17,1,1,", "2026-11-18,0,0,yes"]


def test_a_day_of_the_bars_ends_at_the_viewers_midnight(
    desk: Flask, db: Database, company: Company, ada: Visitor, clock: Clock
) -> None:
    send(desk)  # Wednesday noon in UTC is Thursday, 02:00 in Kiritimati
    with db.writing() as session:
        session.get_one(Person, company["ada"]).timezone = "Pacific/Kiritimati"
    assert ada.get("/admin/sources/standard/days.csv").text.splitlines()[-1] == "2026-11-19,1,0,"


def test_a_source_that_is_not_pulled_has_no_past_to_fetch(ada: Visitor) -> None:
    assert "Fetch its past" not in ada.get("/admin/sources/standard").text
    page = ada.submit("/admin/sources/standard/backfill", {"days": "3"}, follow_redirects=True).text
    assert "cannot be asked for its past" in page
    assert ada.submit("/admin/sources/zendesk/backfill", {"days": "3"}).status_code == 404
