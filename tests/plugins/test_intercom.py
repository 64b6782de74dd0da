"""What is particular to Intercom: a handshake, two shapes of a conversation, bots as teammates, and lists in no order."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import select

from leaderboard import deliveries, standings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Greeting, Invalid, Refused
from leaderboard.tables import Identity, Promise
from plugins.intercom import Intercom
from tests.make import NOON, Clock, Company
from tests.plugins import OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_a import intercom
from tests.plugins.tools import NOW, Said
from tests.plugins.tools_a import IntercomTool

HOUR = timedelta(hours=1)
ANA, BEN = "1957471", "1957480"
PLUGIN = Intercom(client_secret="s", app_id="fair1haven")


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["intercom"] if found.case == case)


def changed(case: str, **fields: Any) -> list[Event]:
    """The events of a sample with some fields of its item changed."""
    body = sample(case).json()
    body["data"]["item"] |= fields
    return list(PLUGIN.events(Delivery(json.dumps(body).encode(), {}, NOW)))


def seconds(moment: Any) -> int:
    return int(moment.timestamp())


# ---------------------------------------------------------------- the door


def signed(body: bytes, method: str = "POST") -> Delivery:
    headers = {name.lower(): value for name, value in PLUGIN.sign(body, NOW).items()}
    return Delivery(body, headers, NOW, method=method)


def test_the_address_may_be_tried_and_pinged() -> None:
    ping = b'{"type": "notification_event", "topic": "ping", "id": null, "data": {"item": {"type": "ping"}}}'
    assert PLUGIN.greet(Delivery(b"", {}, NOW, method="HEAD")) == Greeting("")
    assert PLUGIN.greet(signed(ping)) == Greeting("pong")
    with pytest.raises(Refused):
        PLUGIN.greet(Delivery(ping, {}, NOW))
    told = b'{"topic": "conversation.admin.noted", "data": {"item": "ping"}}'
    assert PLUGIN.greet(signed(told)) is None


def test_a_signature_says_its_algorithm() -> None:
    right = signed(b"{}").headers["x-hub-signature"]
    PLUGIN.verify(signed(b"{}"))
    for wrong in (right.removeprefix("sha1="), right.replace("sha1", "sha256"), right.replace("sha1", "")):
        with pytest.raises(Refused):
            PLUGIN.verify(Delivery(b"{}", {"x-hub-signature": wrong}, NOW))


@pytest.mark.parametrize(
    ("region", "host"), [("us", "api"), ("eu", "api.eu"), ("au", "api.au")], ids=lambda value: value
)
def test_each_region_has_its_host(region: Any, host: str) -> None:
    assert Intercom(client_secret="s", region=region).api_url() is None
    made = Intercom(client_secret="s", access_token="t", region=region)
    assert made.api_url() == f"https://{host}.intercom.io"


# ---------------------------------------------------------------- what a notification means


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (5, "thanks.received"),
        (4, "thanks.received"),
        (3, None),
        (2, "rating.bad"),
        (1, "rating.bad"),
        (0, None),
        (True, None),
        (None, None),
        ("5", None),
    ],
)
def test_the_scale_has_five_faces(value: Any, kind: str | None) -> None:
    rating = {**sample("rating_thanks").json()["data"]["item"]["conversation_rating"], "rating": value}
    found = changed("rating_thanks", conversation_rating=rating)
    assert [event.kind for event in found] == ([kind] if kind else [])


def test_a_rating_that_was_not_given_yet_is_no_fact() -> None:
    assert changed("rating_thanks", conversation_rating=None) == []
    assert changed("rating_thanks", conversation_rating={}) == []  # as older versions write it


def test_a_rating_is_to_the_credit_of_who_was_rated() -> None:
    (event,) = changed("rating_thanks", admin_assignee_id=int(BEN))
    assert event.agents == (ANA,)
    rating = {**sample("rating_thanks").json()["data"]["item"]["conversation_rating"], "teammate": None}
    (event,) = changed("rating_thanks", conversation_rating=rating)
    assert event.agents == ()


def test_good_bad_and_thanks_in_one_conversation_are_about_one_rating() -> None:
    ratings = [sample(case).events[0] for case in ("rating_good", "rating_thanks", "rating_bad")]
    assert len({event.key for event in ratings}) == 3
    assert {event.object for event in ratings} == {"rating/21330067382"}
    withdrawn = {event.object for event in sample("deleted").events}
    assert withdrawn == {event.key for event in ratings}


def test_a_note_is_help_only_on_a_colleagues_conversation() -> None:
    assert changed("note_helps", assignee={"type": "nobody_admin", "id": None}) == []
    assert changed("note_helps", assignee={"type": "admin", "id": BEN}) == []
    (event,) = changed("note_helps", assignee=None, admin_assignee_id=ANA)  # as newer versions write it
    assert (event.agents, event.giver, event.text) == ((BEN,), ANA, None)


def test_a_conversation_closed_by_a_workflow_is_to_its_assignees_credit() -> None:
    part = {"id": "1", "part_type": "close", "author": {"type": "bot", "id": "9"}, "created_at": seconds(NOW)}
    parts = {"conversation_parts": [part]}
    assert changed("closed_in_time", conversation_parts=parts)[0].agents == (ANA,)
    unassigned = changed("closed_in_time", conversation_parts=parts, admin_assignee_id=None)
    assert [(event.kind, event.agents) for event in unassigned] == [("ticket.solved", ())]


def test_a_state_that_was_changed_to_itself_is_no_change() -> None:
    (solved, *_) = changed("ticket_closed", updated_at=seconds(NOW + 3 * HOUR))
    assert solved.occurred_at == NOW
    assert [event.kind for event in changed("ticket_closed", ticket_state={"category": "in_progress"})] == [
        "promise.made"
    ]


@pytest.mark.parametrize("due", ["tomorrow", "2026-11-20", "2026-11-20T09:00:00", True, [1]])
def test_a_promised_time_that_is_none_is_said_to_be_wrong(due: Any) -> None:
    with pytest.raises(Invalid):
        changed("promised", custom_attributes={"Promised for": due})


@pytest.mark.parametrize("due", [None, ""])
def test_an_empty_attribute_is_no_promise(due: Any) -> None:
    found = changed("promised", custom_attributes={"Promised for": due})
    assert [event.kind for event in found] == ["ticket.replied"]


def test_the_attribute_may_have_another_name() -> None:
    other = Intercom(client_secret="s", promise_attribute="Versprochen bis")
    body = sample("promised").json()
    body["data"]["item"]["custom_attributes"] = {"Versprochen bis": "2026-11-21T09:00:00Z"}
    found = list(other.events(Delivery(json.dumps(body).encode(), {}, NOW)))
    assert found[1].key == sample("promised").events[1].key


# ---------------------------------------------------------------- the pull


@pytest.fixture
def desk() -> Iterator[tuple[IntercomTool, Pulled]]:
    with IntercomTool().running() as tool:
        assert isinstance(tool, IntercomTool)
        yield tool, intercom(tool)


@pytest.mark.parametrize(
    "case", ["rating_thanks", "rating_good", "rating_bad", "rating_of_fin", "closed_in_time"]
)
def test_a_fact_has_one_key_by_webhook_and_by_pull(
    desk: tuple[IntercomTool, Pulled], http: httpx.Client, case: str
) -> None:
    item = sample(case).json()["data"]["item"]
    item["statistics"] = {"last_close_at": seconds(NOW), "last_closed_by_id": ANA}
    desk[0].conversations = [item]
    events, _ = desk[1].events(http, app_id="fair1haven")
    assert tuple(events) == sample(case).events


def test_answers_have_one_key_by_webhook_and_by_pull(
    desk: tuple[IntercomTool, Pulled], http: httpx.Client
) -> None:
    desk[0].converse(21330067382, NOW, statistics={"last_admin_reply_at": seconds(NOW)})
    events, _ = desk[1].events(http)
    assert [event.key for event in events] == [sample("promised").events[0].key]


def test_a_ticket_brings_its_notes_and_its_solution(
    desk: tuple[IntercomTool, Pulled], http: httpx.Client
) -> None:
    ticket = sample("ticket_closed").json()["data"]["item"]
    note = sample("ticket_note").json()["data"]["item"]["ticket_part"]
    ticket["ticket_parts"]["ticket_parts"].insert(1, note)
    desk[0].tickets = [ticket]
    events, _ = desk[1].events(http, app_id="fair1haven")
    assert tuple(events) == sample("ticket_closed").events + sample("ticket_note").events


def test_what_was_rated_and_noted_long_before_the_change_is_not_told_again(
    desk: tuple[IntercomTool, Pulled], http: httpx.Client
) -> None:
    ticket = sample("ticket_closed").json()["data"]["item"]
    note = sample("ticket_note").json()["data"]["item"]["ticket_part"]
    ticket["ticket_parts"]["ticket_parts"].insert(
        0, {**note, "created_at": seconds(NOW - timedelta(days=90))}
    )
    desk[0].tickets = [{**ticket, "ticket_attributes": {}}]
    desk[0].rate(1, 5, NOW - timedelta(days=90), "Thank you")
    desk[0].conversations[0]["updated_at"] = seconds(NOW)
    assert [event.kind for event in desk[1].events(http)[0]] == ["ticket.solved"]


def test_only_published_articles_that_changed_are_read(
    desk: tuple[IntercomTool, Pulled], http: httpx.Client
) -> None:
    article = {"type": "article", "author_id": 77, "state": "published", "title": "Lost"}
    for number, days, state in (
        (1, 1, "published"),
        (2, 2, "draft"),
        (3, 3, "published"),
        (4, 30, "published"),
    ):
        at = seconds(NOW - timedelta(days=days))
        desk[0].articles.append({**article, "id": str(number), "updated_at": at, "state": state})
    desk[0].articles += [{**article, "id": str(n), "updated_at": 1} for n in range(5, 15)]
    events, _ = desk[1].events(http)
    assert [event.key for event in events] == ["article/1/published", "article/3/published"]
    assert desk[0].paths().count("/articles") == 2  # the rest changed long ago


@pytest.mark.parametrize("starting", ["same", "0"])
def test_a_search_that_goes_round_in_a_circle_ends(
    desk: tuple[IntercomTool, Pulled], http: httpx.Client, starting: str
) -> None:
    said = {"conversations": [], "pages": {"next": {"starting_after": starting}}}
    desk[0].misbehaves = lambda asked: Said(said) if "search" in asked.path else None
    with pytest.raises(Invalid, match="circle"):
        desk[1].events(http)
    assert len(desk[0].asked) < 6


@pytest.mark.parametrize("cursor", ["nonsense", "conversations=x", f"conversations={seconds(NOW)}"])
def test_a_cursor_that_is_not_ours_is_refused(
    desk: tuple[IntercomTool, Pulled], http: httpx.Client, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_accounts_are_the_teammates(desk: tuple[IntercomTool, Pulled], http: httpx.Client) -> None:
    desk[0].admins = [
        {"type": "admin", "id": "77", "name": "Ana", "email": "ana@example.com"},
        {"type": "team", "id": "5", "name": "Care"},
    ]
    found = [(a.id, a.email, a.name, a.bot) for a in desk[1].make().accounts(http)]
    assert found == [("77", "ana@example.com", "Ana", False), ("5", None, "Care", True)]


# ---------------------------------------------------------------- the whole road


def test_a_promise_is_moved_in_time_and_kept_by_webhook_and_pull(
    db: Database, company: Company, clock: Clock, desk: tuple[IntercomTool, Pulled]
) -> None:
    tool, pulled = desk
    with db.writing() as session:
        account = Identity(
            source="intercom", account="77", person_id=company["ana"], linked_at=NOON, created_at=NOON
        )
        session.add(account)
    config = Config(plugins={"intercom": pulled.make()}, pull_hosts=("127.0.0.1",))
    tool.now = NOON

    def attribute(hours: int) -> dict[str, int]:
        return {"Promised for": seconds(NOON + hours * HOUR)}

    replied = {"id": "1", "created_at": seconds(NOON - 5 * HOUR), "author": {"type": "admin", "id": "77"}}
    item = {"id": "9", "admin_assignee_id": 77, "custom_attributes": attribute(-2)}
    item["conversation_parts"] = {"conversation_parts": [replied]}
    body = {
        "topic": "conversation.admin.replied",
        "created_at": seconds(NOON - 5 * HOUR),
        "data": {"item": item},
    }
    assert deliveries.receive(db, config, "intercom", Delivery(json.dumps(body).encode(), {}, NOON)).new == 2
    tool.converse(9, NOON - 3 * HOUR, custom_attributes=attribute(1))
    assert deliveries.pull(db, config, "intercom", clock) == 1
    closed = {"last_close_at": seconds(NOON - HOUR), "last_closed_by_id": "77"}
    tool.conversations.clear()
    tool.converse(9, NOON - HOUR, custom_attributes=attribute(1), state="closed", statistics=closed)
    assert deliveries.pull(db, config, "intercom", clock) == 2
    with db.reading() as session:
        row = session.exec(select(Promise)).one()
        points = standings.total(session, company["ana"], "2026-W47")
    assert (row.state, row.due_at, points) == ("kept", NOON + HOUR, 5)
