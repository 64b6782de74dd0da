"""What is particular to Zendesk: two webhooks with a secret each, the template in the README, and who gets the credit."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leaderboard.plugin import Delivery, Event, Invalid, Refused
from plugins.zendesk import Zendesk
from tests.plugins import FOLDER, OF_TOOL, Sample

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
EVENTS = Zendesk(subdomain="fairhaven", signing_secret="events-secret")
TRIGGERS = Zendesk(subdomain="fairhaven", signing_secret="trigger-secret")
BOTH = Zendesk(subdomain="fairhaven", signing_secret="events-secret", trigger_signing_secret="trigger-secret")
ANA, BEN, CUSTOMER = "8447388090494", "8447388090500", "8447388090777"


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["zendesk"] if found.case == case)


def events_of(body: Any) -> list[Event]:
    return list(BOTH.events(Delivery(json.dumps(body).encode(), {}, NOW)))


def changed(case: str, part: str, **fields: Any) -> list[Event]:
    """The events of a sample with some fields of one part changed; None takes a field away."""
    body = sample(case).json()
    body[part] = {name: value for name, value in {**body[part], **fields}.items() if value is not None}
    return events_of(body)


def test_each_webhook_has_a_secret_of_its_own() -> None:
    for sender in (EVENTS, TRIGGERS):
        BOTH.verify(Delivery(b"{}", {k.lower(): v for k, v in sender.sign(b"{}", NOW).items()}, NOW))
    with pytest.raises(Refused):
        EVENTS.verify(Delivery(b"{}", {k.lower(): v for k, v in TRIGGERS.sign(b"{}", NOW).items()}, NOW))


def test_a_delivery_without_a_body_is_verified_too() -> None:
    BOTH.verify(Delivery(b"", {k.lower(): v for k, v in EVENTS.sign(b"", NOW).items()}, NOW))


@pytest.mark.parametrize(
    "subdomain", ["", "fairhaven.zendesk.com", "a.b", "a/b", "evil.example/", "A", "-a", "a@b", "a" * 64]
)
def test_a_subdomain_is_one_name_and_no_other_host(subdomain: str) -> None:
    with pytest.raises(ValueError, match="the first part of your address"):
        Zendesk(subdomain=subdomain, signing_secret="s")


@pytest.mark.parametrize(
    ("words", "key"),
    [("", "rating/5158/good"), ("Thank you", "rating/5158/thanks"), (" \n ", "rating/5158/good")],
)
def test_the_template_of_the_readme_is_understood(words: str, key: str) -> None:
    guide = (FOLDER / "zendesk" / "README.md").read_text("utf-8")
    block = re.search(r"^ {7}\{\n(?: {9}.*\n)+ {7}\}", guide, re.MULTILINE)
    assert block
    values = {
        "ticket.id": "5158",
        "ticket.assignee.id": ANA,
        "ticket.requester.id": CUSTOMER,
        "ticket.satisfaction.current_comment": words,
        "ticket.updated_at_with_timestamp": "2026-11-20T09:00:00Z",
    }
    filled = re.sub(r"\{\{(.+?)\}\}", lambda match: json.dumps(values[match[1]])[1:-1], block[0])
    (event,) = events_of(json.loads(filled))
    assert (event.key, event.agents, event.customer, event.occurred_at) == (key, (ANA,), CUSTOMER, NOW)


@pytest.mark.parametrize("rating", ["Good, I'm satisfied", "", None, True, ["good"]])
def test_a_trigger_with_another_rating_is_said_to_be_wrong(rating: Any) -> None:
    with pytest.raises(Invalid, match="README"):
        events_of({**sample("trigger_good").json(), "rating": rating})


@pytest.mark.parametrize("ticket", [None, "", "abc", "٥", -1, True, ["5"], "5/../6"])
def test_a_ticket_without_a_number_is_refused(ticket: Any) -> None:
    with pytest.raises(Invalid):
        events_of({**sample("trigger_good").json(), "ticket": ticket})


def test_numbers_and_texts_are_the_same_ids() -> None:
    body = sample("trigger_thanks").json()
    assert events_of({**body, "ticket": int(body["ticket"]), "agent": int(ANA)}) == events_of(body)


def test_good_bad_and_thanks_on_one_ticket_are_about_one_rating() -> None:
    ratings = [sample(case).events[0] for case in ("trigger_good", "trigger_thanks", "trigger_bad")]
    assert len({event.key for event in ratings}) == 3
    assert {event.object for event in ratings} == {"rating/5158"}


@pytest.mark.parametrize(
    ("previous", "current", "kinds"),
    [
        ("OPEN", "SOLVED", ["ticket.solved"]),
        ("NEW", "SOLVED", ["ticket.solved"]),
        ("SOLVED", "OPEN", ["ticket.reopened"]),
        ("SOLVED", "CLOSED", []),
        ("SOLVED", "PENDING", []),
        ("OPEN", "PENDING", []),
        ("OPEN", "DELETED", []),
        (None, None, []),
        (True, 5, []),
    ],
)
def test_only_solving_and_reopening_are_facts(previous: Any, current: Any, kinds: list[str]) -> None:
    body = sample("event_solved").json()
    body["event"] = {"previous": previous, "current": current}
    assert [event.kind for event in events_of(body)] == kinds


def test_solving_is_to_the_credit_of_the_assignee_else_of_who_did_it() -> None:
    assert changed("event_solved", "detail", actor_id=BEN)[0].agents == (ANA,)
    assert changed("event_solved", "detail", actor_id=BEN, assignee_id=None)[0].agents == (BEN,)


def test_solved_again_after_reopening_is_another_fact() -> None:
    later = (NOW + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert changed("event_solved", "detail", updated_at=later)[0].key != sample("event_solved").events[0].key


def test_a_note_is_help_only_on_a_colleagues_ticket() -> None:
    (help_given,) = changed("event_note_helps", "detail")
    assert (help_given.agents, help_given.giver, help_given.text) == ((BEN,), ANA, None)
    assert changed("event_note_helps", "detail", assignee_id=None) == []
    assert changed("event_note_helps", "detail", assignee_id=BEN) == []


@pytest.mark.parametrize("author", [{"id": BEN, "is_staff": False}, {"id": CUSTOMER}])
def test_what_customers_write_is_no_agents_doing(author: dict[str, Any]) -> None:
    body = sample("event_note_helps").json()
    body["event"]["comment"]["author"] = author
    assert events_of(body) == []


def test_a_comment_without_its_author_goes_by_the_actor() -> None:
    body = sample("event_reply").json()
    del body["event"]["comment"]["author"]
    assert events_of(body)[0].agents == (ANA,)
    body["detail"]["actor_id"] = CUSTOMER
    assert events_of(body) == []


def test_a_merge_withdraws_the_merged_tickets_ratings_and_no_others() -> None:
    withdrawn = {event.object for event in sample("event_merged").events}
    assert withdrawn == {
        sample(case).events[0].key for case in ("trigger_good", "trigger_thanks", "trigger_bad")
    }
    assert changed("event_merged", "event", target_ticket_id="5158") == []
    assert changed("event_merged", "event", target_ticket_id=None) == []


def test_a_translated_article_is_the_same_article() -> None:
    assert changed("event_article", "event", locale="de")[0].key == sample("event_article").events[0].key
    assert changed("event_article", "event", author_id=None) == []
