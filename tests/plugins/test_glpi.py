"""What is particular to GLPI: a challenge, signatures of the queue's time, a team in addresses, pages with status 206."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sqlmodel import select

from leaderboard import deliveries
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Greeting, Invalid, Refused, Secret, TryLater, hmac_of
from leaderboard.tables import Promise
from plugins.glpi import Glpi
from tests.make import NOON, Clock, Company
from tests.plugins import OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_e import glpi
from tests.plugins.road import road_of, total
from tests.plugins.tools import NOW, Said
from tests.plugins.tools_e import GlpiTool, local

HOUR = timedelta(hours=1)
ADDRESS = "https://glpi.example.com"
PLUGIN = Glpi(address=ADDRESS, secret="s", previous_secret="old")
Desk = tuple[GlpiTool, Pulled]


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["glpi"] if found.case == case)


def events_of(body: Any, plugin: Glpi = PLUGIN) -> list[Event]:
    return list(plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


def changed(case: str, **item: Any) -> list[Event]:
    body = sample(case).json()
    return events_of({**body, "item": {**body["item"], **item}})


@pytest.fixture(scope="module")
def running() -> Iterator[GlpiTool]:
    with GlpiTool().running() as tool:
        assert isinstance(tool, GlpiTool)
        yield tool


@pytest.fixture
def desk(running: GlpiTool) -> Desk:
    """The tool, empty again."""
    for name, rows in running.tables.items():
        if name != "RequestType":
            rows.clear()
    running.parts.clear()
    running.asked.clear()
    running.now, running.misbehaves = NOW, lambda asked: None
    return running, glpi(running)


def pulled(desk: Desk, http: httpx.Client, **settings: Any) -> dict[str, Event]:
    return {event.key: event for event in desk[1].events(http, **settings)[0]}


# ---------------------------------------------------------------- the door


def challenge(token: str, method: str = "GET") -> Greeting | None:
    return PLUGIN.greet(Delivery(b"", {}, NOW, method=method, args={"crc_token": token}))


@pytest.mark.parametrize("secret", ["s", "old"])
def test_the_challenge_is_answered_with_the_secret_that_made_it(secret: str) -> None:
    token = hmac_of(Secret(secret), b"validate_cra_challenge", encoding="hex")
    assert challenge(token) == Greeting(hmac_of(Secret(secret), token.encode(), encoding="hex"))


@pytest.mark.parametrize("text", ["x", '{"item": {}}1795165200', "validate_cra_challenge", "é", "0" * 64])
def test_no_other_text_is_ever_signed(text: str) -> None:
    """Whoever had it signed could send a delivery with it."""
    with pytest.raises(Refused, match="challenge"):
        challenge(text)


def test_what_is_no_challenge_is_left_to_the_door() -> None:
    assert challenge("") is None
    assert challenge("x", "POST") is None
    with pytest.raises(Refused):
        Glpi(address=ADDRESS).greet(Delivery(b"", {}, NOW, method="GET", args={"crc_token": "x"}))


def test_a_delivery_may_have_waited_a_day_in_the_queue() -> None:
    headers = {name.lower(): value for name, value in PLUGIN.sign(b"{}", NOW).items()}
    PLUGIN.verify(Delivery(b"{}", headers, NOW + timedelta(hours=23)))
    with pytest.raises(Refused, match="clock"):
        PLUGIN.verify(Delivery(b"{}", headers, NOW + timedelta(hours=25)))


@pytest.mark.parametrize("stamp", ["", "soon", "٣", "1795165200.5", "9" * 30])
def test_a_time_stamp_that_is_none_is_refused(stamp: str) -> None:
    signature = hmac_of(Secret("s"), b"{}" + stamp.encode(), encoding="hex")
    with pytest.raises(Refused):
        PLUGIN.verify(Delivery(b"{}", {"x-glpi-timestamp": stamp, "x-glpi-signature": signature}, NOW))


def test_a_setting_that_is_none_stops_the_start() -> None:
    for settings in ({"address": "glpi"}, {"timezone": "Paris"}, {"good_from": "many"}):
        with pytest.raises(ValidationError):
            Glpi(**{"address": ADDRESS, **settings})
    assert Glpi(address=ADDRESS, secret="s").api_url() is None


# ---------------------------------------------------------------- webhooks


def test_a_note_is_help_only_on_a_colleagues_ticket() -> None:
    kinds = {user: [event.kind for event in changed("note", user={"id": user})] for user in (8, 7, 31)}
    assert kinds == {8: ["help.given"], 7: [], 31: []}  # a colleague's, the owner's, the customer's own
    assert changed("note", user=None) == []
    with pytest.raises(Invalid, match="private"):
        changed("note", is_private=None)


def test_who_calls_their_own_followup_a_thanks_is_its_giver() -> None:
    (event,) = changed("thanks", user={"id": 7}, user_editor=None)
    assert (event.agents, event.giver) == (("7",), "7")
    (event,) = changed("thanks", user_editor={"id": 31})
    assert event.giver is None  # the customer's act


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("&#60;p&#62;Thank you &#38;amp; <b>", "Thank you &"),  # GLPI 10
        ("&#60;p&#62;Thank&#60;/p&#62;&#60;p&#62;you&#60;/p&#62;", "Thank\nyou"),
        ("<p>&#60;p&#62; is a tag</p>", "<p> is a tag"),
        ("&#60;", "<"),
        (None, None),
    ],
)
def test_words_are_read_once_or_twice_encoded(content: str | None, text: str | None) -> None:
    (event,) = changed("thanks", content=content)
    assert event.text == text


def test_a_solution_without_its_ticket_waits_for_the_pull() -> None:
    body = sample("solution").json()
    assert events_of({"item": body["item"], "event": "new"}) == []
    assert events_of({**body, "event": "update"}) == []


def test_a_team_member_may_tell_its_number_in_either_way() -> None:
    body = sample("answer").json()
    body["item"]["is_private"], body["item"]["user"]["id"] = True, 8
    for member, giver in (
        ({"role": "assigned", "type": "User", "id": 7}, "7"),
        ({"role": "assigned", "href": "https://x.example/glpi/front/user.form.php?id=12"}, "12"),
    ):
        body["parent_item"]["team"] = [member]
        assert [event.giver for event in events_of(body)] == [giver]
    for nobody in (
        {"role": "assigned", "type": "Group", "id": 7},
        {"role": "assigned", "href": "/front/group.form.php?id=7"},
    ):
        body["parent_item"]["team"] = [nobody]
        assert events_of(body) == []


# ---------------------------------------------------------------- the same fact by both roads


@pytest.mark.parametrize("case", ["thanks", "thanks_of_two", "answer", "note", "customer_writes", "solution"])
def test_a_fact_by_webhook_and_by_pull_is_the_same(desk: Desk, http: httpx.Client, case: str) -> None:
    tool, item = desk[0], sample(case).json()["item"]
    tool.change(812, NOW)
    tool.team(812, *((7, 8) if case == "thanks_of_two" else (7,)), customer=31)
    author, editor = ((item[name] or {}).get("id", 0) for name in ("user", "user_editor"))
    if case == "solution":
        tool.solve(812, item["id"], author, NOW)
    else:
        about = {"is_private": int(item["is_private"]), "requesttypes_id": item["request_type"]["id"]}
        tool.write(812, item["id"], author, NOW, content=item["content"], users_id_editor=editor, **about)
    found = list(pulled(desk, http).values())
    sent = [
        (e.key, e.kind, e.occurred_at, e.agents, e.giver, e.customer, e.text) for e in sample(case).events
    ]
    assert [(e.key, e.kind, e.occurred_at, e.agents, e.giver, e.customer, e.text) for e in found] == sent


# ---------------------------------------------------------------- the pull


def test_stars_are_happy_or_unhappy_as_the_settings_say(desk: Desk, http: httpx.Client) -> None:
    for number, stars in enumerate((0, 2, 2.5, 3.9, 4, 5, 5.5, -1, True, "5", None), 1):
        desk[0].rate(number, 0, NOW - HOUR, satisfaction=stars, satisfaction_scaled_to_5=stars)
    assert sorted(pulled(desk, http)) == ["rating/1/bad", "rating/2/bad", "rating/5/good", "rating/6/good"]
    strict = pulled(desk, http, good_from=5, bad_up_to=0)
    assert sorted(strict) == ["rating/1/bad", "rating/6/good"]


def test_a_scale_of_ten_is_counted_as_five(desk: Desk, http: httpx.Client) -> None:
    desk[0].rate(1, 4, NOW - HOUR, satisfaction=8)
    assert list(pulled(desk, http)) == ["rating/1/good"]


def test_an_answer_that_was_changed_twice_is_each_time_another_fact(desk: Desk, http: httpx.Client) -> None:
    found: dict[str, Event] = {}
    for stars in (1, 5, 2):
        desk[0].tables["TicketSatisfaction"].clear()
        desk[0].rate(1, stars, NOW - HOUR)
        found |= pulled(desk, http)
    assert {(event.key, event.object) for event in found.values()} == {
        ("rating/1/bad", "rating/1"),
        ("rating/1/good", "rating/1"),
    }


def test_a_ticket_of_nobody_earns_nobody_anything(desk: Desk, http: httpx.Client) -> None:
    desk[0].rate(1, 5, NOW - HOUR)
    desk[0].team(1)
    desk[0].change(2, NOW - HOUR, time_to_resolve=local(NOW))
    desk[0].team(2)
    found = pulled(desk, http)
    assert {key: event.agents for key, event in found.items()} == {"rating/1/good": ()}


def test_surveys_are_read_until_those_of_the_last_pull_and_never_unanswered(
    desk: Desk, http: httpx.Client
) -> None:
    for number in range(1, 10):
        desk[0].rate(number, 5, NOW - number * HOUR)
    desk[0].rate(10, 5, NOW, date_answered=None, satisfaction=None, satisfaction_scaled_to_5=None)
    begin = f"{NOW - timedelta(hours=2, minutes=30):%Y-%m-%dT%H:%M:%SZ}"
    events, _ = desk[1].events(http, f"ratings={begin}&tickets={begin}&faq={begin}")
    assert [event.key for event in events] == ["rating/2/good", "rating/1/good"]
    assert desk[0].paths().count("/apirest.php/TicketSatisfaction") == 2
    assert len(pulled(desk, http)) == 9


def test_only_what_was_written_since_counts(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    tool.change(3, NOW - HOUR)
    tool.write(3, 1, 88, NOW - timedelta(days=9))
    tool.write(3, 2, 88, NOW - HOUR)
    tool.write(3, 3, 0, NOW - HOUR)  # a mail of nobody's account
    tool.solve(3, 31, 77, NOW - timedelta(days=9))
    assert list(pulled(desk, http)) == ["followup/2/helped"]
    assert pulled(desk, http, read_timeline=False) == {}


def test_a_refused_solution_opens_the_ticket_again(desk: Desk, http: httpx.Client) -> None:
    desk[0].change(3, NOW - HOUR)
    desk[0].solve(3, 31, 77, NOW - 2 * HOUR, status=4, date_approval=local(NOW - HOUR))
    found = pulled(desk, http)
    assert [(e.key, e.occurred_at) for e in found.values()] == [
        ("solution/31/solved", NOW - 2 * HOUR),
        ("solution/31/refused", NOW - HOUR),
    ]


def test_only_entries_of_the_faq_are_knowledge_shared(desk: Desk, http: httpx.Client) -> None:
    for number, (is_faq, user) in enumerate(((1, 77), (0, 77), (1, 0)), 1):
        entry = {"id": number, "users_id": user, "is_faq": is_faq, "date_mod": local(NOW - HOUR)}
        desk[0].tables["KnowbaseItem"].append(entry)
    assert list(pulled(desk, http)) == ["article/1/published"]
    assert pulled(desk, http, read_faq=False) == {}


def test_a_promise_may_stand_in_another_column_or_in_none(desk: Desk, http: httpx.Client) -> None:
    desk[0].change(1, NOW - HOUR, time_to_resolve=local(NOW), internal_time_to_resolve=local(NOW + HOUR))
    assert list(pulled(desk, http)) == ["promise/1/made/2026-11-20T09:00:00Z"]
    inside = pulled(desk, http, promise_field="internal_time_to_resolve", read_timeline=False)
    assert list(inside) == ["promise/1/made/2026-11-20T10:00:00Z"]
    assert pulled(desk, http, promise_field="") == {}


def test_a_list_that_goes_round_in_a_circle_is_left(desk: Desk, http: httpx.Client) -> None:
    same = [{"id": n, "date_mod": local(NOW)} for n in (1, 2)]
    desk[0].misbehaves = lambda asked: Said(same, status=206) if asked.path.endswith("/Ticket") else None
    with pytest.raises(Invalid, match="circle"):
        pulled(desk, http, read_timeline=False)


def test_a_server_that_is_busy_in_the_middle_is_asked_again_from_the_newest(
    desk: Desk, http: httpx.Client
) -> None:
    tool, pull = desk
    for number in range(1, 6):
        tool.change(number, NOW - number * HOUR)
        tool.solve(number, 30 + number, 77, NOW - number * HOUR)
    tool.misbehaves = lambda asked: Said(status=503) if "/Ticket/4/" in asked.path else None
    pages = []
    with pytest.raises(TryLater):
        pages.extend(pull.make().pull(http, None))
    tool.misbehaves = lambda asked: None
    later, _ = pull.events(http, pages[-1].cursor)
    assert {event.ticket for page in pages for event in page.events} == {"1", "2"}
    assert {event.ticket for event in later} == {"1", "2", "3", "4", "5"}


def test_tokens_of_others_are_named(desk: Desk, http: httpx.Client) -> None:
    with pytest.raises(Invalid, match="credentials"):
        pulled(desk, http, user_token="another")
    with pytest.raises(Invalid, match="400"):
        pulled(desk, http, app_token=None)
    desk[0].misbehaves = lambda asked: Said({"session_token": None}) if "initSession" in asked.path else None
    with pytest.raises(Invalid, match="user_token"):
        pulled(desk, http)


@pytest.mark.parametrize("cursor", ["nonsense", "ratings=x&tickets=1", f"ratings={NOW:%Y}"])
def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, http: httpx.Client, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_accounts_are_the_staff_with_their_default_address(desk: Desk, http: httpx.Client) -> None:
    tables = desk[0].tables
    tables["Profile"] = [{"id": 1, "interface": "helpdesk"}, {"id": 6, "interface": "central"}]
    held = ((7, 6), (7, 1), (8, 6), (31, 1), (2, 6), (6, 6))
    tables["Profile_User"] = [{"users_id": user, "profiles_id": profile} for user, profile in held]
    user = {"is_active": 1, "realname": "Alvarez", "firstname": "Ana"}
    more = ({"id": 7, "name": "ana"}, {"id": 8, "name": "ben", "is_active": 0}, {"id": 31, "name": "ito"})
    tables["User"] = [{**user, **each} for each in more]
    tables["User"] += [{"id": 6, "name": "glpi-system"}, {"id": 2, "name": "glpi", "is_active": 1}]
    for email, is_default in (("ana@home.example", 0), ("ana@example.com", 1), ("ana@old.example", 0)):
        tables["UserEmail"].append({"users_id": 7, "email": email, "is_default": is_default})
    found = [(a.id, a.email, a.name, a.bot) for a in desk[1].make().accounts(http)]
    assert found == [
        ("7", "ana@example.com", "Ana Alvarez", False),
        ("6", None, "glpi-system", True),
        ("2", None, "glpi", False),
    ]


# ---------------------------------------------------------------- the whole road


@pytest.fixture
def road(db: Database, company: Company, desk: Desk) -> tuple[GlpiTool, Config]:
    return road_of(db, company, desk, "glpi", ana="77", ben="88")


def test_an_unhappy_answer_a_reply_and_a_thanks_are_a_recovery(
    db: Database, company: Company, clock: Clock, road: tuple[GlpiTool, Config]
) -> None:
    tool, config = road
    tool.rate(9, 1, NOON - 3 * HOUR, "Nobody came.")
    tool.change(9, NOON - HOUR)
    tool.write(9, 1, 77, NOON - 2 * HOUR, is_private=0)
    tool.write(9, 2, 88, NOON - 2 * HOUR)
    tool.write(9, 3, 500, NOON - HOUR, is_private=0, requesttypes_id=9, content="<p>Thank you!</p>")
    assert deliveries.pull(db, config, "glpi", clock) == 4
    assert deliveries.pull(db, config, "glpi", clock) == 0
    assert (total(db, company), total(db, company, "ben")) == (12, 3)


def test_a_promise_is_on_record_moved_in_time_and_kept(
    db: Database, company: Company, clock: Clock, road: tuple[GlpiTool, Config]
) -> None:
    """Each pull sees only the due time of that moment."""
    tool, config = road
    steps: tuple[tuple[int, dict[str, Any]], ...] = (
        (4, {"time_to_resolve": local(NOON - 2 * HOUR)}),
        (3, {"time_to_resolve": local(NOON)}),
        (1, {"time_to_resolve": local(NOON), "status": 6, "solvedate": local(NOON - HOUR)}),
    )
    for hours, more in steps:
        tool.now = NOON - hours * HOUR
        tool.change(9, tool.now, **more)
        deliveries.pull(db, config, "glpi", clock)
    with db.reading() as session:
        row = session.exec(select(Promise)).one()
    assert (row.state, row.due_at, row.maker_id) == ("kept", NOON, company["ana"])
    assert total(db, company) == 5
