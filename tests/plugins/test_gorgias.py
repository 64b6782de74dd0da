"""What is particular to Gorgias: the newest first, places in a list that outlast a limit, surveys that name only a ticket."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from leaderboard import deliveries, standings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Invalid, Page, Refused, TryLater
from leaderboard.tables import Identity
from plugins.gorgias import Gorgias
from tests.make import NOON, Clock, Company
from tests.plugins import FOLDER, OF_TOOL
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_d import gorgias
from tests.plugins.tools import NOW, Said, iso
from tests.plugins.tools_d import GorgiasTool, plain

HOUR = timedelta(hours=1)
Desk = tuple[GorgiasTool, Pulled]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with GorgiasTool().running() as tool:
        assert isinstance(tool, GorgiasTool)
        yield tool, gorgias(tool)


def pulled(desk: Desk, http: httpx.Client, **settings: Any) -> dict[str, Event]:
    return {event.key: event for event in desk[1].events(http, **settings)[0]}


def sample_of(case: str) -> Any:
    return next(sample for sample in OF_TOOL["gorgias"] if sample.case == case)


def told(**changed: Any) -> list[Event]:
    plugin = sample_of("closed").plugin
    body = {**sample_of("closed").json(), **changed}
    return list(plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


# ---------------------------------------------------------------- the HTTP integration


def test_an_integration_without_our_secret_is_refused() -> None:
    plugin = sample_of("closed").plugin
    for headers in ({}, {"x-extra-mile-secret": "another"}, {"authorization": "gorgias-sample-secret"}):
        with pytest.raises(Refused, match="X-Extra-Mile-Secret"):
            plugin.verify(Delivery(b"{}", headers, NOW))


def test_the_bodies_in_the_guide_send_what_the_samples_show() -> None:
    guide = (FOLDER / "gorgias" / "README.md").read_text("utf-8")
    for case in ("survey_thanks", "answer"):
        assert [name for name in sample_of(case).json() if f'"{name}": "' not in guide] == []
    for body in re.findall(r"^    (\{\"extra_mile.*?\})$", guide, re.MULTILINE | re.DOTALL):
        assert json.loads(body)["extra_mile"] in ("ticket", "message")


def test_a_template_that_knows_no_ticket_is_refused() -> None:
    for nothing in ("", None):
        with pytest.raises(Invalid, match="ticket"):
            told(ticket=nothing)


@pytest.mark.parametrize("score", ["", "None", None, 0, "6", True, [5], "five"])
def test_a_score_that_is_none_is_not_for_us(score: Any) -> None:
    assert told(status="open", score=score, scored_at=iso(NOW)) == []


def test_a_template_shows_by_nothing_how_it_writes_what_is_not_there() -> None:
    rated = {"status": "open", "score": "5", "scored_at": iso(NOW), "words": "None"}
    assert [told(**rated, nothing=nothing)[0].text for nothing in ("None", "")] == [None, "None"]


def test_a_score_may_come_as_a_number_of_either_kind() -> None:
    for score in (5, 5.0, "5", "5.0"):
        (event,) = told(status="open", score=score, scored_at=iso(NOW))
        assert event.kind == "rating.good"


@pytest.mark.parametrize("settings", [{"domain": "https://fairhaven.gorgias.com"}, {"timezone": "Mars"}])
def test_a_setting_that_is_none_stops_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Gorgias(**{"domain": "fairhaven", "secret": "s", **settings})
    assert Gorgias(domain="fairhaven", secret="s").api_url() is None


# ---------------------------------------------------------------- the same fact by both roads


@pytest.mark.parametrize("case", ["survey_thanks", "survey_good", "survey_bad"])
@pytest.mark.parametrize("about", ["SatisfactionSurvey", "Ticket"])
def test_a_survey_by_integration_and_by_pull_is_the_same_fact(
    desk: Desk, http: httpx.Client, case: str, about: str
) -> None:
    (expected,), body = sample_of(case).events, sample_of(case).json()
    tool, number = desk[0], int(body["ticket"])
    event = tool.rate(number, int(body["score"]), expected.occurred_at, expected.text, object_type=about)
    if about == "Ticket":
        event |= {"object_id": number, "data": {}}  # then the ticket's own survey tells what was said
    tool.tickets[0]["customer"] = {"id": 5, "email": body["customer"]}
    assert pulled(desk, http) == {expected.key: expected}


def test_a_closed_ticket_and_its_promise_by_integration_and_by_pull_are_the_same_facts(
    desk: Desk, http: httpx.Client
) -> None:
    made, solved, kept = sample_of("closed_in_time").events
    tool, number = desk[0], int(solved.ticket)
    times = {"closed_datetime": plain(solved.occurred_at), "updated_datetime": plain(made.occurred_at)}
    tool.change(number, NOW, status="closed", **times)
    field = {"id": 4711, "value": "2026-11-20 17:00"}
    settings = {"promise_field": 4711, "timezone": "Europe/Berlin"}
    for fields in ({"4711": field}, [field, {"id": 1, "value": "red"}]):
        tool.fields[str(number)] = fields
        assert pulled(desk, http, **settings) == {event.key: event for event in (made, solved, kept)}
    tool.tickets[0]["custom_fields"] = {}
    assert list(pulled(desk, http, **settings)) == [solved.key]  # a list that tells the fields is believed


def test_an_answer_and_a_note_by_integration_and_by_pull_are_the_same_facts(
    desk: Desk, http: httpx.Client
) -> None:
    (answered,), (helped,) = sample_of("answer").events, sample_of("note_helps").events
    tool, number = desk[0], int(answered.ticket)
    tool.change(number, NOW - timedelta(days=30))  # not among what changed: the ticket is asked for
    tool.write(991204511, number, 77, answered.occurred_at)
    assert pulled(desk, http) == {answered.key: answered}
    tool.messages.clear()
    tool.write(991204511, number, 88, helped.occurred_at, public=False)
    assert pulled(desk, http) == {helped.key: helped}


# ---------------------------------------------------------------- what counts


def test_a_score_that_changed_twice_is_told_as_it_was_each_time(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    tool.rate(1, 1, NOW - 3 * HOUR, "Nobody rang.")
    tool.rate(1, 5, NOW - 2 * HOUR, "Now you did!")
    tool.rate(1, 2, NOW - HOUR, "Nobody again.")
    events, _ = desk[1].events(http)
    assert [(event.key, event.text) for event in events] == [
        ("rating/1/thanks", "Now you did!"),  # pages come the newest first; within a page the oldest
        ("rating/1/bad", "Nobody again."),
        ("rating/1/bad", "Nobody rang."),
    ]


def test_customers_rules_and_ones_own_notes_are_no_help_and_no_answer(desk: Desk, http: httpx.Client) -> None:
    tool, at = desk[0], NOW - HOUR
    tool.change(1, at)
    tool.change(2, at, assignee=None)
    tool.write(1, 1, 500, at, from_agent=False)
    tool.write(2, 1, 88, at, rule_id=7)
    tool.write(3, 1, 77, at, public=False)
    tool.write(4, 2, 88, at, public=False)
    assert pulled(desk, http) == {}


def test_messages_can_be_left_out(desk: Desk, http: httpx.Client) -> None:
    desk[0].write(1, 1, 77, NOW - HOUR)
    assert pulled(desk, http, read_messages=False) == {}
    assert "/api/messages" not in desk[0].paths()


def test_a_survey_about_a_ticket_that_is_gone_holds_up_nobody(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    tool.rate(1, 5, NOW - 2 * HOUR, "Thank you")
    tool.rate(2, 5, NOW - HOUR, "Thank you")
    del tool.tickets[0]
    pages: list[Page] = []
    with pytest.raises(Invalid, match="1 items could not be read"):
        pages.extend(desk[1].make().pull(http, None))  # keeps what came before
    assert [event.key for page in pages for event in page.events] == ["rating/2/thanks"]
    assert pages[-1].cursor == "read=2026-11-20T09%3A00%3A00Z"


# ---------------------------------------------------------------- lists and their limits


def test_a_reading_goes_on_where_a_limit_stopped_it(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    for number in range(1, 10):
        tool.rate(number, 5, NOW - number * HOUR, "Thank you")
    tool.misbehaves = lambda asked: (
        Said(status=429, headers={"Retry-After": "7"}) if asked.query.get("cursor") == "p6" else None
    )
    kept: list[Page] = []
    with pytest.raises(TryLater) as caught:
        kept.extend(desk[1].make().pull(http, None))  # keeps what came before
    assert caught.value.seconds == 7
    tool.misbehaves = lambda asked: None
    tool.asked.clear()
    tool.now = NOW + HOUR  # what comes while it waits is read by the pull after the next
    later, cursor = desk[1].events(http, kept[-1].cursor)
    assert tool.asked[0].query["cursor"] == "p6"
    assert "/api/messages" not in tool.paths()
    found = [event.key for page in kept for event in page.events] + [event.key for event in later]
    assert sorted(found) == [f"rating/{number}/thanks" for number in range(1, 10)]
    assert cursor == "read=2026-11-20T09%3A00%3A00Z"


def test_a_place_that_is_no_longer_known_begins_the_list_again(desk: Desk, http: httpx.Client) -> None:
    desk[0].rate(1, 5, NOW - HOUR, "Thank you")
    events, _ = desk[1].events(
        http, "read=2026-11-20T07:00:00Z&until=2026-11-20T08:30:00Z&list=events&at=gone"
    )
    assert [event.key for event in events] == ["rating/1/thanks"]


def test_only_what_is_new_is_read(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    for number in range(1, 30):
        tool.rate(number, 5, NOW - timedelta(days=6) + number * HOUR)
    tool.rate(30, 5, NOW - HOUR)
    events, _ = desk[1].events(http, f"read={iso(NOW - 2 * HOUR)}")
    assert [event.key for event in events] == ["rating/30/good"]
    assert tool.paths().count("/api/events") == 1


def test_a_list_that_goes_round_in_a_circle_is_left(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    said = Said({"data": [], "meta": {"next_cursor": "p2"}})
    tool.misbehaves = lambda asked: said if asked.path in ("/api/events", "/api/users") else None
    with pytest.raises(Invalid, match="circle"):
        desk[1].events(http, f"read={iso(NOW)}")
    with pytest.raises(Invalid, match="circle"):
        list(desk[1].make().accounts(http))
    assert len(tool.asked) < 10


@pytest.mark.parametrize("cursor", ["nonsense", "read=", "list=events&at=p2"])
def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, http: httpx.Client, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_accounts_are_the_users_who_may_sign_in_with_bots_marked(desk: Desk, http: httpx.Client) -> None:
    user = {"id": 77, "name": "Ana", "email": "ana@example.com", "active": True, "role": {"name": "agent"}}
    desk[0].users = [
        user,
        {**user, "id": 78, "active": False},
        {**user, "id": 79, "deactivated_datetime": plain(NOW)},
        {**user, "id": 80, "name": "Gorgias Bot", "email": None, "role": {"name": "bot"}},
    ]
    found = [(a.id, a.email, a.name, a.bot) for a in desk[1].make().accounts(http)]
    assert found == [("77", "ana@example.com", "Ana", False), ("80", None, "Gorgias Bot", True)]


# ---------------------------------------------------------------- the whole road


def test_an_unhappy_survey_an_answer_and_a_happy_one_by_mixed_roads_are_a_recovery(
    db: Database, company: Company, clock: Clock, desk: Desk
) -> None:
    tool, plugin = desk[0], desk[1].make()
    with db.writing() as session:
        for account, name in (("77", "ana"), ("88", "ben")):
            about = {"source": "gorgias", "account": account, "person_id": company[name]}
            session.add(Identity(**about, linked_at=NOON, created_at=NOON))
    config = Config(plugins={"gorgias": plugin}, pull_hosts=("127.0.0.1",))
    tool.now = NOON
    bad = {"extra_mile": "ticket", "ticket": "9", "agent": "77", "customer": "customer-9@example.com"}
    body = json.dumps({**bad, "score": "1", "scored_at": iso(NOON - 3 * HOUR)}).encode()
    assert deliveries.receive(db, config, "gorgias", Delivery(body, {}, NOON)).new == 1
    tool.rate(9, 1, NOON - 3 * HOUR)
    tool.write(1, 9, 77, NOON - 2 * HOUR)
    tool.write(2, 9, 88, NOON - 2 * HOUR, public=False)
    tool.rate(9, 5, NOON - HOUR, "Thank you")
    assert deliveries.pull(db, config, "gorgias", clock) == 3
    assert deliveries.pull(db, config, "gorgias", clock) == 0
    with db.reading() as session:
        totals = [standings.total(session, company[name], "2026-W47") for name in ("ana", "ben")]
    assert totals == [12, 3]
