"""What is particular to django-helpdesk; tests/real runs the real one."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from leaderboard import deliveries, standings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Invalid
from leaderboard.tables import Identity
from plugins.django_helpdesk import DjangoHelpdesk
from tests.make import NOON, Clock, Company
from tests.plugins import OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_f import SECRET, django_helpdesk
from tests.plugins.tools import NOW
from tests.plugins.tools_f import ANA, BEN, DjangoHelpdeskTool

HOUR = timedelta(hours=1)
Desk = tuple[DjangoHelpdeskTool, Pulled]


def sample(case: str) -> Sample:
    return next(one for one in OF_TOOL["django_helpdesk"] if one.case == case)


def changed(case: str, place: int = -1, *, ticket: dict[str, Any] | None = None, **more: Any) -> list[Event]:
    """The events of a sample whose ticket, or one of its follow-ups, is another."""
    body = sample(case).json()
    body["ticket"] |= ticket or {}
    body["ticket"]["followup_set"][place] |= more
    return list(sample(case).plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


@pytest.mark.parametrize(
    "secret", ["short", "with a space in it", "with/a/slash-in-it", "mit-größe-und-ähnlichem"]
)
def test_a_secret_that_an_address_cannot_carry_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(ValidationError, match="letters, digits"):
        DjangoHelpdesk(address="https://desk.example.com", secret=secret)


@pytest.mark.parametrize(
    ("ticket", "note"),
    [
        ({"assigned_to": 7}, {}),
        ({"assigned_to": None}, {}),
        ({}, {"user": None}),
        ({}, {"comment": " "}),
        ({}, {"title": "Assigned to chris and Closed"}),
    ],
)
def test_a_note_is_help_only_with_words_on_a_colleagues_ticket(
    ticket: dict[str, Any], note: dict[str, Any]
) -> None:
    assert changed("note_helps", ticket=ticket, **note) == []


def test_a_mark_is_a_word_of_its_own_in_a_private_note() -> None:
    assert [event.kind for event in changed("thanks", comment="see #thanksgiving")] == ["help.given"]
    assert [event.kind for event in changed("thanks", public=True)] == ["ticket.replied"]


def test_what_the_helpdesk_writes_by_itself_is_no_word_of_the_customers() -> None:
    """Its mails and the ticket's opening are; a public follow-up of nobody's without a mail is an escalation's."""
    (event,) = changed("thanks", -2, comment="Ticket escalated after 3 days", message_id=None)
    assert (event.text, event.agents) == ("My suitcase did not come.", ())


def test_thanks_that_nobody_had_answered_are_nobodys() -> None:
    (event,) = changed("thanks", 1, public=False)
    assert (event.agents, event.giver) == ((), "7")


def test_a_ticket_is_solved_when_it_is_resolved_not_again_when_it_is_closed() -> None:
    assert [event.kind for event in changed("accepted", 1, new_status=None)] == ["ticket.solved"]
    assert changed("accepted", 1, new_status=4, user=7) == []


def test_the_due_date_can_be_the_promise() -> None:
    body = sample("opened_promised").json()
    body["ticket"] |= {"due_date": "2026-11-21T18:00:00+01:00", "custom_promised_for": "2026-11-24T12:00"}
    plugin = DjangoHelpdesk(address="https://desk.example.com", secret=SECRET, promise_field="due_date")
    (made,) = plugin.events(Delivery(json.dumps(body).encode(), {}, NOW))
    assert made.key == "promise/81/made/2026-11-21T17:00:00Z"


def test_a_promised_day_is_kept_until_its_end() -> None:
    made = changed("opened_promised", ticket={"custom_promised_for": "2026-11-21"})[-1]
    assert made.key == "promise/81/made/2026-11-21T22:59:59Z"


