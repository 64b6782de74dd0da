"""What is particular to Jira: histories that tell before and after, fields with numbers, times before now, stars apart."""

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
from leaderboard.plugin import Delivery, Event, Invalid, Page, Refused, TryLater
from leaderboard.tables import Promise
from plugins.jira_service_management import JiraServiceManagement
from tests.make import NOON, Clock, Company
from tests.plugins import OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_b import jira_service_management
from tests.plugins.road import road_of, total
from tests.plugins.tools import NOW, Said
from tests.plugins.tools_b import JiraTool, stamp

HOUR = timedelta(hours=1)
SETTINGS = {"address": "https://fairhaven.atlassian.net", "projects": ("SUP",), "secret": "s"}
PLUGIN = JiraServiceManagement(**SETTINGS)
SOLVED = {"field": "status", "fromString": "In Progress", "toString": "Resolved"}
OPENED = {"field": "status", "fromString": "Closed", "toString": "Reopened"}
THANKED = {"field": "labels", "fromString": "", "toString": "thanks"}


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["jira_service_management"] if found.case == case)


def events_of(body: Any, plugin: JiraServiceManagement = PLUGIN) -> list[Event]:
    return list(plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


# ---------------------------------------------------------------- settings and the door


@pytest.mark.parametrize(
    "wrong", [{"projects": ()}, {"projects": ('SUP" OR',)}, {"timezone": "Mars"}, {"address": "fairhaven"}]
)
def test_settings_that_cannot_be_right_stop_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        JiraServiceManagement(**{**SETTINGS, **wrong})


def test_a_signature_says_its_method() -> None:
    right = PLUGIN.sign(b"{}", NOW)["X-Hub-Signature"]
    PLUGIN.verify(Delivery(b"{}", {"x-hub-signature": right}, NOW))
    for wrong in ("", right.removeprefix("sha256="), right.replace("sha256", "sha1")):
        with pytest.raises(Refused):
            PLUGIN.verify(Delivery(b"{}", {"x-hub-signature": wrong}, NOW))


def test_without_a_token_nothing_is_pulled() -> None:
    assert PLUGIN.api_url() is None
    assert JiraServiceManagement(**SETTINGS, api_email="a", api_token="t").api_url() == SETTINGS["address"]


# ---------------------------------------------------------------- webhooks


def test_statuses_have_the_names_that_the_company_gives_them() -> None:
    body = sample("solved").json()
    body["changelog"]["items"] = [{"field": "status", "fromString": "In Arbeit", "toString": "Gelöst"}]
    assert events_of(body) == []
    german = JiraServiceManagement(**{**SETTINGS, "solved_statuses": ("Gelöst",)})
    assert kinds(events_of(body, german)) == ["ticket.solved"]


def test_a_thanks_whose_words_are_not_in_the_body_waits_for_the_pull() -> None:
    body = sample("thanks").json()
    del body["issue"]["fields"]["comment"]
    assert events_of(body, JiraServiceManagement(**SETTINGS, api_email="a", api_token="t")) == []
    (event,) = events_of(body)  # nothing will be pulled, so it counts without words
    assert (event.key, event.text) == ("rating/10081/thanks", None)


def test_a_comment_that_does_not_say_who_may_see_it_is_left_to_the_pull() -> None:
    body = sample("note_helps").json()
    del body["comment"]["jsdPublic"]
    assert events_of(body) == []
    body = sample("note_helps").json()
    del body["comment"]["author"]["accountType"]
    assert events_of(body) == []


def test_a_colleague_who_asked_for_something_helps_nobody_by_writing_on_it() -> None:
    body = sample("answer").json()
    body["issue"]["fields"]["reporter"] = body["comment"]["author"]
    assert events_of(body) == []


def test_a_note_on_an_unassigned_request_is_nobodys_help() -> None:
    body = sample("note_helps").json()
    body["issue"]["fields"]["assignee"] = None
    assert events_of(body) == []


def test_cycles_of_a_service_level_that_ended_long_ago_came_with_their_own_webhook() -> None:
    body, plugin = sample("solved").json(), sample("solved").plugin
    body["timestamp"] += 7 * 24 * 3_600_000
    found = list(plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))
    assert kinds(found) == ["ticket.solved"]


# ---------------------------------------------------------------- the pull


@pytest.fixture
def desk() -> Iterator[tuple[JiraTool, Pulled]]:
    with JiraTool().running() as tool:
        assert isinstance(tool, JiraTool)
        yield tool, jira_service_management(tool)


