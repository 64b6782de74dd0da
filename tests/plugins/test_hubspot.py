"""What is particular to HubSpot: a signed address, a ticket's history, batches, lists that shift while they are read."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from leaderboard import deliveries, standings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Invalid, Refused, hmac_of
from leaderboard.tables import Identity
from plugins.hubspot import HubSpot
from tests.make import NOON, Clock, Company
from tests.plugins import OF_TOOL
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_d import hubspot
from tests.plugins.tools import NOW, Asked, Said, iso
from tests.plugins.tools_d import HubSpotTool, milli

HOUR = timedelta(hours=1)
SEARCH = "/crm/v3/objects/tickets/search"
Desk = tuple[HubSpotTool, Pulled]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with HubSpotTool().running() as tool:
        assert isinstance(tool, HubSpotTool)
        yield tool, hubspot(tool)


def pulled(desk: Desk, http: httpx.Client, **settings: Any) -> dict[str, Event]:
    return {event.key: event for event in desk[1].events(http, **settings)[0]}


def sample_of(case: str) -> Any:
    return next(sample for sample in OF_TOOL["hubspot"] if sample.case == case)


# ---------------------------------------------------------------- what is signed


def test_the_address_and_the_method_are_signed_too() -> None:
    sample = sample_of("rating_thanks")
    delivery = sample.delivery()
    elsewhere = HubSpot(**{**sample.settings, "webhook_url": "https://other.example/hooks/hubspot"})
    with pytest.raises(Refused, match="webhook_url"):
        elsewhere.verify(delivery)
    with pytest.raises(Refused, match="signature"):
        sample.plugin.verify(replace(delivery, method="PUT"))


def test_a_slash_at_the_addresss_end_does_not_matter_and_a_half_address_stops_the_start() -> None:
    sample = sample_of("solved")
    HubSpot(**{**sample.settings, "webhook_url": sample.settings["webhook_url"] + "/"}).verify(
        sample.delivery()
    )
    for wrong in (
        {"webhook_url": "stars.example/hooks/hubspot"},
        {"webhook_url": "https://<public_url>/hooks/hubspot"},
        {"timezone": "Mars"},
    ):
        with pytest.raises(ValidationError):
            HubSpot(**{**sample.settings, **wrong})


def test_a_stamp_that_is_no_number_is_refused_even_if_it_is_signed() -> None:
    sample = sample_of("solved")
    plugin, stamp = sample.plugin, "soon"
    signed = plugin._signed("POST", sample.body, stamp)
    headers = {
        "x-hubspot-request-timestamp": stamp,
        "x-hubspot-signature-v3": hmac_of(plugin.client_secret, signed),
    }
    with pytest.raises(Refused, match="milliseconds"):
        plugin.verify(Delivery(sample.body, headers, NOW))


def test_a_batch_of_a_hundred_is_a_hundred_facts() -> None:
    sample = sample_of("batch")
    one = sample.json()[0]
    body = json.dumps([{**one, "objectId": number} for number in range(1, 101)]).encode()
    assert len({event.key for event in sample.plugin.events(sample.delivery(body))}) == 100


# ---------------------------------------------------------------- the same fact by both roads


@pytest.mark.parametrize("case", ["rating_thanks", "rating_good", "rating_bad"])
def test_a_rating_by_workflow_and_by_pull_is_the_same_fact(desk: Desk, http: httpx.Client, case: str) -> None:
    sample = sample_of(case)
    (expected,), body = sample.events, sample.json()
    ticket = desk[0].rate(body["ticket"], str(body["rating"]), expected.occurred_at, body["words"])
    ticket["properties"]["hs_all_associated_contact_emails"] = body["customer"]
    assert pulled(desk, http, portal_id=4711042) == {expected.key: expected}


def test_a_promise_and_its_keeping_by_workflow_and_by_pull_are_the_same_facts(
    desk: Desk, http: httpx.Client
) -> None:
    (made,), kept = sample_of("promised").events, sample_of("solved_in_time").events
    at = kept[0].occurred_at
    due = [(at, str(sample_of("promised").json()["due"]))]
    desk[0].change(int(made.ticket or 0), at, promised_for=due, closed_date=[(at, milli(at))])
    assert pulled(desk, http, portal_id=4711042) == {event.key: event for event in (made, *kept)}


def test_opened_again_and_answered_by_notification_and_by_pull_are_the_same_facts(
    desk: Desk, http: httpx.Client
) -> None:
    again, answered = sample_of("batch").events
    told = {
        "hs_ticket_reopened_at": [(NOW, milli(again.occurred_at))],
        "hs_last_message_sent_at": [(NOW, str(int(answered.occurred_at.timestamp() * 1000)))],
    }
    desk[0].change(int(again.ticket), NOW, **told)
    assert pulled(desk, http, portal_id=4711042) == {again.key: again, answered.key: answered}


# ---------------------------------------------------------------- a ticket's history


def test_the_credit_is_whose_ticket_it_was_at_that_time(desk: Desk, http: httpx.Client) -> None:
    tool, rated = desk[0], NOW - 2 * HOUR
    ticket = tool.rate(1, "2", rated, "Thank you")
    owners = [(rated - HOUR, "77"), (rated + HOUR, "88")]
    ticket["propertiesWithHistory"]["hubspot_owner_id"] = [
        {"value": owner, "timestamp": milli(at)} for at, owner in reversed(owners)
    ]
    nobody = tool.rate(2, "2", rated, "Thank you")
    nobody["propertiesWithHistory"]["hubspot_owner_id"] = [{"value": "", "timestamp": milli(rated - HOUR)}]
    later = tool.rate(3, "2", rated, "Thank you")
    later["propertiesWithHistory"]["hubspot_owner_id"] = [{"value": "88", "timestamp": milli(rated + HOUR)}]
    found = pulled(desk, http)
    assert [found[f"rating/{number}/thanks"].agents for number in (1, 2, 3)] == [("77",), (), ()]


def test_a_rating_that_changed_twice_keeps_its_own_words_each_time(desk: Desk, http: httpx.Client) -> None:
    first, second, third = NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR
    before = timedelta(
        seconds=20
    )  # the words of the second answer come just before its rating, the first's after
    desk[0].change(
        1,
        third,
        hs_last_csat_rating=[(first, "0"), (second, "2"), (third, "0")],
        hs_last_csat_comment=[(first + before, "Nobody rang."), (second - before, "Now you did!")],
    )
    told = [(event.key, event.kind, event.occurred_at, event.text) for event in pulled(desk, http).values()]
    assert told == [
        ("rating/1/bad", "rating.bad", first, "Nobody rang."),
        ("rating/1/thanks", "thanks.received", second, "Now you did!"),
    ]


def test_what_happened_before_the_beginning_does_not_count_but_an_open_promise_is_known(
    desk: Desk, http: httpx.Client
) -> None:
    """A ticket that is touched today brings its whole history along."""
    long_ago, kept = NOW - timedelta(days=30), NOW - HOUR
    desk[0].change(
        1,
        NOW,
        hubspot_owner_id=[(long_ago, "77")],
        hs_last_csat_rating=[(long_ago, "2")],
        hs_last_csat_comment=[(long_ago, "Thank you")],
        promised_for=[(long_ago, milli(NOW))],
        closed_date=[(long_ago, milli(long_ago)), (NOW - 2 * HOUR, ""), (kept, milli(kept))],
    )
    assert sorted(pulled(desk, http)) == [
        f"promise/1/kept/{iso(kept)}",
        f"promise/1/made/{iso(NOW)}",
        f"ticket/1/solved/{iso(kept)}",
    ]


def test_a_promise_that_was_taken_away_is_not_kept_by_closing(desk: Desk, http: httpx.Client) -> None:
    at = NOW - HOUR
    promised = [(at - 2 * HOUR, milli(NOW)), (at - HOUR, "")]
    desk[0].change(1, at, promised_for=promised, closed_date=[(at, milli(at))])
    assert {event.kind for event in pulled(desk, http).values()} == {"promise.made", "ticket.solved"}


def test_without_the_survey_scale_no_rating_is_guessed(desk: Desk, http: httpx.Client) -> None:
    desk[0].rate(1, "2", NOW - HOUR, "Thank you")
    assert pulled(desk, http, good_ratings=(), bad_ratings=()) == {}
    assert list(pulled(desk, http, good_ratings=("4",), bad_ratings=("1", "2"))) == ["rating/1/bad"]


# ---------------------------------------------------------------- notes


def test_a_note_on_a_colleagues_ticket_is_help_and_on_ones_own_nobodys_or_none_is_not(
    desk: Desk, http: httpx.Client
) -> None:
    tool, at = desk[0], NOW - HOUR
    tool.change(1, at)
    tool.change(2, at, owner="")
    for number, ticket, owner in (
        (1, 1, "88"),
        (2, 1, "77"),
        (3, 2, "88"),
        (4, None, "88"),
        (5, 404, "88"),
        (6, 1, ""),
    ):
        tool.note(number, ticket, owner, at)
    (event,) = pulled(desk, http).values()
    assert (event.key, event.kind, event.agents, event.giver) == ("note/1/1", "help.given", ("88",), "77")
    assert event.text is None
    tool.asked.clear()
    assert pulled(desk, http, read_notes=False) == {}
    assert not [path for path in tool.paths() if "notes" in path]


# ---------------------------------------------------------------- lists


def test_a_ticket_that_changes_while_the_list_is_read_hides_no_other(desk: Desk, http: httpx.Client) -> None:
    """It moves to the end and shifts the rest, which an offset would step over."""
    tool = desk[0]
    for number in range(1, 8):
        tool.rate(number, "2", NOW - HOUR + timedelta(minutes=number), "Thank you")

    def touch(asked: Asked) -> Said | None:
        if tool.paths().count(SEARCH) == 2:
            tool.tickets[0]["updatedAt"] = milli(NOW)
        return None

    tool.misbehaves = touch
    assert {f"rating/{number}/thanks" for number in range(1, 8)} <= set(pulled(desk, http))


def test_more_than_a_search_shows_is_read(desk: Desk, http: httpx.Client) -> None:
    desk[0].most = 4
    for number in range(1, 10):
        desk[0].rate(number, "2", NOW - HOUR + timedelta(milliseconds=number), "Thank you")
    assert len(pulled(desk, http)) == 9


def test_a_list_that_goes_round_in_a_circle_is_left(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    row = tool.rate(1, "2", NOW - HOUR)
    said = Said({"results": [row], "paging": {"next": {"after": "1"}}})
    tool.misbehaves = lambda asked: said if asked.path == SEARCH else None
    with pytest.raises(Invalid, match="circle"):
        pulled(desk, http)
    assert len(tool.asked) < 15
    tool.owners = [{"id": "77"}]
    again = Said({"results": [], "paging": {"next": {"after": "1"}}})
    tool.misbehaves = lambda asked: again
    with pytest.raises(Invalid, match="circle"):
        list(desk[1].make().accounts(http))


@pytest.mark.parametrize("cursor", ["nonsense", "from=2026-11-20T09:00:00Z", "tickets=x&notes=x&from=x"])
def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, http: httpx.Client, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_accounts_are_the_owners_with_queues_marked(desk: Desk, http: httpx.Client) -> None:
    person = {
        "type": "PERSON",
        "firstName": "Ana",
        "lastName": "Alvarez",
        "email": "ana@example.com",
        "userId": 9,
    }
    desk[0].owners = [
        {"id": "77", **person},
        {"id": "78", "type": "QUEUE", "email": None, "firstName": "Front desk", "lastName": ""},
        {"id": "79", **person, "firstName": None, "lastName": None},
    ]
    found = [(a.id, a.email, a.name, a.bot) for a in desk[1].make().accounts(http)]
    assert found == [
        ("77", "ana@example.com", "Ana Alvarez", False),
        ("78", None, "Front desk", True),
        ("79", "ana@example.com", "79", False),
    ]
    assert HubSpot(webhook_url="https://stars.example", client_secret="s").api_url() is None


# ---------------------------------------------------------------- the whole road


def test_a_promise_by_workflow_is_kept_by_the_pull_and_help_earns_once(
    db: Database, company: Company, clock: Clock, desk: Desk
) -> None:
    tool, plugin = desk[0], desk[1].make()
    with db.writing() as session:
        for account, name in (("77", "ana"), ("88", "ben")):
            about = {"source": "hubspot", "account": account, "person_id": company[name]}
            session.add(Identity(**about, linked_at=NOON, created_at=NOON))
    config = Config(plugins={"hubspot": plugin}, pull_hosts=("127.0.0.1",))
    tool.now, made, kept = NOON, NOON - 5 * HOUR, NOON - HOUR
    told = {"extra_mile": "promise", "ticket": "9", "agent": "77", "at": iso(made), "due": iso(NOON)}
    body = json.dumps(told).encode()
    assert deliveries.receive(db, config, "hubspot", Delivery(body, {}, made)).new == 1
    tool.change(9, kept, promised_for=[(made, milli(NOON))], closed_date=[(kept, milli(kept))])
    tool.note(1, 9, "88", kept)
    assert deliveries.pull(db, config, "hubspot", clock) == 3  # solved, kept, helped; the promise was known
    assert deliveries.pull(db, config, "hubspot", clock) == 0
    with db.reading() as session:
        totals = [standings.total(session, company[name], "2026-W47") for name in ("ana", "ben")]
    assert totals == [5, 3]
