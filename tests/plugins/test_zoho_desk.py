"""What is particular to Zoho Desk: tokens by Zoho's key, 204 for an empty list, ratings by pull only, fields of one's own."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sqlmodel import select

from leaderboard import deliveries
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Invalid, Page, Refused, Secret, TryLater, jwt_of
from leaderboard.tables import Promise
from plugins.zoho_desk import DOMAINS, ZohoDesk
from tests.make import NOON, Clock, Company
from tests.plugins import OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_e import zoho_desk
from tests.plugins.road import road_of, total
from tests.plugins.tools import NOW, Said
from tests.plugins.tools_e import ZohoTool, stamp

HOUR = timedelta(hours=1)
Desk = tuple[ZohoTool, Pulled]


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["zoho_desk"] if found.case == case)


SETTINGS = sample("thanks").settings
PLUGIN = ZohoDesk(**SETTINGS)


def payloads(case: str) -> list[Any]:
    return [event["payload"] for event in sample(case).json()]


def events_of(kind: str, payload: Any, **more: Any) -> list[Event]:
    body = json.dumps([{"eventType": kind, "payload": payload, **more}]).encode()
    return list(PLUGIN.events(Delivery(body, {}, NOW)))


@pytest.fixture(scope="module")
def running() -> Iterator[ZohoTool]:
    with ZohoTool().running() as tool:
        assert isinstance(tool, ZohoTool)
        yield tool


@pytest.fixture
def desk(running: ZohoTool) -> Desk:
    """The tool, empty again."""
    for held in (running.ratings, running.tickets, running.articles, running.agents, running.asked):
        held.clear()
    running.conversations.clear()
    running.now, running.misbehaves = NOW, lambda asked: None
    return running, zoho_desk(running)


def pulled(desk: Desk, http: httpx.Client, **settings: Any) -> dict[str, Event]:
    return {event.key: event for event in desk[1].events(http, **settings)[0]}


# ---------------------------------------------------------------- the token


def with_claims(**changed: Any) -> Delivery:
    claims = {"iss": "orgId:60001280", "aud": "webhookId:231057000000360001", "exp": int(NOW.timestamp())}
    claims = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    return Delivery(b"[]", {"x-zdesk-jwt": jwt_of(Secret(SETTINGS["simulation_key"]), claims)}, NOW)


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": ["webhookId:231057000000360001"]},
        {"iat": seconds(NOW - 3 * HOUR), "exp": seconds(NOW + HOUR)},  # made before, but valid still
        {"iat": seconds(NOW - 3 * HOUR) * 1000, "exp": seconds(NOW + HOUR) * 1000},
        {"iat": seconds(NOW - timedelta(minutes=4)), "exp": None},
        {"iat": seconds(NOW) + 0.5, "exp": None},
    ],
)
def test_a_token_is_good_while_zoho_calls_it_valid(claims: dict[str, Any]) -> None:
    PLUGIN.verify(with_claims(**claims))


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "orgId:60001281"}, "org_id"),
        ({"iss": None}, "org_id"),
        ({"aud": "webhookId:9"}, "is for webhookId:9; if that is your webhook"),
        ({"aud": None}, "webhook_id"),
        ({"aud": ["webhookId:9", "webhookId:231057000000360001"]}, "webhook_id"),
        ({"exp": seconds(NOW - timedelta(minutes=6))}, "clock"),
        ({"iat": seconds(NOW + timedelta(minutes=6)), "exp": seconds(NOW + HOUR)}, "clock"),
        ({"iat": seconds(NOW - timedelta(minutes=6)), "exp": None}, "clock"),
        ({"exp": None}, "when it was made"),
        ({"exp": "soon"}, "cannot be read"),
        ({"exp": True}, "cannot be read"),
        ({"exp": 10**18}, "cannot be read"),
    ],
)
def test_a_token_of_others_or_of_another_time_is_refused(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        PLUGIN.verify(with_claims(**claims))


def test_without_a_webhooks_number_none_is_let_in_and_the_reason_names_it() -> None:
    plugin = ZohoDesk(**{**SETTINGS, "webhook_id": None})
    with pytest.raises(Refused, match="webhookId:231057000000360001"):
        plugin.verify(with_claims())


def test_without_public_keys_none_is_let_in() -> None:
    with pytest.raises(Refused, match="not among ours"):
        ZohoDesk(org_id="60001280", webhook_id="231057000000360001").verify(with_claims())


def test_only_who_has_a_private_key_can_simulate() -> None:
    with pytest.raises(Invalid, match="simulation_key"):
        ZohoDesk(**{**SETTINGS, "simulation_key": None}).sign(b"[]", NOW)


@pytest.mark.parametrize(
    "settings",
    [
        {"org_id": "sixty"},
        {"webhook_id": "webhookId:9"},
        {"data_center": "us"},
        {"public_keys": "{}"},
        {"timezone": "X"},
    ],
)
def test_a_setting_that_is_none_stops_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ZohoDesk(**{"org_id": "1", **settings})


@pytest.mark.parametrize("data_center", DOMAINS)
def test_each_data_centre_has_its_own_hosts_which_a_pull_may_ask(data_center: Any) -> None:
    api = {"client_id": "c", "client_secret": "s", "refresh_token": "r"}
    plugin = ZohoDesk(org_id="1", data_center=data_center, **api)
    assert httpx.URL(plugin.api_url() or "").host == f"desk.{DOMAINS[data_center]}"
    assert httpx.URL(plugin.token_url()).host in plugin.api_hosts
    for name in api:
        assert ZohoDesk(org_id="1", **{**api, name: None}).api_url() is None


# ---------------------------------------------------------------- the same fact by both roads


@pytest.mark.parametrize("case", ["thanks", "closed_in_time", "closed_by_nobody", "promised"])
def test_a_ticket_by_webhook_and_by_pull_is_the_same_fact(desk: Desk, http: httpx.Client, case: str) -> None:
    desk[0].tickets = payloads(case)
    sent = {(e.key, e.kind, e.occurred_at, e.agents, e.text) for e in sample(case).events}
    found = pulled(desk, http, timezone="Europe/Berlin").values()
    assert {(e.key, e.kind, e.occurred_at, e.agents, e.text) for e in found} == sent
    assert {event.giver for event in found} == {None}  # who wrote it down, only the webhook tells


def test_what_was_written_is_the_same_by_webhook_and_by_pull(desk: Desk, http: httpx.Client) -> None:
    """By pull the ticket's owner is known too, so that the private comment on it is help."""
    tool, ticket = desk[0], sample("written").events[0].ticket or ""
    tool.change(int(ticket), NOW - HOUR, assigneeId="231057000000139001")
    tool.conversations[ticket] = [
        {**payload, "type": "comment" if "isPublic" in payload else "thread"}
        for payload in payloads("written")
    ]
    found = pulled(desk, http)
    help_ = found.pop("comment/231057000000341601/helped")
    assert (help_.agents, help_.giver) == (("231057000000139044",), "231057000000139001")
    assert list(found.values()) == list(sample("written").events)
    assert pulled(desk, http, read_conversations=False) == {}


