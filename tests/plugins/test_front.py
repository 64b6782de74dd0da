"""What is particular to Front: two signatures in one header, a challenge, events with ids of their own, tags for ratings."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import select

from leaderboard import deliveries
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Greeting, Invalid, Refused
from leaderboard.tables import Promise
from plugins.front import Front
from tests.make import NOON, Clock, Company
from tests.plugins import OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_a import front
from tests.plugins.road import road_of, total
from tests.plugins.tools import NOW, Said
from tests.plugins.tools_a import FrontTool

HOUR = timedelta(hours=1)
ANA, BEN = "tea_2q21", "tea_2q22"
APP = Front(signing_key="an-applications-key", timezone="Europe/Berlin")
RULE = Front(api_secret="the-companys-secret")
BOTH = Front(signing_key="an-applications-key", api_secret="the-companys-secret")


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["front"] if found.case == case)


def event_of(case: str) -> dict[str, Any]:
    body = sample(case).json()
    event: dict[str, Any] = body.get("payload", body)
    return event


def events_of(body: Any, plugin: Front = APP) -> list[Event]:
    return list(plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


def changed(case: str, part: str | None = None, **fields: Any) -> list[Event]:
    event = event_of(case)
    if part:
        event[part] |= fields
    return events_of(event | ({} if part else fields))


# ---------------------------------------------------------------- the door


def signed(plugin: Front, body: bytes = b"{}", **more: str) -> Delivery:
    headers = {name.lower(): value for name, value in plugin.sign(body, NOW).items()}
    return Delivery(body, {**headers, **{name.replace("_", "-"): value for name, value in more.items()}}, NOW)


def test_an_application_and_a_rule_sign_differently_in_one_header() -> None:
    assert len(APP.sign(b"{}", NOW)) == 2
    assert len(RULE.sign(b"{}", NOW)) == 1
    for sender in (APP, RULE):
        BOTH.verify(signed(sender))
        sender.verify(signed(sender))
    for sender, reader in ((APP, RULE), (RULE, APP)):
        with pytest.raises(Refused):
            reader.verify(signed(sender))


def test_an_applications_delivery_without_its_time_is_not_taken_for_a_rules() -> None:
    delivery = signed(APP)
    without = {name: value for name, value in delivery.headers.items() if "timestamp" not in name}
    with pytest.raises(Refused, match="api_secret"):
        BOTH.verify(replace(delivery, headers=without))


def test_without_any_secret_nothing_is_taken() -> None:
    for sender in (APP, RULE, Front()):
        with pytest.raises(Refused):
            Front().verify(signed(sender))


def test_the_challenge_is_given_back_to_front_only() -> None:
    body = b'{"type": "sync", "authorization": {"id": "cmp_abc"}}'
    assert APP.greet(signed(APP, body, x_front_challenge="abc123")) == Greeting("abc123")
    assert APP.greet(signed(APP, body)) is None
    with pytest.raises(Refused):
        APP.greet(signed(RULE, body, x_front_challenge="abc123"))
    for nasty in ("é", "two\nlines", "a" * 501):
        with pytest.raises(Refused, match="challenge"):
            APP.greet(signed(APP, body, x_front_challenge=nasty))


def test_without_a_token_nothing_is_pulled() -> None:
    assert APP.api_url() is None
    assert Front(api_token="t").api_url() == "https://api2.frontapp.com"


# ---------------------------------------------------------------- what an event means


@pytest.mark.parametrize(
    "case", [sample.case for sample in OF_TOOL["front"] if "authorization" in sample.json()]
)
def test_an_event_means_the_same_wrapped_up_and_bare(case: str) -> None:
    if case != "sync":
        assert tuple(events_of(event_of(case))) == sample(case).events
    assert tuple(events_of(sample(case).json())) == sample(case).events


def test_tags_have_the_names_that_the_company_gives_them() -> None:
    german = Front(signing_key="s", thanks_tag="Danke")
    event = event_of("tag_thanks")
    assert events_of(event, german) == []
    event["target"]["data"]["name"] = "danke"
    assert events_of(event, german)[0].key == sample("tag_thanks").events[0].key


def test_thanks_and_unhappy_in_one_conversation_are_about_one_rating() -> None:
    ratings = [sample(case).events[0] for case in ("tag_thanks", "tag_unhappy")]
    assert {event.object for event in ratings} == {"rating/cnv_a73yqx"}
    assert sample("untag").events[0].object == ratings[0].key


def test_a_preview_without_the_text_shows_what_it_has() -> None:
    message = {"is_inbound": True, "blurb": "Thank you so"}
    assert changed("tag_thanks", "conversation", last_message=message)[0].text == "Thank you so"
    assert changed("tag_thanks", "conversation", last_message=None)[0].text is None


def test_a_comment_is_help_only_in_a_colleagues_conversation() -> None:
    for assignee, kinds in (({"id": ANA}, ["help.given"]), ({"id": BEN}, []), (None, [])):
        assert [event.kind for event in changed("comment_helps", "conversation", assignee=assignee)] == kinds


def test_an_answer_has_two_events_and_is_one_message() -> None:
    assert changed("answer", type="outbound", id="evt_other")[0].key == sample("answer").events[0].key
    nobodys = {"_meta": {"type": "message"}, "data": {"id": "msg_8", "author": None}}
    assert [event.kind for event in changed("answer", target=nobodys)] == ["promise.made"]


def test_archiving_is_to_the_credit_of_the_assignee_else_of_who_did_it() -> None:
    assert changed("archive_in_time", "conversation", assignee={"id": BEN})[0].agents == (BEN,)
    assert [event.agents for event in changed("archive_in_time", "conversation", assignee=None)] == [(ANA,)]


@pytest.mark.parametrize(
    "fields", [{"emitted_at": None}, {"emitted_at": "soon"}, {"conversation": None}, {"id": None}]
)
def test_an_event_that_lacks_what_it_is_about_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        changed("archive_in_time", **fields)


@pytest.mark.parametrize("written", ["soon", True, [1]])
def test_a_promised_time_that_is_none_is_said_to_be_wrong(written: Any) -> None:
    with pytest.raises(Invalid):
        changed("answer", "conversation", custom_fields={"Promised for": written})


# ---------------------------------------------------------------- the pull


@pytest.fixture
def desk() -> Iterator[tuple[FrontTool, Pulled]]:
    with FrontTool().running() as tool:
        assert isinstance(tool, FrontTool)
        yield tool, front(tool)


@pytest.mark.parametrize("case", [sample.case for sample in OF_TOOL["front"] if sample.events])
def test_an_event_is_the_same_by_webhook_and_by_pull(
    desk: tuple[FrontTool, Pulled], http: httpx.Client, case: str
) -> None:
    desk[0].events = [event_of(case)]
    events, _ = desk[1].events(http, timezone="Europe/Berlin")
    assert tuple(events) == sample(case).events


@pytest.mark.parametrize(
    ("following", "words"),
    [
        ("https://acme.api.frontapp.com/events", "where to go on"),
        ("https://acme.api.frontapp.com/events?page_token=", "where to go on"),
        ("http://[", "where to go on"),
        ("https://acme.api.frontapp.com/events?page_token=same", "circle"),
        (5, "text"),
    ],
)
def test_a_list_that_does_not_say_where_to_go_on_or_goes_in_circles_ends(
    desk: tuple[FrontTool, Pulled], http: httpx.Client, following: Any, words: str
) -> None:
    said = Said({"_pagination": {"next": following}, "_results": []})
    desk[0].misbehaves = lambda asked: said if asked.path == "/events" else None
    with pytest.raises(Invalid, match=words):
        desk[1].events(http)
    assert len(desk[0].asked) < 5


@pytest.mark.parametrize("cursor", ["nonsense", "read=x", ""])
def test_a_cursor_that_is_not_ours_is_refused(
    desk: tuple[FrontTool, Pulled], http: httpx.Client, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        list(desk[1].make().pull(http, cursor))


def test_accounts_are_the_teammates(desk: tuple[FrontTool, Pulled], http: httpx.Client) -> None:
    mate = {"id": ANA, "email": "ana@example.com", "first_name": "Ana", "last_name": "Alvarez"}
    desk[0].teammates = [
        {**mate, "type": "user"},
        {**mate, "id": BEN},
        {**mate, "id": "tea_3", "type": "CSAT"},
        {**mate, "id": "tea_4", "is_blocked": True},
    ]
    found = [(a.id, a.email, a.name, a.bot) for a in desk[1].make().accounts(http)]
    who = ("ana@example.com", "Ana Alvarez")
    assert found == [(ANA, *who, False), (BEN, *who, False), ("tea_3", *who, True)]


# ---------------------------------------------------------------- the whole road


@pytest.fixture
def road(db: Database, company: Company, desk: tuple[FrontTool, Pulled]) -> tuple[FrontTool, Config]:
    return road_of(db, company, desk, "front", ana=ANA, ben=BEN)


@pytest.mark.parametrize(("who", "points"), [(ANA, 0), (BEN, 8)])
def test_nobody_earns_by_tagging_a_thanks_to_themselves(
    db: Database, company: Company, clock: Clock, road: tuple[FrontTool, Config], who: str, points: int
) -> None:
    tool, config = road
    source = {"_meta": {"type": "teammate"}, "data": {"id": who}}
    tool.events = [{**event_of("tag_thanks"), "emitted_at": (NOON - HOUR).timestamp(), "source": source}]
    assert deliveries.pull(db, config, "front", clock) == 1
    assert deliveries.pull(db, config, "front", clock) == 0
    assert total(db, company) == points


def test_a_promise_seen_by_webhook_and_archived_in_time_by_pull_is_kept(
    db: Database, company: Company, clock: Clock, road: tuple[FrontTool, Config]
) -> None:
    tool, config = road
    promised = {
        "custom_fields": {"Promised for": int(NOON.timestamp())},
        "assignee": {"id": ANA},
        "id": "cnv_1",
    }
    answered = {**event_of("answer"), "emitted_at": (NOON - 5 * HOUR).timestamp(), "conversation": promised}
    body = json.dumps(answered).encode()
    assert deliveries.receive(db, config, "front", Delivery(body, {}, NOON)).new == 2
    archived = {**event_of("archive_in_time"), "emitted_at": (NOON - HOUR).timestamp()}
    tool.events = [answered, {**archived, "conversation": promised}]
    assert deliveries.pull(db, config, "front", clock) == 2
    with db.reading() as session:
        assert session.exec(select(Promise.state)).one() == "kept"
    assert total(db, company) == 5
