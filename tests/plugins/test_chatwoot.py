"""What is particular to Chatwoot: versions that do not sign, surveys that are messages, and days in place of times."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sqlmodel import select

from leaderboard import deliveries, standings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Invalid, Refused
from leaderboard.tables import Identity, Promise
from plugins.chatwoot import Chatwoot
from tests.make import NOON, Company
from tests.plugins import OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_a import chatwoot
from tests.plugins.tools import NOW, Said, iso
from tests.plugins.tools_a import ChatwootTool

HOUR = timedelta(hours=1)
PLUGIN = Chatwoot(account_id=1, secret="s")


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["chatwoot"] if found.case == case)


def events_of(body: Any, plugin: Chatwoot = PLUGIN) -> list[Event]:
    return list(plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


def changed(case: str, plugin: Chatwoot = PLUGIN, **fields: Any) -> list[Event]:
    return events_of({**sample(case).json(), **fields}, plugin)


# ---------------------------------------------------------------- settings and the door


@pytest.mark.parametrize(
    "address", ["", "app.chatwoot.com", "ftp://a.example", "https://me:pw@a.example", "http://[::"]
)
def test_an_address_is_one_of_the_web_without_credentials(address: str) -> None:
    with pytest.raises(ValidationError, match="where the tool is"):
        Chatwoot(account_id=1, secret="s", address=address)


@pytest.mark.parametrize("zone", ["", "Berlin", "../etc/passwd", "Europe/Nowhere"])
def test_a_zone_is_one_that_exists(zone: str) -> None:
    with pytest.raises(ValidationError, match="time zone"):
        Chatwoot(account_id=1, timezone=zone)


def test_a_version_that_does_not_sign_is_known_by_its_address() -> None:
    unsigned = Chatwoot(account_id=1, url_secret="in-the-address", previous_url_secret="before")
    assert (unsigned.proof, PLUGIN.proof, Chatwoot(account_id=1).proof) == ("url", "body", "body")
    for secret in ("in-the-address", "before"):
        unsigned.verify(Delivery(b"{}", {}, NOW, args={"secret": secret}))
    for args in ({}, {"secret": ""}, {"secret": "another"}):
        with pytest.raises(Refused, match="url_secret"):
            unsigned.verify(Delivery(b"{}", {}, NOW, args=args))
    with pytest.raises(Refused):  # without any secret nothing is taken, whatever the address says
        Chatwoot(account_id=1).verify(Delivery(b"{}", {}, NOW, args={"secret": ""}))


def test_a_signature_that_is_there_counts_even_where_an_address_would_do() -> None:
    both = Chatwoot(account_id=1, secret="s", url_secret="in-the-address")
    right = {name.lower(): value for name, value in PLUGIN.sign(b"{}", NOW).items()}
    both.verify(Delivery(b"{}", right, NOW))
    wrong = {**right, "x-chatwoot-signature": right["x-chatwoot-signature"].replace("sha256", "sha1")}
    with pytest.raises(Refused):
        both.verify(Delivery(b"{}", wrong, NOW, args={"secret": "in-the-address"}))


def test_without_a_token_nothing_is_pulled() -> None:
    assert PLUGIN.api_url() is None


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("rating", "kind"),
    [
        (5, "thanks.received"),
        (4, "thanks.received"),
        (3, None),
        (2, "rating.bad"),
        (1, "rating.bad"),
        (True, None),
        ("5", None),
    ],
)
def test_the_scale_has_five_faces(rating: Any, kind: str | None) -> None:
    answer = {"csat_survey_response": {"rating": rating, "feedback_message": "Words"}}
    found = changed("survey_thanks", content_attributes={"submitted_values": answer})
    assert [event.kind for event in found] == ([kind] if kind else [])


def test_good_bad_and_thanks_in_one_conversation_are_about_one_rating() -> None:
    ratings = [sample(case).events[0] for case in ("survey_good", "survey_thanks", "survey_bad", "labelled")]
    assert len({event.key for event in ratings}) == 4
    assert {event.object for event in ratings} == {"rating/81"}


def test_a_survey_without_its_conversations_time_counts_at_its_arrival() -> None:
    body = sample("survey_good").json()
    del body["conversation"]["updated_at"]
    assert events_of(body)[0].occurred_at == NOW


def test_a_note_is_help_only_in_a_colleagues_conversation() -> None:
    body = sample("note_helps").json()
    for assignee, kinds in (({"id": 3}, ["help.given"]), ({"id": 4}, []), (None, [])):
        body["conversation"]["meta"]["assignee"] = assignee
        assert [event.kind for event in events_of(body)] == kinds


@pytest.mark.parametrize(
    "sender", [{"id": 4, "type": "agent_bot"}, {"id": 4, "type": "contact"}, {"id": 4}, None]
)
def test_what_no_user_wrote_is_no_agents_doing(sender: Any) -> None:
    assert changed("note_helps", sender=sender) == []


@pytest.mark.parametrize(
    "written", ["2026-11-20T09:00:00.000Z", "2026-11-20 09:00:00 UTC", int(NOW.timestamp())], ids=str
)
def test_a_messages_time_is_understood_in_every_versions_form(written: Any) -> None:
    assert changed("answer", created_at=written)[0].occurred_at == NOW


@pytest.mark.parametrize("written", [None, "", "2026-11-20 09:00:00", "now", [5]])
def test_a_message_without_a_time_is_refused(written: Any) -> None:
    with pytest.raises(Invalid):
        changed("answer", created_at=written)


# ---------------------------------------------------------------- conversations


@pytest.mark.parametrize(
    ("before", "status", "kinds"),
    [
        ("open", "resolved", ["ticket.solved"]),
        ("resolved", "open", ["ticket.reopened"]),
        ("pending", "open", []),
        ("resolved", "snoozed", []),
        (None, "open", []),
        (None, "resolved", ["ticket.solved"]),
    ],
)
def test_only_resolving_and_opening_again_are_facts(
    before: str | None, status: str, kinds: list[str]
) -> None:
    changes = [{"status": {"previous_value": before, "current_value": status}}] if before else None
    found = changed("reopened", status=status, changed_attributes=changes)
    assert [event.kind for event in found] == kinds


@pytest.mark.parametrize(
    ("written", "due_at"),
    [
        ("2026-11-21", datetime(2026, 11, 21, 22, 59, 59, tzinfo=UTC)),
        ("2026-11-21 17:00", datetime(2026, 11, 21, 16, tzinfo=UTC)),
        ("2026-07-21T17:00:00", datetime(2026, 7, 21, 15, tzinfo=UTC)),
        ("2026-11-21T17:00:00Z", datetime(2026, 11, 21, 17, tzinfo=UTC)),
        ("2026-11-21T17:00:00+02:00", datetime(2026, 11, 21, 15, tzinfo=UTC)),
    ],
)
def test_a_promised_time_is_one_of_the_companys_zone(written: str, due_at: datetime) -> None:
    berlin = Chatwoot(account_id=1, secret="s", timezone="Europe/Berlin")
    (made,) = changed("promised_day", berlin, custom_attributes={"promised_for": written})
    assert made.due_at == due_at


@pytest.mark.parametrize("written", ["tomorrow", "2026-13-01", True, [1], "17:00"])
def test_a_promised_time_that_is_none_is_said_to_be_wrong(written: Any) -> None:
    with pytest.raises(Invalid):
        changed("promised_day", custom_attributes={"promised_for": written})


def test_a_message_shows_the_promise_of_its_conversation_too() -> None:
    body = sample("answer").json()
    body["conversation"]["custom_attributes"] = {"promised_for": "2026-11-21"}
    assert [event.key for event in events_of(body)][1] == sample("promised_day").events[0].key


def test_a_conversation_that_nobody_has_promises_nothing() -> None:
    meta = {**sample("promised_day").json()["meta"], "assignee": None, "assignee_type": None}
    assert changed("promised_day", meta=meta) == []
    assert [event.agents for event in changed("resolved_in_time", meta=meta)] == [()]


# ---------------------------------------------------------------- the pull


@pytest.fixture
def desk() -> Iterator[tuple[ChatwootTool, Pulled]]:
    with ChatwootTool().running() as tool:
        assert isinstance(tool, ChatwootTool)
        yield tool, chatwoot(tool)


@pytest.mark.parametrize("case", ["survey_thanks", "survey_good", "survey_bad"])
def test_a_rating_has_one_key_by_webhook_and_by_pull(
    desk: tuple[ChatwootTool, Pulled], http: httpx.Client, case: str
) -> None:
    expected = sample(case).events[0]
    value = {"survey_thanks": 5, "survey_good": 4, "survey_bad": 1}[case]
    more = {"conversation_id": 81, "assigned_agent": {"id": 3}, "contact": {"id": 90}}
    desk[0].rate(5005, value, NOW, expected.text or "", **more)
    ((event,), _) = desk[1].events(http)
    for name in ("key", "kind", "agents", "customer", "object", "ticket", "text"):
        assert getattr(event, name) == getattr(expected, name)


def test_a_rating_of_nobodys_conversation_is_to_nobodys_credit(
    desk: tuple[ChatwootTool, Pulled], http: httpx.Client
) -> None:
    desk[0].rate(1, 5, NOW - HOUR, assigned_agent=None, contact=None)
    ((event,), _) = desk[1].events(http)
    assert (event.agents, event.customer) == ((), None)


def test_only_published_articles_that_changed_are_read(
    desk: tuple[ChatwootTool, Pulled], http: httpx.Client
) -> None:
    article = {
        "id": 1,
        "status": "published",
        "author": {"id": 77},
        "updated_at": iso(NOW - HOUR),
        "title": "Lost",
    }
    desk[0].articles = [
        article,
        {**article, "id": 2, "status": "draft"},
        {**article, "id": 3, "author": None},
        {**article, "id": 4, "updated_at": iso(NOW - timedelta(days=30))},
    ]
    assert [event.key for event in desk[1].events(http)[0]] == ["article/1/published"]
    assert desk[1].events(http, portal=None)[0] == []


def test_a_list_that_always_answers_the_same_ends(
    desk: tuple[ChatwootTool, Pulled], http: httpx.Client
) -> None:
    same = Said([{"rating": 3}])
    desk[0].misbehaves = lambda asked: same if "csat" in asked.path else None
    with pytest.raises(Invalid, match="could not be read"):
        desk[1].events(http)
    assert sum("csat" in path for path in desk[0].paths()) == 2


@pytest.mark.parametrize("cursor", ["nonsense", "ratings=x&articles=1", "ratings=1795000000"])
def test_a_cursor_that_is_not_ours_is_refused(
    desk: tuple[ChatwootTool, Pulled], http: httpx.Client, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_accounts_are_agents_with_their_confirmed_addresses(
    desk: tuple[ChatwootTool, Pulled], http: httpx.Client
) -> None:
    agent = {"id": 3, "email": "ana@example.com", "name": "Ana", "confirmed": True}
    desk[0].agents = [agent, {**agent, "id": 4, "confirmed": False}]
    found = [(a.id, a.email, a.verified) for a in desk[1].make().accounts(http)]
    assert found == [("3", "ana@example.com", True), ("4", "ana@example.com", False)]


# ---------------------------------------------------------------- the whole road


def test_a_promise_is_kept_when_its_conversation_is_resolved_in_time(db: Database, company: Company) -> None:
    with db.writing() as session:
        who = {"account": "3", "person_id": company["ana"], "linked_at": NOON, "created_at": NOON}
        session.add(Identity(source="chatwoot", **who))
    config = Config(plugins={"chatwoot": PLUGIN})
    resolved = sample("resolved_in_time").json()
    attribute = {"custom_attributes": {"promised_for": iso(NOON)}}
    steps = ((5, {"event": "conversation_updated", "status": "open"}), (1, {"status": "resolved"}))
    for hours, more in steps:
        body = {**resolved, **attribute, **more, "updated_at": (NOON - hours * HOUR).timestamp()}
        deliveries.receive(db, config, "chatwoot", Delivery(json.dumps(body).encode(), {}, NOON))
    with db.reading() as session:
        assert session.exec(select(Promise.state)).one() == "kept"
        assert standings.total(session, company["ana"], "2026-W47") == 5