def test_an_article_is_the_same_by_webhook_and_by_pull(desk: Desk, http: httpx.Client) -> None:
    desk[0].articles = payloads("article")
    assert tuple(pulled(desk, http).values()) == sample("article").events
    assert pulled(desk, http, read_articles=False) == {}


def test_an_event_may_come_without_its_list() -> None:
    (item,) = sample("thanks").json()
    assert tuple(PLUGIN.events(Delivery(json.dumps(item).encode(), {}, NOW))) == sample("thanks").events


def test_any_field_of_tickets_may_hold_the_promise() -> None:
    plugin = ZohoDesk(**{**SETTINGS, "promise_field": "dueDate"})
    ticket = {**payloads("promised")[0], "dueDate": "2026-11-21T08:00:00.000Z", "cf": None}
    (event,) = plugin.events(
        Delivery(json.dumps({"eventType": "Ticket_Add", "payload": ticket}).encode(), {}, NOW)
    )
    assert event.key == f"promise/{ticket['id']}/made/2026-11-21T08:00:00Z"


def test_closed_is_told_by_the_type_or_by_the_names_in_the_settings() -> None:
    ticket = {
        "id": "1",
        "modifiedTime": stamp(NOW),
        "closedTime": stamp(NOW),
        "status": "Closed",
        "assigneeId": "7",
    }
    assert [event.kind for event in events_of("Ticket_Update", ticket)] == ["ticket.solved"]
    assert events_of("Ticket_Update", {**ticket, "status": "Waiting"}) == []
    assert events_of("Ticket_Update", {**ticket, "closedTime": None}) == []  # the pull will know when
    reopened = events_of("Ticket_Update", {**ticket, "status": "Open"}, prevState={"status": "Closed"})
    assert [event.kind for event in reopened] == ["ticket.reopened"]


