"""Pulls over a real socket: every fact, never twice, the same as by webhook."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from leaderboard.plugin import Event, Invalid
from plugins.demo import DemoDesk
from plugins.help_scout import HelpScout
from plugins.zendesk import Zendesk
from tests.plugins import OF_TOOL
from tests.plugins.pulled import Pulled
from tests.plugins.pulls import demo, help_scout, zendesk
from tests.plugins.tools import NOW, DemoTool, HelpScoutTool, Said, ZendeskTool


def numbers(events: list[Event]) -> list[str]:
    return sorted(re.findall(r"[0-9]+", event.key)[0] for event in events if event.kind == "thanks.received")


# ---------------------------------------------------------------- complete, and never twice


def test_the_first_pull_begins_seven_days_before_the_tools_own_clock(
    pulled: Pulled, http: httpx.Client
) -> None:
    pulled.add(1, NOW - timedelta(days=9))
    pulled.add(2, NOW - timedelta(days=6))
    events, _ = pulled.events(http)
    assert numbers(events) == ["2"]


def test_the_first_pull_begins_at_pull_from(pulled: Pulled, http: httpx.Client) -> None:
    pulled.add(1, NOW - timedelta(days=20))
    pulled.add(2, NOW - timedelta(days=9))
    events, _ = pulled.events(http, pull_from=date(2026, 11, 5))
    assert numbers(events) == ["2"]


def test_a_tool_without_a_clock_needs_pull_from(pulled: Pulled, http: httpx.Client) -> None:
    pulled.tool.now = None
    with pytest.raises(Invalid, match="pull_from"):
        pulled.events(http)


def test_every_page_is_read(pulled: Pulled, http: httpx.Client) -> None:
    for number in range(1, 8):
        pulled.add(number, NOW - timedelta(hours=number))
    events, _ = pulled.events(http)
    assert numbers(events) == [str(number) for number in range(1, 8)]
    assert [event.text for event in events] == ["Thank you"] * 7


def test_many_facts_of_the_same_second_are_all_read(pulled: Pulled, http: httpx.Client) -> None:
    for number in range(1, 24):
        pulled.add(number, NOW - timedelta(hours=1))
    events, _ = pulled.events(http)
    assert len({event.key for event in events}) == 23


def test_the_next_pull_goes_on_and_reads_a_little_again(pulled: Pulled, http: httpx.Client) -> None:
    pulled.add(1, NOW - timedelta(days=5))
    _, cursor = pulled.events(http)
    pulled.tool.now = NOW + timedelta(minutes=5)
    pulled.add(2, NOW - timedelta(minutes=1))  # was rated before the last pull, but not listed yet
    pulled.add(3, NOW + timedelta(minutes=1))
    events, cursor = pulled.events(http, cursor)
    assert numbers(events) == ["2", "3"]
    pulled.tool.now = NOW + timedelta(days=30)
    events, _ = pulled.events(http, cursor)
    assert {"2", "3"} >= set(numbers(events))  # again, under the same keys: harmless


@pytest.mark.promise(number=10)
def test_a_pull_that_breaks_off_anywhere_goes_on_without_a_gap(pulled: Pulled, http: httpx.Client) -> None:
    for number in range(1, 10):
        pulled.add(number, NOW - timedelta(hours=number))
    pages = len(list(pulled.make().pull(http, None)))
    for broken_after in range(1, pages):
        kept: list[Event] = []
        cursor: str | None = None
        for count, page in enumerate(pulled.make().pull(http, None), 1):
            kept += page.events
            cursor = page.cursor
            if count == broken_after:
                break
        events, _ = pulled.events(http, cursor)
        assert {event.key for event in kept + events} == {pulled.key.format(n) for n in range(1, 10)}


def test_an_item_that_cannot_be_read_holds_up_nobody_and_is_told(pulled: Pulled, http: httpx.Client) -> None:
    pulled.add(1, NOW - timedelta(hours=2))
    pulled.add(2, NOW - timedelta(hours=1))
    pulled.items[0][pulled.needs] = {"a": []}
    with pytest.raises(Invalid, match="could not be read"):
        pulled.events(http)  # also to who stops at the page that calls itself the last
    found: list[Event] = []
    with suppress(Invalid):
        for page in pulled.make().pull(http, None):
            found += page.events
    assert numbers(found) == ["2"]


def test_unknown_fields_and_values_are_not_in_the_way(pulled: Pulled, http: httpx.Client) -> None:
    pulled.add(1, NOW - timedelta(hours=2))
    pulled.items.append({**pulled.items[0], "new_field": {"deep": [1]}, **pulled.odd})
    events, _ = pulled.events(http)
    assert numbers(events) == ["1"]


# ---------------------------------------------------------------- the same fact by every road


def test_zendesk_gives_a_rating_the_same_key_by_trigger_and_by_pull(http: httpx.Client) -> None:
    by_webhook = {
        sample.case: sample.events[0]
        for sample in OF_TOOL["zendesk"]
        if sample.case.startswith("trigger_") and sample.events
    }
    for case, score in (("trigger_good", "good"), ("trigger_thanks", "good"), ("trigger_bad", "bad")):
        expected = by_webhook[case]
        with ZendeskTool().running() as tool:
            assert isinstance(tool, ZendeskTool)
            tool.rate(
                int(expected.ticket or 0),
                score,
                expected.occurred_at,
                expected.text,
                assignee_id=int(expected.agents[0]),
                requester_id=int(expected.customer or 0),
            )
            tool.change(
                int(expected.ticket or 0), "open", NOW, assignee_id=4711
            )  # reassigned since: not their credit
            events, _ = zendesk(tool).events(http)
        assert events == [expected]


def test_zendesk_gives_a_solved_ticket_the_same_key_by_event_and_by_pull(http: httpx.Client) -> None:
    sample = next(sample for sample in OF_TOOL["zendesk"] if sample.case == "event_solved")
    detail = sample.json()["detail"]
    with ZendeskTool().running() as tool:
        assert isinstance(tool, ZendeskTool)
        later = NOW + timedelta(hours=3)  # tagged, rated and closed since
        tool.now = later + timedelta(hours=1)
        metrics = {"metric_set": {"solved_at": detail["updated_at"]}}
        tool.change(int(detail["id"]), "closed", later, assignee_id=int(detail["assignee_id"]), **metrics)
        events, _ = zendesk(tool).events(http)
    assert tuple(events) == sample.events


def test_help_scout_gives_a_rating_the_same_key_by_webhook_and_by_pull(http: httpx.Client) -> None:
    for case, value in (("rating_great_with_words", 1), ("rating_great", 1)):
        sample = next(sample for sample in OF_TOOL["help_scout"] if sample.case == case)
        body, expected = sample.json(), sample.events[0]
        with HelpScoutTool().running() as tool:
            assert isinstance(tool, HelpScoutTool)
            tool.now = expected.occurred_at + timedelta(hours=1)
            tool.rate(body["threadId"], value, expected.occurred_at, body["comments"])
            events, _ = help_scout(tool).events(http)
        assert events == [expected]


def test_demo_desk_gives_a_fact_the_same_key_by_webhook_and_by_pull(http: httpx.Client) -> None:
    samples = OF_TOOL["demo"]
    with DemoTool().running() as tool:
        assert isinstance(tool, DemoTool)
        tool.now = NOW + timedelta(hours=1)
        tool.facts = [sample.json() for sample in samples]
        events, _ = demo(tool).events(http)
    assert events == [event for sample in samples for event in sample.events]


# ---------------------------------------------------------------- Zendesk's own ways


@pytest.fixture
def desk(http: httpx.Client) -> Iterator[tuple[ZendeskTool, Pulled]]:
    with ZendeskTool().running() as tool:
        assert isinstance(tool, ZendeskTool)
        yield tool, zendesk(tool)


def test_zendesk_tickets_of_the_last_minute_come_with_the_next_pull(
    desk: tuple[ZendeskTool, Pulled], http: httpx.Client
) -> None:
    tool, pulled = desk
    tool.change(1, "solved", NOW - timedelta(minutes=10))
    tool.change(2, "solved", NOW - timedelta(seconds=20))
    tool.change(3, "open", NOW - timedelta(minutes=5))
    events, cursor = pulled.events(http)
    assert [event.ticket for event in events] == ["1"]
    events, cursor = pulled.events(http, cursor)
    assert events == []
    tool.now = NOW + timedelta(minutes=2)
    events, _ = pulled.events(http, cursor)
    assert [event.ticket for event in events] == ["2"]


def test_zendesk_ratings_that_were_only_offered_are_no_facts(
    desk: tuple[ZendeskTool, Pulled], http: httpx.Client
) -> None:
    tool, pulled = desk
    tool.rate(1, "offered", NOW - timedelta(hours=1))
    tool.rate(2, "bad", NOW - timedelta(hours=1), reason="It took too long")
    events, _ = pulled.events(http)
    assert [(event.key, dict(event.evidence)) for event in events] == [
        ("rating/2/bad", {"reason": "It took too long"})
    ]


def test_zendesk_addresses_in_answers_are_never_called(
    desk: tuple[ZendeskTool, Pulled], http: httpx.Client
) -> None:
    """after_url and links.next name another host in this tool: only its cursors are used."""
    tool, pulled = desk
    for number in range(5):
        tool.rate(number + 1, "good", NOW - timedelta(hours=1))
        tool.change(number + 1, "solved", NOW - timedelta(hours=1))
    events, _ = pulled.events(http)
    assert len(events) == 10


@pytest.mark.parametrize(
    "path", ["/api/v2/satisfaction_ratings.json", "/api/v2/incremental/tickets/cursor.json"]
)
@pytest.mark.parametrize("cursor", [None, "", 5, "same"])
def test_zendesk_lists_that_do_not_say_where_to_go_on_or_go_in_circles_end(
    desk: tuple[ZendeskTool, Pulled], http: httpx.Client, path: str, cursor: Any
) -> None:
    tool, pulled = desk
    said = {
        "satisfaction_ratings": [],
        "tickets": [],
        "meta": {"has_more": True, "after_cursor": cursor},
        "after_cursor": cursor,
        "end_of_stream": False,
    }
    tool.misbehaves = lambda asked: Said(said) if asked.path == path else None
    with pytest.raises(Invalid, match=r"circle|where to go on"):
        pulled.events(http, "ratings=1795000000&tickets_from=1795000000")
    assert len(tool.asked) < 6


def test_zendesk_signs_in_with_address_and_token_or_with_a_bearer_token(
    desk: tuple[ZendeskTool, Pulled], http: httpx.Client
) -> None:
    tool, pulled = desk
    pulled.events(http)
    assert tool.asked[-1].headers["Authorization"] == "Basic YUBleGFtcGxlLmNvbS90b2tlbjp0"
    pulled.events(http, api_email=None)
    assert tool.asked[-1].headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize(
    "cursor", ["nonsense", "ratings=x&tickets_from=1", "tickets_from=1", "ratings=٣&tickets_from=1"]
)
def test_a_zendesk_cursor_that_is_not_ours_is_refused(
    desk: tuple[ZendeskTool, Pulled], http: httpx.Client, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_zendesk_without_a_token_is_not_pulled() -> None:
    assert Zendesk(subdomain="fairhaven", signing_secret="s").api_url() is None
    assert HelpScout(secret="s").api_url() is None
    assert DemoDesk(secret="s").api_url() is None


# ---------------------------------------------------------------- accounts


def test_accounts_come_with_what_is_needed_to_match_them(http: httpx.Client) -> None:
    with ZendeskTool().running() as tool:
        assert isinstance(tool, ZendeskTool)
        user = {
            "id": 7,
            "email": "ana@example.com",
            "name": "Ana",
            "role": "agent",
            "verified": True,
            "active": True,
            "suspended": False,
        }
        tool.users = [
            user,
            {**user, "id": 8, "verified": False},
            {**user, "id": 9, "suspended": True},
            {**user, "id": 10, "active": False},
        ]
        found = [
            (account.id, account.email, account.verified) for account in zendesk(tool).make().accounts(http)
        ]
        assert found == [("7", "ana@example.com", True), ("8", "ana@example.com", False)]
    with HelpScoutTool().running() as scout:
        assert isinstance(scout, HelpScoutTool)
        scout.users = [
            {"id": n, "firstName": "Ana", "lastName": f"{n}", "email": f"{n}@example.com", "type": "user"}
            for n in (1, 2, 3)
        ]
        scout.users.append(
            {"id": 4, "firstName": "The Team", "lastName": None, "email": None, "type": "team"}
        )
        accounts = list(help_scout(scout).make().accounts(http))
        assert [(a.id, a.email, a.name, a.bot) for a in accounts] == [
            *((f"{n}", f"{n}@example.com", f"Ana {n}", False) for n in (1, 2, 3)),
            ("4", None, "The Team", True),
        ]
    with DemoTool().running() as desk:
        assert isinstance(desk, DemoTool)
        desk.agents = [
            {"id": n, "email": f"{n}@example.com", "name": f"N{n}", "verified": n != 2} for n in (1, 2, 3)
        ]
        assert [(a.id, a.verified) for a in demo(desk).make().accounts(http)] == [
            ("1", True),
            ("2", False),
            ("3", True),
        ]
