"""What is particular to Crisp: two kinds of hooks, ratings of nobody, notes that pass on a thanks, messages back in time."""

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
from leaderboard.plugin import Delivery, Event, Invalid, Refused, TryLater
from leaderboard.tables import Promise
from plugins.crisp import Crisp
from tests.make import NOON, Clock, Company
from tests.plugins import OF_TOOL, Sample
from tests.plugins.pulled import Pulled
from tests.plugins.pulls_e import crisp
from tests.plugins.road import road_of, total
from tests.plugins.tools import NOW, Said, iso
from tests.plugins.tools_e import WEBSITE, CrispTool, milliseconds

HOUR = timedelta(hours=1)
SIGNED = Crisp(website_id=WEBSITE, signing_secret="s")
Desk = tuple[CrispTool, Pulled]


def sample(case: str) -> Sample:
    return next(found for found in OF_TOOL["crisp"] if found.case == case)


def events_of(body: Any, plugin: Crisp = SIGNED) -> list[Event]:
    return list(plugin.events(Delivery(json.dumps(body).encode(), {}, NOW)))


def changed(case: str, plugin: Crisp = SIGNED, **data: Any) -> list[Event]:
    body = sample(case).json()
    return events_of({**body, "data": {**body["data"], **data}}, plugin)


@pytest.fixture(scope="module")
def running() -> Iterator[CrispTool]:
    with CrispTool().running() as tool:
        assert isinstance(tool, CrispTool)
        yield tool


@pytest.fixture
def desk(running: CrispTool) -> Desk:
    """The tool, empty again."""
    for held in (running.conversations, running.messages, running.operators, running.asked):
        held.clear()
    running.now, running.misbehaves = NOW, lambda asked: None
    return running, crisp(running)


def pulled(desk: Desk, http: httpx.Client, **settings: Any) -> dict[str, Event]:
    return {event.key: event for event in desk[1].events(http, **settings)[0]}


# ---------------------------------------------------------------- the door


def test_a_website_hook_is_let_in_by_its_address_alone() -> None:
    plugin = Crisp(website_id=WEBSITE, url_secret="in-the-address", previous_url_secret="before")
    assert (plugin.proof, SIGNED.proof) == ("url", "body")
    for secret in ("in-the-address", "before"):
        plugin.verify(Delivery(b"{}", {}, NOW, args={"secret": secret}))
    for args in ({}, {"secret": ""}, {"secret": "another"}, {"key": "in-the-address"}):
        with pytest.raises(Refused, match=r"\?secret="):
            plugin.verify(Delivery(b"{}", {}, NOW, args=args))
    with pytest.raises(Refused):
        SIGNED.verify(Delivery(b"{}", {}, NOW, args={"secret": "s"}))
    with pytest.raises(Refused):
        Crisp(website_id=WEBSITE).verify(Delivery(b"{}", {}, NOW))


def test_a_signature_is_looked_at_wherever_there_is_one() -> None:
    both = Crisp(website_id=WEBSITE, signing_secret="s", url_secret="u")
    headers = {name.lower(): value for name, value in SIGNED.sign(b"{}", NOW).items()}
    both.verify(Delivery(b"{}", headers, NOW))
    with pytest.raises(Refused):
        both.verify(Delivery(b"{}", {**headers, "x-crisp-signature": "0" * 64}, NOW, args={"secret": "u"}))


@pytest.mark.parametrize(
    "website", ["", "fairhaven", "42286AB3-b29a-4fde-8538-da0ae501d825", f"{WEBSITE}/../x"]
)
def test_a_website_is_named_by_its_id(website: str) -> None:
    with pytest.raises(ValidationError, match="website's ID"):
        Crisp(website_id=website)


def test_without_a_token_nothing_is_pulled() -> None:
    assert SIGNED.api_url() is None
    assert Crisp(website_id=WEBSITE, identifier="i", key="k").api_url() == "https://api.crisp.chat"


# ---------------------------------------------------------------- web hooks


def test_a_rating_counts_as_the_settings_say() -> None:
    found = [
        [event.kind for event in changed("rating_good", rating={"stars": stars, "comment": None})]
        for stars in (0, 1, 2, 3, 4, 5, 6, "5", True)
    ]
    bad, good = ["rating.bad"], ["rating.good"]
    assert found == [[], bad, bad, [], good, good, [], [], []]
    strict = Crisp(website_id=WEBSITE, good_from=5, bad_up_to=1)
    assert changed("rating_good", strict, rating={"stars": 4}) == []


def test_a_rating_that_is_changed_twice_is_each_time_another_fact_about_one_thing() -> None:
    found = [changed("rating_good", rating={"stars": stars})[0] for stars in (5, 1, 4)]
    assert len({event.key for event in found}) == 2
    assert len({event.object for event in [*found, *sample("thanks").events]}) == 1


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("#thanks", None),
        ("#THANKS  Lovely ", "Lovely"),
        ("Lovely\n#thanks", "Lovely"),
        ("#thanksgiving is near", ...),
        ("no#thanks", ...),
        ("thanks", ...),
        ("", ...),
    ],
)
def test_a_note_passes_on_a_thanks_by_the_whole_tag_only(note: str, words: Any) -> None:
    found = [event.text for event in changed("thanks", content=note)]
    assert found == ([] if words is ... else [words])