@pytest.mark.parametrize("written", ["1795165200000", 1795165200000, "2026-11-20T09:00:00.000Z"])
def test_zohos_own_time_of_an_event_is_read_in_each_form(written: Any) -> None:
    (event,) = events_of("Ticket_Delete", {"id": "1"}, eventTime=written)
    assert event.occurred_at == NOW


# ---------------------------------------------------------------- ratings


def test_a_rating_is_told_by_its_face(desk: Desk, http: httpx.Client) -> None:
    for number, (face, words) in enumerate(
        [("GOOD", None), ("good", " "), ("GOOD", "Thank you"), ("OK", "Hm"), ("BAD", "Oh")]
    ):
        desk[0].rate(number + 1, face, NOW - HOUR, words)
    keys = ["rating/1/good", "rating/2/good", "rating/3/thanks", "rating/5/bad"]
    assert sorted(pulled(desk, http)) == keys


def test_a_rating_that_is_changed_twice_is_each_time_another_fact(desk: Desk, http: httpx.Client) -> None:
    found: dict[str, Event] = {}
    for face in ("BAD", "GOOD", "BAD"):
        desk[0].ratings.clear()
        desk[0].rate(1, face, NOW - HOUR)
        found |= pulled(desk, http)
    assert {(event.key, event.object) for event in found.values()} == {
        ("rating/1/bad", "rating/1001"),
        ("rating/1/good", "rating/1001"),
    }


def test_a_rating_of_nobody_earns_nobody_anything(desk: Desk, http: httpx.Client) -> None:
    desk[0].rate(1, "GOOD", NOW - HOUR, agentId=None)
    assert pulled(desk, http)["rating/1/good"].agents == ()


def test_ratings_are_read_until_those_of_the_last_pull(desk: Desk, http: httpx.Client) -> None:
    for number in range(1, 10):
        desk[0].rate(number, "GOOD", NOW - number * HOUR)
    begin = NOW - timedelta(hours=2, minutes=30)
    cursor = f"ratings={begin:%Y-%m-%dT%H:%M:%SZ}&tickets={begin:%Y-%m-%dT%H:%M:%SZ}&articles={begin:%Y-%m-%dT%H:%M:%SZ}"
    events, _ = desk[1].events(http, cursor)
    assert [event.key for event in events] == ["rating/2/good", "rating/1/good"]
    assert desk[0].paths().count("/api/v1/customerHappiness") == 2


# ---------------------------------------------------------------- lists


def test_tickets_that_changed_in_the_same_second_are_all_read(desk: Desk, http: httpx.Client) -> None:
    for number in range(1, 8):
        desk[0].change(number, NOW - HOUR, status="Closed", closedTime=stamp(NOW - HOUR))
    assert len(pulled(desk, http)) == 7


