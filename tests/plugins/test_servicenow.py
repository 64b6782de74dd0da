"""What is particular to ServiceNow: tables read by their order of change, surveys by a named question, notes by user name."""

import json
from collections.abc import Iterator
from datetime import timedelta
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
from plugins.servicenow import ServiceNow
from tests.make import NOON, Clock, Company
from tests.plugins import FOLDER, OF_TOOL
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_c import servicenow
from tests.plugins.road import road_of, total
from tests.plugins.tools import NOW, Said
from tests.plugins.tools_c import ServiceNowTool, stamp, sys_id

HOUR = timedelta(hours=1)
ANA, BEN = sys_id(77), sys_id(88)
Desk = tuple[ServiceNowTool, Pulled]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with ServiceNowTool().running() as tool:
        assert isinstance(tool, ServiceNowTool)
        yield tool, servicenow(tool)


def pulled(desk: Desk, http: httpx.Client, **settings: Any) -> dict[str, Event]:
    return {event.key: event for event in desk[1].events(http, **settings)[0]}


def sample_of(case: str) -> Any:
    return next(sample for sample in OF_TOOL["servicenow"] if sample.case == case)


# ---------------------------------------------------------------- the rules


def test_a_rule_without_our_secret_is_refused() -> None:
    plugin = ServiceNow(address="https://fairhaven.service-now.com", secret="our-secret")
    for headers in ({}, {"x-extra-mile-secret": "another"}, {"authorization": "our-secret"}):
        with pytest.raises(Refused, match="X-Extra-Mile-Secret"):
            plugin.verify(Delivery(b"{}", headers, NOW))


def test_the_scripts_in_the_guide_send_what_the_samples_show() -> None:
    text = (FOLDER / "servicenow" / "README.md").read_text("utf-8")
    for case, part in (("solved", "ticket"), ("survey_thanks", "rating")):
        assert [name for name in sample_of(case).json()[part] if f"'{name}'" not in text] == []
    (note, *_) = sample_of("notes").json()["notes"]
    assert [name for name in note if f"'{name}'" not in text and f"note.{name} =" not in text] == []