def test_the_tag_is_a_setting() -> None:
    plugin = Crisp(website_id=WEBSITE, thanks_tag="(danke)")
    assert [event.text for event in changed("thanks", plugin, content="(Danke) Sehr nett")] == ["Sehr nett"]
    assert changed("thanks", Crisp(website_id=WEBSITE, thanks_tag=""), content="#thanks Nice") == []


def test_a_note_that_mentions_nobody_waits_for_the_pull() -> None:
    assert changed("thanks", mentions=[]) == []
    assert changed("thanks", mentions=None) == []


@pytest.mark.parametrize(
    "data",
    [
        {"automated": True},
        {"user": {"type": "website", "user_id": "x"}},
        {"user": {"nickname": "Bot"}},
        {"user": None},
        {"from": "user"},
        {"type": "new_type"},
        {"fingerprint": None},
    ],
)
def test_what_no_operator_wrote_is_nobodys(data: dict[str, Any]) -> None:
    assert changed("answer", **data) == []


def test_other_events_of_a_conversation_are_not_its_end() -> None:
    assert changed("resolved", content={"namespace": "reminder:scheduled"}) == []


def test_a_removed_message_must_say_which_it_was() -> None:
    with pytest.raises(Invalid, match="removed"):
        changed("removed", fingerprint=None)


def test_a_stamp_may_count_seconds() -> None:
    (event,) = changed("answer", timestamp=int(NOW.timestamp()))
    assert event.occurred_at == NOW
    with pytest.raises(Invalid, match="time"):
        changed("answer", timestamp="2026-11-20T09:00:00Z")


# ---------------------------------------------------------------- the same fact by both roads


@pytest.mark.parametrize("case", ["thanks", "thanks_of_two", "answer", "bot", "resolved"])
def test_a_message_by_web_hook_and_by_pull_is_the_same_fact(
    desk: Desk, http: httpx.Client, case: str
) -> None:
    message = sample(case).json()["data"]
    desk[0].change(1, NOW, session_id=message["session_id"])
    desk[0].messages[message["session_id"]] = [message]
    assert tuple(pulled(desk, http).values()) == sample(case).events


def test_a_note_without_a_mention_thanks_the_owner_by_pull(desk: Desk, http: httpx.Client) -> None:
    desk[0].change(1, NOW)
    desk[0].write(1, 11, "99", NOW, content="#thanks Great")
    desk[0].change(2, NOW, assigned={})
    desk[0].write(2, 21, "99", NOW, content="#thanks Great")
    assert {key: event.agents for key, event in pulled(desk, http).items()} == {
        "message/session_1/11/thanks": ("77",)
    }