def test_a_search_is_never_asked_past_its_end(desk: Desk, http: httpx.Client) -> None:
    """It ends at 1,000: each page begins where the last one ended."""
    for number in range(1, 12):
        at = NOW - timedelta(minutes=number)
        desk[0].change(number, at, status="Closed", closedTime=stamp(at))
    assert len(pulled(desk, http, read_conversations=False)) == 11
    asked = [request.query.get("from", "0") for request in desk[0].asked if request.path.endswith("/search")]
    assert set(asked) == {"0"}


def test_empty_lists_move_the_cursor(desk: Desk, http: httpx.Client) -> None:
    events, cursor = desk[1].events(http)
    assert (events, cursor.count("2026-11-20T09%3A00%3A00Z")) == ([], 3)


def test_only_what_was_written_since_counts_and_only_agents_answer(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    tool.change(3, NOW - HOUR)
    tool.write(3, 1, "88", NOW - timedelta(days=9))
    tool.write(3, 2, "77", NOW - HOUR)  # the owner's own
    tool.write(3, 3, "88", NOW - HOUR, commenter={"type": "END_USER"})
    tool.write(3, 4, "88", NOW - HOUR, direction="in")
    tool.write(3, 5, "88", NOW - HOUR, direction="out", visibility="private")
    tool.write(3, 6, "88", NOW - HOUR, direction="out", isForward=True)
    tool.write(3, 7, "", NOW - HOUR, direction="out", author={"type": "AGENT", "email": "ben@example.com"})
    tool.change(4, NOW - HOUR, assigneeId=None)
    tool.write(4, 8, "88", NOW - HOUR)
    found = pulled(desk, http)
    assert list(found) == ["thread/7/replied"]
    assert found["thread/7/replied"].agents == ("ben@example.com",)


def test_a_comment_must_say_whether_it_is_public() -> None:
    with pytest.raises(Invalid, match="public"):
        events_of("Ticket_Comment_Add", {**payloads("written")[1], "isPublic": None})


def test_a_list_that_goes_round_in_a_circle_is_left(desk: Desk, http: httpx.Client) -> None:
    same = [
        {"id": str(n), "modifiedTime": stamp(NOW), "ratedTime": stamp(NOW), "ticketId": "1"} for n in (1, 2)
    ]
    desk[0].misbehaves = lambda asked: Said({"data": same}) if "customerHappiness" in asked.path else None
    with pytest.raises(Invalid, match="circle"):
        pulled(desk, http)


def test_a_limit_in_the_middle_of_the_tickets_keeps_the_pages_before(desk: Desk, http: httpx.Client) -> None:
    tool, pull = desk
    for number in range(1, 7):
        at = NOW - timedelta(hours=7 - number)
        tool.change(number, at, status="Closed", closedTime=stamp(at))
    tool.misbehaves = lambda asked: (
        Said(status=429, headers={"Retry-After": "30"}) if "/tickets/5/" in asked.path else None
    )
    pages: list[Page] = []
    with pytest.raises(TryLater) as caught:
        pages.extend(pull.make().pull(http, None))
    assert caught.value.seconds == 30
    tool.misbehaves = lambda asked: None
    later, _ = pull.events(http, pages[-1].cursor)
    before = {event.ticket for page in pages for event in page.events}
    assert before | {event.ticket for event in later} == {str(number) for number in range(1, 7)}
    assert "1" not in {event.ticket for event in later}


def test_a_refresh_token_that_was_taken_back_is_named(desk: Desk, http: httpx.Client) -> None:
    with pytest.raises(Invalid, match="refresh_token"):
        pulled(desk, http, refresh_token="another")


@pytest.mark.parametrize("cursor", ["nonsense", "ratings=x&tickets=1", f"ratings={NOW:%Y}"])
def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, http: httpx.Client, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_accounts_are_the_active_agents_once_each(desk: Desk, http: httpx.Client) -> None:
    agent = {"firstName": "Ana", "lastName": "Alvarez", "emailId": "ana@example.com", "isConfirmed": True}
    more: tuple[dict[str, Any], ...] = (
        {},
        {"status": "DISABLED"},
        {"isConfirmed": False},
        {"isZiaAgent": True, "lastName": ""},
        {"status": "ACTIVE", "firstName": None, "lastName": None, "emailId": None},
    )
    desk[0].agents = [{**agent, "id": str(number), **each} for number, each in enumerate(more, 1)]
    found = [(a.id, a.email, a.name, a.verified, a.bot) for a in desk[1].make().accounts(http)]
    assert found == [
        ("1", "ana@example.com", "Ana Alvarez", True, False),
        ("3", "ana@example.com", "Ana Alvarez", False, False),
        ("4", "ana@example.com", "Ana", True, True),
        ("5", None, "5", True, False),
    ]


# ---------------------------------------------------------------- the whole road


@pytest.fixture
def road(db: Database, company: Company, desk: Desk) -> tuple[ZohoTool, Config]:
    return road_of(db, company, desk, "zoho_desk", ana="77", ben="88")


def test_an_unhappy_face_an_answer_and_a_happy_one_are_a_recovery(
    db: Database, company: Company, clock: Clock, road: tuple[ZohoTool, Config]
) -> None:
    tool, config = road
    same = {"ticketId": "9", "contactId": "500"}
    tool.rate(1, "BAD", NOON - 3 * HOUR, "Nobody rang.", **same)
    tool.change(9, NOON - HOUR)
    tool.write(9, 1, "77", NOON - 2 * HOUR, direction="out")
    tool.write(9, 2, "88", NOON - 2 * HOUR)
    tool.rate(2, "GOOD", NOON - HOUR, "Thank you", **same)
    assert deliveries.pull(db, config, "zoho_desk", clock) == 4
    assert deliveries.pull(db, config, "zoho_desk", clock) == 0
    assert (total(db, company), total(db, company, "ben")) == (12, 3)


@pytest.mark.parametrize(("by", "points"), [("77", 0), ("88", 8)])
def test_nobody_earns_by_writing_a_thanks_to_themselves(
    db: Database, company: Company, clock: Clock, road: tuple[ZohoTool, Config], by: str, points: int
) -> None:
    """By webhook first; the pull brings the same fact and changes nothing."""
    tool, config = road
    tool.change(9, NOON - HOUR, cf={"cf_customer_thanks": "Thank you"}, modifiedBy=by)
    body = json.dumps([{"eventType": "Ticket_Update", "payload": tool.tickets[0]}]).encode()
    assert deliveries.receive(db, config, "zoho_desk", Delivery(body, {}, NOON)).new == 1
    assert deliveries.pull(db, config, "zoho_desk", clock) == 0
    assert total(db, company) == points


def test_a_promise_made_by_webhook_and_closed_in_time_by_pull_is_kept(
    db: Database, company: Company, clock: Clock, road: tuple[ZohoTool, Config]
) -> None:
    tool, config = road
    promised = {"cf": {"cf_promised_for": stamp(NOON)}}
    tool.change(9, NOON - 4 * HOUR, **promised)
    body = json.dumps([{"eventType": "Ticket_Update", "payload": tool.tickets[0]}]).encode()
    assert deliveries.receive(db, config, "zoho_desk", Delivery(body, {}, NOON - 4 * HOUR)).new == 1
    tool.change(9, NOON - HOUR, status="Closed", closedTime=stamp(NOON - HOUR), **promised)
    assert deliveries.pull(db, config, "zoho_desk", clock) == 2
    with db.reading() as session:
        assert session.exec(select(Promise.state)).one() == "kept"
    assert total(db, company) == 5
