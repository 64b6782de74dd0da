"""What is particular to Request Tracker: transactions by number, tickets as they were then, rows that RT hides in silence."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from leaderboard.plugin import Delivery, Event, Invalid
from plugins.request_tracker import RequestTracker
from tests.plugins import FOLDER, OF_TOOL
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_g import request_tracker
from tests.plugins.tools import NOW, Asked, Said
from tests.plugins.tools_g import PROMISED, SATISFACTION, RequestTrackerTool, stamp, user

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
Desk = tuple[RequestTrackerTool, Pulled]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with RequestTrackerTool().running() as tool:
        assert isinstance(tool, RequestTrackerTool)
        yield tool, request_tracker(tool)


def pulled(desk: Desk, http: httpx.Client, **settings: Any) -> list[Event]:
    return desk[1].events(http, **settings)[0]


def kinds(events: list[Event]) -> list[tuple[str, tuple[str, ...]]]:
    return [(event.kind, event.agents) for event in events]


def told(**more: Any) -> list[Event]:
    """What the scrip's body means, with these settings and values in place of a sample's."""
    sample = OF_TOOL["request_tracker"][0]
    fields = type(sample.plugin).model_fields
    plugin = type(sample.plugin)(**{**sample.settings, **{k: v for k, v in more.items() if k in fields}})
    body = {**sample.json(), **{k: v for k, v in more.items() if k not in fields}}
    return list(plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


# ---------------------------------------------------------------- the scrip


def test_the_script_in_the_guide_sends_what_the_samples_show() -> None:
    guide = (FOLDER / "request_tracker" / "README.md").read_text("utf-8")
    for sample in OF_TOOL["request_tracker"]:
        assert [name for name in sample.json() if f" {name} " not in guide] == []


@pytest.mark.parametrize(
    "settings",
    [{"address": "rt.example.com"}, {"timezone": "Berlin"}, {"queues": "Support"}, {"good_values": "good"}],
)
def test_a_setting_that_is_none_stops_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RequestTracker(**{"address": "https://rt.example.com", "secret": "s", **settings})


def test_the_scale_and_its_field_are_settings() -> None:
    rated = {"type": "CustomField", "field": "Stars", "new": "FIVE", "rating_field": "Stars"}
    assert kinds(told(**rated, good_values=("four", "five"))) == [("rating.good", ("ana",))]
    assert kinds(told(**rated, bad_values=("five",))) == [("rating.bad", ("ana",))]
    assert kinds(told(**rated, thanks_values=("five",))) == [("thanks.received", ("ana",))]
    assert told(**rated) == told(**{**rated, "rating_field": None, "field": ""}) == []


def test_a_time_that_no_agent_promised_is_a_promise_only_if_a_setting_says_so() -> None:
    due = {"type": "Set", "field": "Due", "new": "2026-11-21 17:00:00"}
    resolved = {"type": "Status", "old": "open", "new": "resolved", "promised": "2026-11-21T17:00:00Z"}
    for by in ("RT_System", "weber@example.net"):
        assert told(**due, by=by) == []
        assert [kind for kind, _ in kinds(told(**due, by=by, service_levels=True))] == ["promise.made"]
        assert [kind for kind, _ in kinds(told(**resolved, promised_by=by))] == ["ticket.solved"]
    assert (
        told(**due, by="ben", promise_field="")
        == told(**{**due, "new": "1970-01-01 00:00:00"}, by="ben")
        == []
    )
    (made,) = told(type="Create", promised="2026-11-21T17:00:00Z", by="ben", owner="Nobody")
    assert (made.kind, made.agents) == ("promise.made", ())


def test_a_promised_day_ends_where_the_company_is() -> None:
    day = {"type": "CustomField", "field": "Promised", "new": "2026-11-21", "by": "ana"}
    (made,) = told(**day, promise_field="Promised", timezone="Europe/Berlin")
    assert made.due_at
    assert f"{made.due_at:%d %H:%M}" == "21 22:59"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("open", "done", ["ticket.solved"]),
        ("resolved", "done", []),
        ("done", "rejected", []),
        ("done", "deleted", []),
        ("done", "new", ["ticket.reopened"]),
        ("new", "stalled", []),
    ],
)
def test_which_status_is_solved_is_a_setting(old: str, new: str, found: list[str]) -> None:
    events = told(type="Status", old=old, new=new, solved_statuses=("resolved", "done"))
    assert [event.kind for event in events] == found


def test_rts_own_users_and_customers_help_nobody() -> None:
    for by in ("RT_System", "Nobody", "weber@example.net", None):
        assert told(type="Comment", by=by) == told(type="Correspond", by=by) == []
    assert told(type="Comment", by="ben", owner="Nobody") == []
    assert told(type="Comment", by="ben", queue="Internal", queues=("Returns", "Support")) == []


# ---------------------------------------------------------------- the same fact by both roads


@pytest.mark.parametrize("sample", OF_TOOL["request_tracker"], ids=lambda sample: sample.case)
def test_a_transaction_by_scrip_and_by_pull_is_the_same_fact(
    desk: Desk, http: httpx.Client, sample: Any
) -> None:
    tool, pull = desk
    body, tool.now = sample.json(), NOW + HOUR
    fields = [("Satisfaction", body["new"]), ("Customer words", body["words"])]
    held = [{"type": "customfield", "name": name, "values": [said] if said else []} for name, said in fields]
    people = {"Requestor": [{**user(body["customer"]), "EmailAddress": body["customer"]}]}
    more = {"Queue": {"Name": body["queue"]}, "Due": body["promised"], "CustomFields": held}
    tool.open(body["ticket"], body["owner"], Creator=user(body["promised_by"] or "root"), **people, **more)
    if body["said"]:
        tool.say(body["ticket"], body["customer"], NOW - HOUR, body["said"])
    field = SATISFACTION if body["field"] == "Satisfaction" else body["field"]
    changed = {"id": body["id"], "Field": field, "OldValue": body["old"], "NewValue": body["new"]}
    tool.write(body["ticket"], body["type"], body["by"], NOW, **changed)
    found = pull.events(http, queues=sample.settings.get("queues", ()))[0]
    assert tuple(replace(event, url=sample.events[0].url) for event in found) == sample.events


def test_the_customers_newest_message_before_is_what_they_said(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    tool.say(9, "ito@example.org", NOW - 5 * HOUR, "My luggage is lost")
    tool.say(9, "ito@example.org", NOW - 4 * HOUR, "<p>It is <b>here</b>, thank you!</p>", "text/html")
    tool.say(9, "ana", NOW - 3 * HOUR, "You are welcome")
    for ticket in (9, 10):  # nothing was written on the other one
        tool.write(ticket, "CustomField", "ben", NOW - 2 * HOUR, Field=SATISFACTION, NewValue="Thanks")
    tool.say(9, "ito@example.org", NOW - HOUR, "One more thing")
    thanks = [event for event in pulled(desk, http) if event.kind == "thanks.received"]
    assert [(event.text, event.giver) for event in thanks] == [
        ("It is here, thank you!", "ben"),
        (None, "ben"),
    ]


# ---------------------------------------------------------------- tickets as they were then


def test_credit_goes_to_who_owned_the_ticket_then(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    tool.open(9, "Nobody")
    tool.change(9, "Status", "resolved", "root", NOW - 6 * HOUR)
    tool.change(9, "Status", "open", "root", NOW - 5 * HOUR)
    tool.change(9, "Owner", "ana", "ana", NOW - 4 * HOUR)
    tool.write(9, "Comment", "ben", NOW - 3 * HOUR)
    tool.change(9, "Status", "resolved", "ana", NOW - 2 * HOUR)
    tool.change(9, "Owner", "ben", "root", NOW - HOUR)
    tool.write(9, "Comment", "ben", NOW - MINUTE)
    assert kinds(pulled(desk, http)) == [
        ("ticket.solved", ("root",)),
        ("ticket.reopened", ()),
        ("help.given", ("ben",)),
        ("ticket.solved", ("ana",)),
    ]


@pytest.mark.parametrize("field", ["Due", "Promised"])
def test_a_promise_is_made_moved_and_kept_as_it_was_then(desk: Desk, http: httpx.Client, field: str) -> None:
    tool = desk[0]
    times = [stamp(NOW + number * HOUR) for number in (1, 2)]
    name, kind, old = (
        (field, "Set", "1970-01-01 00:00:00") if field == "Due" else (PROMISED, "CustomField", "")
    )
    now = {"Due": times[1].replace(" ", "T") + "Z"}
    if field == "Promised":
        now = {"CustomFields": [{"name": "Promised", "values": [times[1].replace(" ", "T") + "Z"]}]}
    tool.open(9, **now)
    tool.change(9, "Status", "resolved", "ana", NOW - 5 * HOUR)  # nothing was promised yet
    tool.change(9, "Status", "open", "ana", NOW - 4 * HOUR)
    tool.write(9, kind, "ben", NOW - 3 * HOUR, Field=name, OldValue=old, NewValue=times[0])
    tool.write(9, kind, "ben", NOW - 2 * HOUR, Field=name, OldValue=times[0], NewValue=times[1])
    tool.change(9, "Status", "resolved", "ana", NOW - HOUR)
    found = pulled(desk, http, promise_field=field)
    assert [event.kind for event in found[2:]] == [
        "promise.made",
        "promise.made",
        "ticket.solved",
        "promise.kept",
    ]
    assert [stamp(event.due_at) for event in found if event.due_at] == times
    assert {event.agents for event in found[2:]} == {("ana",)}


def test_a_merged_ticket_is_its_survivors_and_a_deleted_one_is_nobodys(
    desk: Desk, http: httpx.Client
) -> None:
    tool = desk[0]
    for number, owner in ((1, "ana"), (2, "ben"), (3, "ana")):
        tool.open(number, owner)
        tool.write(number, "Correspond", "root", NOW - HOUR)
    tool.merged[1] = 2
    tool.tickets[3]["Status"] = "deleted"
    tool.write(1, "Comment", "ana", NOW - HOUR)
    found = pulled(desk, http)
    assert [(event.kind, event.giver, event.ticket) for event in found] == [
        ("ticket.replied", None, "1"),
        ("ticket.replied", None, "2"),
        ("help.given", "ben", "1"),
    ]


# ---------------------------------------------------------------- what RT hides, and what comes late


def test_pages_of_which_nothing_can_be_seen_are_stepped_over(desk: Desk, http: httpx.Client) -> None:
    tool, pull = desk
    for _ in range(20):
        tool.write(9, "Correspond", "ana", NOW - HOUR)
    tool.hidden = {str(number) for number in (*range(503, 511), 520)}
    found, cursor = pull.events(http)
    assert [event.key for event in found] == [
        f"transaction/{n}/replied" for n in (501, 502, *range(511, 520))
    ]
    assert cursor == "after=519"
    tool.hidden = {row["id"] for row in tool.transactions}
    found, cursor = pull.events(http)
    assert found == []
    assert cursor.startswith("from=2026-11-13")  # goes on there as soon as something can be seen


def test_a_transaction_that_comes_to_light_late_is_still_read(desk: Desk, http: httpx.Client) -> None:
    """Its number was given before that of another, which was committed first."""
    tool, pull = desk
    tool.write(9, "Correspond", "ana", NOW - HOUR)
    late = tool.write(9, "Correspond", "ana", NOW - MINUTE)
    tool.write(9, "Correspond", "ana", NOW - MINUTE)
    row = tool.transactions.pop(1)
    found, cursor = pull.events(http)
    assert [event.key for event in found] == ["transaction/501/replied", "transaction/503/replied"]
    tool.transactions.append(row)
    tool.now = NOW + 10 * MINUTE
    found, cursor = pull.events(http, cursor)
    assert f"transaction/{late}/replied" in [event.key for event in found]
    assert cursor == "after=503"


def test_a_field_that_cannot_be_seen_is_told_and_holds_up_nothing_else(
    desk: Desk, http: httpx.Client
) -> None:
    tool, pull = desk
    tool.rate(501, "Good", NOW - HOUR)
    tool.write(501, "Correspond", "ana", NOW - HOUR)
    tool.fields.pop(SATISFACTION)
    found: list[Event] = []
    with suppress(Invalid):
        for page in pull.make().pull(http, None):
            found += page.events
    assert [event.kind for event in found] == ["ticket.replied"]
    with pytest.raises(Invalid, match="no custom field Satisfaction"):
        pulled(desk, http)


def test_a_list_that_goes_round_in_a_circle_is_left(desk: Desk, http: httpx.Client) -> None:
    desk[0].write(9, "Correspond", "ana", NOW - HOUR)
    rows = [{**desk[0].transactions[0], "id": number} for number in ("501", "9")]

    def misbehave(asked: Asked) -> Said | None:
        return Said({"items": rows}) if asked.path.endswith("/transactions") else None

    desk[0].misbehaves = misbehave
    with pytest.raises(Invalid, match="circle"):
        desk[1].events(http, "after=400")


def test_articles_count_only_when_asked_for_and_never_by_a_machine(desk: Desk, http: httpx.Client) -> None:
    about = {"ObjectType": "RT::Article"}
    for by, kind in (("ana", "Create"), ("RT_System", "Create"), ("ben", "Set")):
        desk[0].write(5, kind, by, NOW - HOUR, **about)
    assert kinds(pulled(desk, http)) == [("knowledge.shared", ("ana",))]
    assert pulled(desk, http, read_articles=False) == []


def test_accounts_are_the_members_of_the_group_that_are_people(desk: Desk, http: httpx.Client) -> None:
    tool, pull = desk
    tool.members, tool.disabled = ["ana", "ben", "RT_System", "root"], {"ben"}
    found = [(account.id, account.email, account.name) for account in pull.make().accounts(http)]
    assert found == [("ana", "ana@example.com", "Ana"), ("root", "root@example.com", "Root")]
    with pytest.raises(Invalid, match="no group Agents"):
        list(pull.make(agent_group="Agents").accounts(http))


@pytest.mark.parametrize("cursor", ["nonsense", "after=", "after=1x", "from=soon", "after=-1"])
def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, http: httpx.Client, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_without_a_token_nothing_is_pulled() -> None:
    assert RequestTracker(address="https://rt.example.com", secret="s").api_url() is None
