"""Each plugin on the whole road, on both databases: what it brings earns once, whichever way and however often it comes."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from leaderboard import deliveries, standings
from leaderboard.config import Config
from leaderboard.conformance.road import earns_the_same
from leaderboard.database import Database
from leaderboard.plugin import Delivery
from leaderboard.tables import Identity, PointsEntry
from tests.make import NOON, Clock, Company
from tests.plugins import KITS, OF_TOOL, SENDING
from tests.plugins.mending import ANA, MENDING
from tests.plugins.pulls import zendesk
from tests.plugins.tools import ZendeskTool, iso


@pytest.fixture
def linked(db: Database, company: Company) -> Company:
    """The company, with Ana's accounts linked."""
    with db.writing() as session:
        for tool in SENDING:
            session.add(
                Identity(source=tool, account=ANA, person_id=company["ana"], linked_at=NOON, created_at=NOON)
            )
    return company


def configured(tool: str) -> Config:
    return Config(plugins={tool: OF_TOOL[tool][0].plugin})


def points(db: Database, company: Company) -> int:
    with db.reading() as session:
        return standings.total(session, company["ana"], "2026-W47")


def entries(db: Database) -> int:
    with db.reading() as session:
        return int(session.execute(select(func.count()).select_from(PointsEntry)).scalar_one())


@pytest.mark.parametrize("tool", SENDING)
def test_what_samples_bring_earns_the_same_by_any_road(db: Database, tool: str) -> None:
    """In order and again, shuffled and doubled, and before anybody is linked: the last rule of the conformance kit."""
    assert list(earns_the_same(db, KITS[tool])) == []


@pytest.mark.promise(number=4)
@pytest.mark.parametrize("tool", SENDING)
def test_a_replay_earns_nothing_for_ever(
    db: Database, linked: Company, tool: str, record_property: Callable[[str, object], None]
) -> None:
    """P4: signed anew under another delivery's id, minutes or years later, also when retention has emptied the first one."""
    config, replays = configured(tool), 0
    for sample in OF_TOOL[tool]:
        deliveries.receive(db, config, tool, sample.delivery())
    before = entries(db)
    for days in (0, 1, 31, 400, 4_000):
        moment = OF_TOOL[tool][0].received_at + timedelta(days=days, minutes=6)
        with db.writing() as session:
            deliveries.forget(session, config, moment)
        for sample in OF_TOOL[tool]:
            again = replace(sample, received_at=moment).delivery()
            sample.plugin.verify(again)
            receipt = deliveries.receive(db, config, tool, again)
            assert (receipt.new, receipt.repeated) == (0, len(sample.events)), sample.case
            replays += 1
    assert entries(db) == before
    record_property("replays", replays)


@pytest.mark.parametrize("tool", SENDING)
def test_every_tool_that_sends_ratings_shows_how_one_is_mended(tool: str) -> None:
    sent = {event.kind for sample in OF_TOOL[tool] for event in sample.events}
    assert ("rating.bad" in sent) == (tool in MENDING)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (2, 1, 0)], ids=str)
@pytest.mark.parametrize("tool", MENDING)
def test_an_unhappy_rating_turned_good_is_a_recovery_in_any_order(
    db: Database, linked: Company, tool: str, order: tuple[int, ...]
) -> None:
    config = configured(tool)
    facts = MENDING[tool](NOON - timedelta(hours=2))
    for number in (*order, *order):
        body, headers = facts[number]
        delivery = Delivery(json.dumps(body).encode(), {k.lower(): v for k, v in headers.items()}, NOON)
        assert deliveries.receive(db, config, tool, delivery).state == "done"
    assert points(db, linked) == 12


@pytest.mark.parametrize("tool", MENDING)
def test_a_rating_that_changes_again_after_its_recovery_earns_no_more(
    db: Database, linked: Company, tool: str
) -> None:
    config = configured(tool)
    bad, reply, good = MENDING[tool](NOON - timedelta(hours=2))
    worse, _reply, better = MENDING[tool](NOON - timedelta(hours=1))
    for body, headers in (bad, reply, good, worse, better):
        delivery = Delivery(json.dumps(body).encode(), {k.lower(): v for k, v in headers.items()}, NOON)
        assert deliveries.receive(db, config, tool, delivery).state == "done"
    assert points(db, linked) == 12


def test_a_rating_by_trigger_and_by_pull_earns_once(db: Database, linked: Company, clock: Clock) -> None:
    at = NOON - timedelta(hours=1)
    with ZendeskTool().running() as tool:
        assert isinstance(tool, ZendeskTool)
        tool.now = NOON
        plugin = zendesk(tool).make()
        config = Config(plugins={"zendesk": plugin}, pull_hosts=("127.0.0.1",))
        tool.rate(9, "good", at, "Thank you", assignee_id=int(ANA), requester_id=5)
        tool.rate(10, "good", at, assignee_id=int(ANA), requester_id=6)  # its webhook was lost
        rating = {"extra_mile": "rating", "rating": "good", "ticket": "9", "agent": ANA, "customer": "5"}
        body = json.dumps({**rating, "comment": "Thank you", "at": iso(at)}).encode()
        assert deliveries.receive(db, config, "zendesk", Delivery(body, {}, NOON)).new == 1
        assert points(db, linked) == 8
        assert deliveries.pull(db, config, "zendesk", clock) == 1
        assert deliveries.pull(db, config, "zendesk", clock) == 0
    assert deliveries.receive(db, config, "zendesk", Delivery(body, {}, NOON)).new == 0
    assert points(db, linked) == 10