@pytest.mark.parametrize("number", [None, "", "INC0004711", 5, "9c573169c611228700193229fff7240", "A" * 32])
def test_a_ticket_without_its_sys_id_is_refused(number: Any) -> None:
    body = sample_of("solved").json()
    body["ticket"]["sys_id"] = number
    with pytest.raises(Invalid, match="sys_id"):
        list(sample_of("solved").plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


@pytest.mark.parametrize(
    "settings",
    [
        {"address": "fairhaven"},
        {"table": "sys_user"},
        {"rating_question": "How was it?"},
        {"words_question": "c" * 31 + "^"},
        {"promise_field": "due_date^active=true"},
        {"agent_role": "itil,admin"},
    ],
)
def test_a_setting_that_is_none_stops_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServiceNow(**{"address": "https://fairhaven.service-now.com", "secret": "s", **settings})


# ---------------------------------------------------------------- the same fact by both roads


@pytest.mark.parametrize("case", ["solved", "reopened", "promised", "kept", "solved_unassigned"])
def test_a_ticket_by_rule_and_by_pull_is_the_same_fact(desk: Desk, http: httpx.Client, case: str) -> None:
    tool, _ = desk
    tool.now = NOW + HOUR
    tool.tickets.append(sample_of(case).json()["ticket"])
    sent = {(event.key, event.kind, event.occurred_at, event.agents) for event in sample_of(case).events}
    assert {(e.key, e.kind, e.occurred_at, e.agents) for e in pulled(desk, http).values()} == sent


@pytest.mark.parametrize(
    "case", ["survey_thanks", "survey_good", "survey_bad", "survey_middling", "survey_unassigned"]
)
def test_a_survey_by_rule_and_by_pull_is_the_same_fact(desk: Desk, http: httpx.Client, case: str) -> None:
    body, plugin = sample_of(case).json(), desk[1].make()
    survey = body["rating"]["instance"]
    desk[0].rate(1, 0, NOW - HOUR, body["words"])
    desk[0].ratings[0].update(body["rating"])
    desk[0].words[0]["instance"] = survey
    by_rule = list(plugin.events(Delivery(sample_of(case).body, {}, NOW)))
    assert list(pulled(desk, http).values()) == by_rule
    assert [event.key for event in by_rule] == [event.key for event in sample_of(case).events]


def test_a_note_by_rule_and_by_pull_is_the_same_fact(desk: Desk, http: httpx.Client) -> None:
    """Not the owner's own, the caller's, a machine's, nor one of long ago."""
    tool, pull = desk
    body = sample_of("notes").json()
    tool.tickets.append(body["ticket"])
    tool.notes = body["notes"]
    tool.users = [
        {"sys_id": n["author"], "user_name": n["sys_created_by"]} for n in body["notes"] if n["author"]
    ]
    by_rule = list(pull.make().events(Delivery(sample_of("notes").body, {}, NOW)))
    assert list(pulled(desk, http).values()) == by_rule
    assert [(event.kind, event.text) for event in by_rule] == [("help.given", None), ("ticket.replied", None)]


# ---------------------------------------------------------------- surveys


def test_no_survey_is_read_until_its_question_is_named(desk: Desk, http: httpx.Client) -> None:
    desk[0].rate(1, 5, NOW - HOUR, "Thank you")
    assert pulled(desk, http, rating_question=None) == {}
    assert [e.kind for e in pulled(desk, http, words_question=None).values()] == ["rating.good"]


def test_the_scale_is_a_setting(desk: Desk, http: httpx.Client) -> None:
    for number, value in enumerate((0, 6, 7, 9, 10), 1):
        desk[0].rate(number, value, NOW - HOUR)
    found = pulled(desk, http, good_values=(9, 10), bad_values=(0, 6))
    assert [event.kind for event in found.values()] == [
        "rating.bad",
        "rating.bad",
        "rating.good",
        "rating.good",
    ]


@pytest.mark.parametrize("value", ["", "five", "4.5", "٥", "-5", "5" * 30, None])
def test_an_answer_that_is_no_number_is_not_for_us(desk: Desk, http: httpx.Client, value: Any) -> None:
    desk[0].rate(1, 5, NOW - HOUR)
    desk[0].ratings[0]["actual_value"] = value
    assert pulled(desk, http) == {}


def test_a_survey_about_no_ticket_is_not_for_us(desk: Desk, http: httpx.Client) -> None:
    desk[0].rate(1, 5, NOW - HOUR, "Thank you", **{"instance.task_id": ""})
    assert pulled(desk, http) == {}


# ---------------------------------------------------------------- tables


def test_tickets_that_changed_in_the_same_second_are_all_read(desk: Desk, http: httpx.Client) -> None:
    for number in range(1, 8):
        desk[0].change(number, NOW - HOUR, state="6", resolved_at=stamp(NOW - HOUR))
    assert len(pulled(desk, http)) == 7


def test_a_case_has_states_and_a_customer_of_its_own() -> None:
    plugin = ServiceNow(address="https://x.example", secret="s", table="sn_customerservice_case")
    ticket = {"sys_id": sys_id(1), "contact": "c9", "state": "3", "sys_updated_on": stamp(NOW)}
    times = {"closed_at": stamp(NOW), "due_date": stamp(NOW + HOUR)}
    body = json.dumps({"extra_mile": "ticket", "ticket": {**ticket, **times}}).encode()
    solved, made, kept = plugin.events(Delivery(body, {}, NOW))
    assert (solved.kind, made.customer, kept.kind) == ("ticket.solved", "c9", "promise.kept")
    cancelled = body.replace(b'"state": "3"', b'"state": "7"')
    assert [event.kind for event in plugin.events(Delivery(cancelled, {}, NOW))] == ["promise.made"]


def test_a_column_of_ones_own_may_hold_the_promise(desk: Desk, http: httpx.Client) -> None:
    desk[0].change(1, NOW - HOUR, due_date=stamp(NOW), u_promised="2026-11-23")
    (event,) = pulled(desk, http, promise_field="u_promised").values()
    assert event.due_at
    assert f"{event.due_at:%d %H:%M}" == "23 23:59"
    assert pulled(desk, http, promise_field="") == {}


def test_rows_that_the_account_may_not_read_are_told(desk: Desk, http: httpx.Client) -> None:
    hidden = Said({"result": []}, headers={"Link": '<https://x.example/>;rel="next"'})
    desk[0].misbehaves = lambda asked: hidden if asked.path.endswith("incident") else None
    with pytest.raises(Invalid, match="hides rows of incident"):
        pulled(desk, http)


def test_a_table_that_goes_round_in_a_circle_is_left(desk: Desk, http: httpx.Client) -> None:
    row = {"sys_id": sys_id(1), "state": "1", "sys_updated_on": stamp(NOW)}
    desk[0].misbehaves = lambda asked: Said({"result": [row]}) if asked.path.endswith("incident") else None
    with pytest.raises(Invalid, match="circle"):
        pulled(desk, http)


def test_a_limit_in_the_middle_of_the_tickets_keeps_the_pages_before(desk: Desk, http: httpx.Client) -> None:
    tool, pull = desk
    for number in range(1, 7):
        at = NOW - timedelta(hours=7 - number)
        tool.change(number, at, state="6", resolved_at=stamp(at))
    tool.misbehaves = lambda asked: (
        Said(status=429, headers={"Retry-After": "30"})
        if f"element_idIN{sys_id(5)}" in str(asked.query)
        else None
    )
    pages: list[Page] = []
    with pytest.raises(TryLater) as caught:
        pages.extend(pull.make().pull(http, None))
    assert caught.value.seconds == 30
    tool.misbehaves = lambda asked: None
    events, _ = pull.events(http, pages[-1].cursor)
    assert {event.ticket for page in pages for event in page.events} == {sys_id(n) for n in (1, 2, 3, 4)}
    assert {event.ticket for event in events} == {
        sys_id(n) for n in (4, 5, 6)
    }  # the last one again: harmless


@pytest.mark.parametrize("name", ["a^active=true", "a,b", "", "n" * 101])
def test_a_user_name_never_becomes_a_part_of_the_question(desk: Desk, http: httpx.Client, name: str) -> None:
    desk[0].change(3, NOW - HOUR)
    desk[0].write(3, 31, name, NOW - HOUR)
    assert pulled(desk, http) == {}
    assert not any("user_nameIN" in asked.query["sysparm_query"] for asked in desk[0].asked)


def test_notes_can_be_left_out_and_a_ticket_of_nobody_is_helped_by_nobody(
    desk: Desk, http: httpx.Client
) -> None:
    desk[0].change(3, NOW - HOUR, assigned_to="")
    desk[0].change(4, NOW - HOUR)
    desk[0].write(3, 31, "ben", NOW - HOUR)
    desk[0].write(4, 41, "ben", NOW - HOUR)
    assert [event.ticket for event in pulled(desk, http).values()] == [sys_id(4)]
    assert pulled(desk, http, read_notes=False) == {}


def test_only_published_articles_are_read_and_only_when_asked_for(desk: Desk, http: httpx.Client) -> None:
    article = {"sys_id": sys_id(9), "number": "KB9", "author": ANA, "sys_updated_on": stamp(NOW - HOUR)}
    more = (
        {"workflow_state": "published"},
        {"workflow_state": "draft"},
        {"workflow_state": "published", "author": ""},
    )
    desk[0].articles = [{**article, "sys_id": sys_id(n), **each} for n, each in enumerate(more, 9)]
    assert list(pulled(desk, http)) == ["article/KB9/published"]
    assert pulled(desk, http, read_articles=False) == {}


def test_accounts_are_who_has_the_role_once_each_and_machines_are_marked(
    desk: Desk, http: httpx.Client
) -> None:
    for number, (user, more) in enumerate(
        [(77, {}), (77, {}), (88, {"user.web_service_access_only": "true"}), (99, {"user.active": "false"})]
    ):
        row = {
            "sys_id": sys_id(number),
            "user": sys_id(user),
            "role.name": "itil",
            "sys_updated_on": stamp(NOW),
        }
        person = {"user.name": f"N{user}", "user.email": f"{user}@example.com", "user.active": "true"}
        desk[0].roles.append({**row, **person, **more})
    found = [(a.id, a.email, a.name, a.bot) for a in desk[1].make().accounts(http)]
    assert found == [(ANA, "77@example.com", "N77", False), (BEN, "88@example.com", "N88", True)]


@pytest.mark.parametrize("cursor", ["nonsense", "ratings=x&tickets=1", f"ratings={NOW:%Y}"])
def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, http: httpx.Client, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_without_name_and_password_nothing_is_pulled() -> None:
    for given in ({}, {"api_user": "api"}, {"api_password": "pw"}):
        assert ServiceNow(address="https://x.example", secret="s", **given).api_url() is None


# ---------------------------------------------------------------- the whole road


@pytest.fixture
def road(db: Database, company: Company, desk: Desk) -> tuple[ServiceNowTool, Config]:
    return road_of(db, company, desk, "servicenow", ana=ANA, ben=BEN)


def test_an_unhappy_survey_an_answer_and_a_happy_one_are_a_recovery(
    db: Database, company: Company, clock: Clock, road: tuple[ServiceNowTool, Config]
) -> None:
    tool, config = road
    same = {"instance.task_id": sys_id(9), "instance.user": sys_id(500)}
    tool.rate(1, 1, NOON - 3 * HOUR, "Nobody rang.", **same)
    tool.change(9, NOON - HOUR)
    tool.write(9, 1, "ana", NOON - 2 * HOUR, "comments")
    tool.rate(2, 5, NOON - HOUR, "Thank you", **same)
    assert deliveries.pull(db, config, "servicenow", clock) == 3
    assert deliveries.pull(db, config, "servicenow", clock) == 0
    assert total(db, company) == 12


def test_a_promise_is_on_record_moved_in_time_and_kept(
    db: Database, company: Company, clock: Clock, road: tuple[ServiceNowTool, Config]
) -> None:
    """Each pull sees only the due date of that moment."""
    tool, config = road
    steps = (
        (4, {"due_date": stamp(NOON - 2 * HOUR)}),
        (3, {"due_date": stamp(NOON)}),
        (1, {"due_date": stamp(NOON), "state": "6", "resolved_at": stamp(NOON - HOUR)}),
    )
    for hours, more in steps:
        tool.tickets.clear()
        tool.now = NOON - hours * HOUR
        tool.change(9, tool.now, **more)
        deliveries.pull(db, config, "servicenow", clock)
    with db.reading() as session:
        row = session.exec(select(Promise)).one()
    assert (row.state, row.due_at, row.maker_id) == ("kept", NOON, company["ana"])
    assert total(db, company) == 5


def test_help_earns_its_author_once_by_rule_and_by_pull(
    db: Database, company: Company, clock: Clock, road: tuple[ServiceNowTool, Config]
) -> None:
    tool, config = road
    tool.change(9, NOON - HOUR)
    tool.write(9, 1, "ben", NOON - 2 * HOUR)
    notes = [{**tool.notes[0], "author": BEN}]
    body = json.dumps({"extra_mile": "ticket", "ticket": tool.tickets[0], "notes": notes}).encode()
    headers = {"x-extra-mile-secret": "s"}
    assert deliveries.receive(db, config, "servicenow", Delivery(body, headers, NOON)).new == 1
    assert deliveries.pull(db, config, "servicenow", clock) == 0
    assert (total(db, company), total(db, company, "ben")) == (0, 3)