@pytest.mark.parametrize(
    "case", ["thanks", "solved", "solved_by_the_promised_day", "promised", "reopened", "note_helps", "answer"]
)
def test_a_fact_has_one_key_by_webhook_and_by_pull(
    desk: tuple[JiraTool, Pulled], http: httpx.Client, case: str
) -> None:
    """The pull finds the time of a change to the second, and all else as it was sent."""
    tool, pulled = desk
    body, told = sample(case).json(), sample(case)
    issue = body["issue"]
    tool.now = NOW + HOUR
    tool.issues.append(issue)
    if "changelog" in body:
        history = {**body["changelog"], "author": body["user"], "created": stamp(NOW)}
        tool.histories[issue["id"]] = [history]
    written = issue["fields"].pop("comment", {}).get("comments", [])
    tool.comments[issue["id"]] = written or [body[name] for name in ("comment",) if name in body]
    settings = {name: value for name, value in told.settings.items() if name not in ("address", "secret")}
    events, _ = pulled.events(http, **settings)
    found = {event.key: event for event in events}
    for event in told.events:
        same = found[event.key]
        assert (same.kind, same.occurred_at, same.agents, same.giver, same.customer, same.text) == (
            event.kind,
            event.occurred_at,
            event.agents,
            event.giver,
            event.customer,
            event.text,
        )


def test_stars_and_words_decide_what_a_rating_is(desk: tuple[JiraTool, Pulled], http: httpx.Client) -> None:
    for number, (stars, words) in enumerate(
        ((5, "Great"), (4, " "), (3, "Fine"), (2, None), (1, "No"), (9, "?"))
    ):
        desk[0].rate(number + 1, stars, NOW - HOUR, words)
    events, _ = desk[1].events(http)
    assert [event.key for event in events] == [
        "rating/1/thanks",
        "rating/2/good",
        "rating/4/bad",
        "rating/5/bad",
    ]


def test_a_rating_is_to_who_was_assigned_when_it_was_given(
    desk: tuple[JiraTool, Pulled], http: httpx.Client
) -> None:
    tool, pulled = desk

    def assigned(before: str | None, after: str) -> dict[str, Any]:
        return {"field": "assignee", "from": before, "to": after}

    for hours, item in ((30, assigned(None, "66")), (20, assigned("66", "88")), (2, assigned("88", "77"))):
        tool.change(1, NOW - hours * HOUR, item)
    tool.issues.clear()
    tool.rate(1, 5, NOW - 5 * HOUR)
    events, _ = pulled.events(http)
    assert [event.agents for event in events] == [("88",)]


def test_a_rating_is_found_though_its_issue_was_not_changed_by_it(
    desk: tuple[JiraTool, Pulled], http: httpx.Client
) -> None:
    desk[0].rate(1, 5, NOW - HOUR, "Thank you", updated=stamp(NOW - 900 * HOUR))
    assert [event.key for event in desk[1].events(http)[0]] == ["rating/1/thanks"]


def test_only_what_happened_since_is_told_of_a_long_history(
    desk: tuple[JiraTool, Pulled], http: httpx.Client
) -> None:
    tool, pulled = desk
    for days, item in ((60, SOLVED), (50, OPENED), (40, SOLVED), (3, OPENED), (1, SOLVED)):
        tool.change(1, NOW - days * 24 * HOUR, item)
    tool.write(1, 11, "88", NOW - 55 * 24 * HOUR, jsdPublic=False)
    tool.write(1, 12, "88", NOW - HOUR, jsdPublic=False)
    events, _ = pulled.events(http)
    assert [event.key for event in events] == [
        "ticket/1/reopened/103",
        "ticket/1/solved/104",
        "comment/12/helped",
    ]
    assert tool.paths().count("/rest/api/2/issue/1/changelog") == 3  # two at a time


def test_comments_are_asked_for_only_where_they_are_wanted(
    desk: tuple[JiraTool, Pulled], http: httpx.Client
) -> None:
    tool, pulled = desk
    tool.change(1, NOW, THANKED, labels=["thanks"])
    tool.change(2, NOW)
    tool.write(1, 11, "qm:1", NOW, body="So kind.")
    events, _ = pulled.events(http, read_comments=False)
    assert [(event.text, event.giver) for event in events] == [("So kind.", "88")]
    assert [path for path in tool.paths() if "comment" in path] == ["/rest/api/2/issue/1/comment"]


def test_feedback_that_is_refused_is_told_and_stops_nothing_else(
    desk: tuple[JiraTool, Pulled], http: httpx.Client
) -> None:
    tool, pulled = desk
    tool.rate(1, 5, NOW - HOUR)
    tool.change(2, NOW - HOUR, SOLVED)
    tool.misbehaves = lambda asked: Said(status=403) if "feedback" in asked.path else None
    pages: list[Page] = []
    with pytest.raises(Invalid, match="credentials"):
        pages.extend(pulled.make().pull(http, None))
    assert kinds([event for page in pages for event in page.events]) == ["ticket.solved"]