def test_a_follow_up_that_is_not_among_the_tickets_fails() -> None:
    body = {**sample("thanks").json(), "followup_id": 4711}
    with pytest.raises(Invalid, match="4711"):
        list(sample("thanks").plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


# ---------------------------------------------------------------- the pull


@pytest.fixture
def desk() -> Iterator[Desk]:
    with DjangoHelpdeskTool().running() as tool:
        assert isinstance(tool, DjangoHelpdeskTool)
        yield tool, django_helpdesk(tool)


def test_every_fact_is_the_same_by_webhook_and_by_pull(desk: Desk, http: httpx.Client) -> None:
    for each in OF_TOOL["django_helpdesk"]:
        if "ticket" not in each.json():
            continue
        tool, pulled = desk
        ticket = each.json()["ticket"]
        tool.followups[:], tool.tickets = ticket["followup_set"], {"81": ticket}
        settings = {"address": "https://desk.example.com", "timezone": "Europe/Berlin"}
        by_pull = {event.key: event for event in pulled.events(http, timezone="Europe/Berlin")[0]}
        for event in each.events:
            told = by_pull[event.key]
            assert (told.url or "").removeprefix(tool.address) == (event.url or "").removeprefix(
                settings["address"]
            )
            assert [
                getattr(told, name) for name in ("kind", "occurred_at", "agents", "giver", "text", "due_at")
            ] == [
                getattr(event, name) for name in ("kind", "occurred_at", "agents", "giver", "text", "due_at")
            ]


def test_the_page_to_begin_with_is_searched_for_not_walked_to(desk: Desk, http: httpx.Client) -> None:
    tool, pulled = desk
    tool.size = 10
    tool.open(1)
    for number in range(200):
        tool.write(1, ANA, "Again.", NOW - number * HOUR)
    events, cursor = pulled.events(http)
    assert len(events) == 7 * 24 + 1
    tool.asked.clear()
    tool.now = NOW + HOUR
    tool.write(1, BEN, "It helps to turn it round.", NOW + HOUR, public=False)
    events, _ = pulled.events(http, cursor)
    assert "help.given" in {event.kind for event in events}
    assert len(tool.asked) < 12  # of 21 pages


def test_nothing_new_costs_one_question_and_a_search(desk: Desk, http: httpx.Client) -> None:
    _, cursor = desk[1].events(http)
    assert desk[0].paths() == ["/api/followups/"]
    assert desk[1].events(http, cursor)[0] == []


def test_a_ticket_that_went_meanwhile_holds_up_nobody(desk: Desk, http: httpx.Client) -> None:
    tool, pulled = desk
    tool.thank(1, NOW - 2 * HOUR)
    tool.thank(2, NOW - HOUR)
    del tool.tickets["1"]
    found: list[Event] = []
    with suppress(Invalid):
        for page in pulled.make().pull(http, None):
            found += page.events
    assert [event.key for event in found if event.kind == "thanks.received"] == ["rating/2/thanks"]


def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, http: httpx.Client) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, "nonsense")


def test_it_is_pulled_and_knows_its_users_by_the_config(desk: Desk, http: httpx.Client) -> None:
    plugin = desk[1].make(agents={"3": "ana@example.com"})
    assert [(account.id, account.email) for account in plugin.accounts(http)] == [("3", "ana@example.com")]
    assert desk[1].make(api_user=None).api_url() is None


def test_nobody_earns_by_marking_a_thanks_to_themselves(
    db: Database, company: Company, clock: Clock, desk: Desk
) -> None:
    tool, pulled = desk
    tool.now = NOON
    with db.writing() as session:
        for account, name in ((ANA, "ana"), (BEN, "ben")):
            who = {"account": str(account), "person_id": company[name]}
            session.add(Identity(source="desk", linked_at=NOON, created_at=NOON, **who))
    tool.thank(1, NOON - HOUR)
    tool.thank(2, NOON - 2 * HOUR)
    tool.followups[3]["user"] = ANA
    deliveries.pull(db, Config(plugins={"desk": pulled.make()}, pull_hosts=("127.0.0.1",)), "desk", clock)
    with db.reading() as session:
        assert standings.total(session, company["ana"], "2026-W47") == 8