def test_a_note_is_help_only_in_a_colleagues_conversation(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    tool.change(1, NOW)
    tool.write(1, 11, "88", NOW)
    tool.write(1, 12, "77", NOW)
    tool.change(2, NOW, assigned=None)
    tool.write(2, 21, "88", NOW)
    (event,) = pulled(desk, http).values()
    assert (event.key, event.agents, event.giver, event.text) == (
        "message/session_1/11/helped",
        ("88",),
        "77",
        None,
    )


# ---------------------------------------------------------------- the pull


def test_messages_are_read_back_in_time_until_those_of_before(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    tool.change(1, NOW)
    for number in range(1, 10):
        tool.write(1, number, "88", NOW - number * 24 * HOUR)
    assert len(pulled(desk, http)) == 7
    assert tool.paths().count(f"/v1/website/{WEBSITE}/conversation/session_1/messages") == 4


def test_a_conversation_whose_messages_all_share_a_moment_ends(desk: Desk, http: httpx.Client) -> None:
    desk[0].change(1, NOW)
    stuck = Said({"data": [{"timestamp": milliseconds(NOW)}]})
    desk[0].misbehaves = lambda asked: stuck if asked.path.endswith("/messages") else None
    assert pulled(desk, http) == {}
    assert sum(path.endswith("/messages") for path in desk[0].paths()) == 2


def test_a_promise_is_the_owners_and_kept_when_it_was_resolved(desk: Desk, http: httpx.Client) -> None:
    tool = desk[0]
    promised = {"meta": {"data": {"promised_for": "2026-11-20 12:00"}}, "state": "resolved"}
    tool.change(1, NOW, **promised)
    tool.write(1, 11, "77", NOW - HOUR, type="event", content={"namespace": "state:resolved"})
    tool.change(2, NOW - 2 * HOUR, **promised)  # nothing tells when: its last change
    tool.change(3, NOW, **promised, assigned={"user_id": None})
    tool.change(4, NOW, meta={"data": {"promised_for": ""}})
    tool.change(5, NOW, meta=None)
    found = {event.key: event for event in pulled(desk, http, timezone="Europe/Berlin").values()}
    kept = {event.ticket: event.occurred_at for event in found.values() if event.kind == "promise.kept"}
    assert kept == {"session_1": NOW - HOUR, "session_2": NOW - 2 * HOUR}
    due = {iso(event.due_at) for event in found.values() if event.due_at}
    assert due == {"2026-11-20T11:00:00Z"}


def test_a_list_that_goes_round_in_a_circle_is_left(desk: Desk, http: httpx.Client) -> None:
    page = Said({"data": [{"session_id": "session_1", "updated_at": milliseconds(NOW), "meta": {}}] * 2})
    desk[0].misbehaves = lambda asked: page if "/conversations/" in asked.path else None
    with pytest.raises(Invalid, match="circle"):
        pulled(desk, http)


def test_a_quota_in_the_middle_keeps_what_was_read_and_asks_again(desk: Desk, http: httpx.Client) -> None:
    tool, pull = desk
    for number in range(1, 6):
        tool.thank(number, NOW - number * HOUR, "Thank you")
    tool.misbehaves = lambda asked: (
        Said(status=429, headers={"Retry-After": "30"}) if "session_4/" in asked.path else None
    )
    pages = []
    with pytest.raises(TryLater) as caught:
        pages.extend(pull.make().pull(http, None))
    assert caught.value.seconds == 30
    tool.misbehaves = lambda asked: None
    later, _ = pull.events(http, pages[-1].cursor)
    assert len({event.key for page in pages for event in page.events}) == 2
    assert len({event.key for event in later}) == 5


def test_a_token_of_another_tier_is_named(desk: Desk, http: httpx.Client) -> None:
    with pytest.raises(Invalid, match="credentials"):
        pulled(desk, http, key="another")


@pytest.mark.parametrize("cursor", ["nonsense", "read=x", f"until={NOW:%Y}"])
def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, http: httpx.Client, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        desk[1].events(http, cursor)


def test_accounts_are_the_operators_and_not_who_is_only_invited(desk: Desk, http: httpx.Client) -> None:
    ana = {"user_id": "77", "email": "ana@example.com", "first_name": "Ana", "last_name": "Alvarez"}
    desk[0].operators = [
        {"type": "operator", "details": ana},
        {"type": "operator", "details": {"user_id": "88", "email": None, "first_name": None}},
        {"type": "invite", "details": {"user_id": "99", "email": "ben@example.com"}},
        {"type": "sandbox", "details": None},
    ]
    found = [(a.id, a.email, a.name) for a in desk[1].make().accounts(http)]
    assert found == [("77", "ana@example.com", "Ana Alvarez"), ("88", None, "88")]


# ---------------------------------------------------------------- the whole road


@pytest.fixture
def road(db: Database, company: Company, desk: Desk) -> tuple[CrispTool, Config]:
    return road_of(db, company, desk, "crisp", ana="77", ben="88")


@pytest.mark.parametrize(("by", "points"), [("77", 0), ("88", 8)])
def test_nobody_earns_by_passing_on_a_thanks_to_themselves(
    db: Database, company: Company, clock: Clock, road: tuple[CrispTool, Config], by: str, points: int
) -> None:
    """By web hook first; the pull brings the same fact and changes nothing."""
    tool, config = road
    tool.change(9, NOON - HOUR)
    tool.write(9, 1, by, NOON - HOUR, content="#thanks Great", mentions=["77"])
    data = {**tool.messages["session_9"][0], "session_id": "session_9"}
    body = json.dumps({"website_id": WEBSITE, "event": "message:received", "data": data}).encode()
    assert deliveries.receive(db, config, "crisp", Delivery(body, {}, NOON)).new == 1
    assert deliveries.pull(db, config, "crisp", clock) == 0
    assert total(db, company) == points


def test_a_promise_is_on_record_and_kept_and_help_earns_its_author(
    db: Database, company: Company, clock: Clock, road: tuple[CrispTool, Config]
) -> None:
    tool, config = road
    promised = {"meta": {"data": {"promised_for": iso(NOON)}}}
    tool.now = NOON - 4 * HOUR
    tool.change(9, tool.now, **promised)
    tool.write(9, 1, "88", tool.now)
    assert deliveries.pull(db, config, "crisp", clock) == 2
    tool.now = NOON - HOUR
    tool.change(9, tool.now, state="resolved", **promised)
    tool.write(9, 2, "77", tool.now, type="event", content={"namespace": "state:resolved"})
    assert deliveries.pull(db, config, "crisp", clock) == 2
    with db.reading() as session:
        row = session.exec(select(Promise)).one()
    assert (row.state, row.due_at, row.maker_id) == ("kept", NOON, company["ana"])
    assert (total(db, company), total(db, company, "ben")) == (5, 3)