def test_a_pause_that_jira_asks_for_in_the_middle_is_obeyed(
    desk: tuple[JiraTool, Pulled], http: httpx.Client
) -> None:
    desk[0].rate(1, 5, NOW - HOUR)
    wait = Said(status=429, headers={"Retry-After": "7"})
    desk[0].misbehaves = lambda asked: wait if "feedback" in asked.path else None
    with pytest.raises(TryLater) as caught:
        desk[1].events(http)
    assert caught.value.seconds == 7


def test_a_search_whose_token_stays_the_same_ends(desk: tuple[JiraTool, Pulled], http: httpx.Client) -> None:
    same = Said({"issues": [], "nextPageToken": "same"})
    desk[0].misbehaves = lambda asked: same if asked.path.endswith("/jql") else None
    with pytest.raises(Invalid, match="circle"):
        desk[1].events(http)


def test_a_site_without_ratings_is_asked_for_none(desk: tuple[JiraTool, Pulled], http: httpx.Client) -> None:
    desk[0].fields = (("updated", "Updated", None),)
    desk[1].events(http)
    assert desk[0].paths().count("/rest/api/2/search/jql") == 1


@pytest.mark.parametrize("cursor", ["nonsense", "issues=x&ratings=1", f"issues={stamp(NOW)}"])
def test_a_cursor_that_is_not_ours_is_refused(
    desk: tuple[JiraTool, Pulled], http: httpx.Client, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_accounts_are_staff_and_programs(desk: tuple[JiraTool, Pulled], http: httpx.Client) -> None:
    user = {"active": True, "displayName": "Ana", "accountType": "atlassian"}
    desk[0].users = [
        {**user, "accountId": "1", "emailAddress": "ana@example.com"},
        {**user, "accountId": "2", "active": False},
        {**user, "accountId": "3"},
        {**user, "accountId": "4", "accountType": "customer"},
        {**user, "accountId": "5", "accountType": "app"},
    ]
    found = [(a.id, a.email, a.bot) for a in desk[1].make().accounts(http)]
    assert found == [("1", "ana@example.com", False), ("3", None, False), ("5", None, True)]


# ---------------------------------------------------------------- the whole road


@pytest.fixture
def road(db: Database, company: Company, desk: tuple[JiraTool, Pulled]) -> tuple[JiraTool, Config]:
    return road_of(
        db, company, desk, "jira_service_management", ana="77", ben="88", sla_promises=("Time to resolution",)
    )


def pull(db: Database, road: tuple[JiraTool, Config], clock: Clock) -> int:
    return deliveries.pull(db, road[1], "jira_service_management", clock)


def test_an_unhappy_rating_that_was_answered_and_turned_good_is_a_recovery(
    db: Database, company: Company, clock: Clock, road: tuple[JiraTool, Config]
) -> None:
    tool, stars = road[0], ((NOON - 3 * HOUR, 1, 0), (NOON - HOUR, 5, 12), (NOON, 1, 12), (NOON, 5, 12))
    for moment, rating, points in stars:
        tool.now = moment
        tool.issues.clear()
        tool.rate(1, rating, moment, "Words")
        pull(db, road, clock)
        assert total(db, company) == points  # changed to and fro, it stays the one recovery
        tool.now = NOON - 2 * HOUR
        tool.issues.clear()
        tool.change(1, NOON - 2 * HOUR)
        tool.comments.clear()
        tool.write(1, 11, "77", NOON - 2 * HOUR)
        pull(db, road, clock)


def test_a_service_level_that_began_by_webhook_and_was_met_by_pull_is_a_promise_kept(
    db: Database, company: Company, clock: Clock, road: tuple[JiraTool, Config]
) -> None:
    def date(moment: datetime) -> dict[str, int]:
        return {"epochMillis": int(moment.timestamp() * 1000)}

    tool, config = road
    cycle = {"startTime": date(NOON - 4 * HOUR), "breachTime": date(NOON), "breached": False}
    level = {"id": "1", "name": "Time to resolution", "completedCycles": [], "ongoingCycle": cycle}
    tool.change(1, NOON - 3 * HOUR, customfield_10040=level)
    told = {"webhookEvent": "jira:issue_updated", "timestamp": date(NOON - 3 * HOUR)["epochMillis"]}
    body = json.dumps({**told, "issue": tool.issues[0]}).encode()
    assert deliveries.receive(db, config, "jira_service_management", Delivery(body, {}, NOON)).new == 1
    met = {"ongoingCycle": None, "completedCycles": [{**cycle, "stopTime": date(NOON - HOUR)}]}
    tool.change(1, NOON - HOUR, SOLVED, customfield_10040=level | met)
    assert pull(db, road, clock) == 2  # solved and kept; that it was made is known
    assert pull(db, road, clock) == 0
    with db.reading() as session:
        assert session.exec(select(Promise.state)).one() == "kept"
    assert total(db, company) == 5
