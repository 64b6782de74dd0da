"""The real Request Tracker 5, our real server, and the points that follow from a ticket."""

import socket
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import httpx
import pytest
from sqlalchemy import select

from leaderboard import config, deliveries, weeks
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Secret
from leaderboard.plugin import Event as Fact
from leaderboard.tables import Credit, Event
from plugins.request_tracker import RequestTracker
from tests.make import Company
from tests.plugins.tools import Asked, Said, Tool
from tests.real.points import earned
from tests.real.tracker import INSTALLED, LEFT_OUT, Tracker, User
from tests.served import Served
from tests.trials import dice as dice_of
from tests.trials import eventually

pytestmark = pytest.mark.skipif(not INSTALLED, reason=LEFT_OUT)

SECRET = "a-long-random-text-of-a-scrip"
SECTION = f"""
[plugins.request_tracker]
address = "{{url}}"
secret = "{SECRET}"
api_token = "{{token}}"
rating_field = "Satisfaction"
read_articles = true
"""


ACTS = ("owner", "due", "comment", "rate", "correspond", "mail", "status", "owner", "rate", "status")


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """RT's and ours: the scrip names ours before we start."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]) -> Iterator[Tracker]:
    hook = f"http://127.0.0.1:{ports[1]}/hooks/request_tracker"
    with Tracker(tmp_path_factory.mktemp("tracker"), ports[0], hook, SECRET) as tracker:
        yield tracker


def facts(db: Database, ticket: str) -> dict[str, str]:
    """What we know about a ticket: kinds by key."""
    with db.reading() as session:
        return dict(session.execute(select(Event.key, Event.kind).where(Event.ticket == ticket)).all())


def test_a_ticket_earns_by_the_guides_scrip_and_the_pull_knows_the_same_facts_and_those_we_missed(
    db: Database,
    database_url: str,
    company: Company,
    tmp_path: Path,
    tracker: Tracker,
    ports: tuple[int, int],
) -> None:
    more = SECTION.format(url=tracker.url, token=tracker.token("extra-mile"))
    served = Served(tmp_path, database_url, more=more, port=ports[1])
    ana, ben = tracker.agent("ana"), tracker.agent("ben")
    ito = f"ito@{db.url.get_backend_name()}.example.org"
    with served:
        known = config.load(served.config_file)
        assert deliveries.match_accounts(db, known, "request_tracker", weeks.now) == 2

        tracker.mail(ito, "Lost luggage", "It never came.")
        ticket = ana.newest()
        ana.take(ticket)
        ana.change(ticket, Due=f"{weeks.now() + timedelta(hours=3):%Y-%m-%d %H:%M:%S}")
        ben.write(ticket, "comment", "It stands in Oslo.")
        assert earned(db, company, ticket) == {"ben": [("help.given", 3)]}

        ana.write(ticket, "correspond", "We found it in Oslo.")
        reply = f"Re: [fairhaven #{ticket}] Lost luggage"
        tracker.mail(ito, reply, "You found it! Thank you ❤\n\n> We found it in Oslo.\n-- \nH. Ito\n")
        ben.change(ticket, CustomFields={"Satisfaction": "Thanks"})
        promised = weeks.now()
        assert eventually(lambda: weeks.now() - promised > timedelta(seconds=1))  # RT knows whole seconds
        ana.change(ticket, Status="resolved")
        by_scrip = {"ana": [("promise.kept", 5), ("thanks.received", 8)], "ben": [("help.given", 3)]}
        assert earned(db, company, ticket) == by_scrip
        tracker.mail(ito, reply, "One more thing.")  # opens it again, by a scrip of RT's own
        with db.reading() as session:
            said = session.execute(
                select(Event.text, Event.customer).where(Event.kind == "thanks.received")
            ).one()
        assert tuple(said) == ("You found it! Thank you ❤", ito)
        told = facts(db, ticket)
        assert Counter(told.values()) == {
            "help.given": 1,
            "promise.made": 1,
            "promise.kept": 1,
            "thanks.received": 1,
            "ticket.replied": 1,
            "ticket.solved": 1,
            "ticket.reopened": 1,
        }

    # Our service is down: RT goes on working, and its owner changes before we come back
    ana.change(ticket, Status="resolved")
    ana.change(ticket, Owner="ben")
    ana.write(ticket, "comment", "Thanks for looking after it, Ben.")
    ana.publish(f"Where luggage goes ({ito})")
    assert facts(db, ticket) == told

    deliveries.pull(db, known, "request_tracker", weeks.now)
    assert deliveries.pull(db, known, "request_tracker", weeks.now) == 0
    missed = {key: kind for key, kind in facts(db, ticket).items() if key not in told}
    assert Counter(missed.values()) == {"ticket.solved": 1, "promise.kept": 1, "help.given": 1}
    assert earned(db, company, ticket) == by_scrip | {"ana": [("help.given", 3), *by_scrip["ana"]]}
    with db.reading() as session:
        solvers = select(Event.kind, Credit.person_id).join(Credit, Credit.event_id == Event.id)
        solvers = solvers.where(Event.ticket == ticket, Event.kind == "ticket.solved")
        assert {person for _, person in session.execute(solvers)} == {company["ana"]}
    assert ("knowledge.shared", 4) in earned(db, company, None)["ana"]

    # By the pull alone: the very same keys
    plugin = known.plugins["request_tracker"]
    with httpx.Client(trust_env=False) as http:
        pulled = {
            e.key: e.kind for page in plugin.pull(http, None) for e in page.events if e.ticket == ticket
        }
    assert pulled == facts(db, ticket)
    assert "Extra Mile answered" in tracker.log  # RT noted that we were away


class Receiver(Tool):
    """Takes what the scrip sends, in our place."""

    def answer(self, asked: Asked) -> Said:
        return Said({}, status=202)


def test_whatever_people_do_the_scrip_and_the_pull_tell_the_same_facts(
    tracker: Tracker, ports: tuple[int, int]
) -> None:
    """Also when a ticket's owner, its due date or its rating was changed, and changed again, before the pull."""
    dice, receiver = dice_of("people at work"), Receiver()
    receiver.port = ports[1]
    with receiver.running():
        people = tracker.agent("ana"), tracker.agent("ben")
        customers: dict[str, str] = {}
        for customer in ("one@example.org", "two@example.org", "three@example.org"):
            tracker.mail(customer, "A case", "Can you help?")
            customers[customer] = people[0].newest()
        for step in range(25):
            customer, ticket = dice.choice(sorted(customers.items()))
            _act(dice, tracker, dice.choice(people), ticket, customer, step)
    settings = {
        "address": tracker.url,
        "api_token": tracker.token("extra-mile"),
        "rating_field": "Satisfaction",
    }
    plugin, told = RequestTracker(secret=Secret(SECRET), **settings), list[Fact]()
    for asked in receiver.asked:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        delivery = Delivery(asked.body, headers, weeks.now())
        plugin.verify(delivery)
        told += plugin.events(delivery)
    with httpx.Client(trust_env=False) as http:
        pulled = [event for page in plugin.pull(http, None) for event in page.events]
    mine = sorted((event for event in pulled if event.ticket in customers.values()), key=lambda e: e.key)
    assert mine == sorted(told, key=lambda event: event.key)
    assert "ticket.replied" in {event.kind for event in mine}


def _act(dice: Random, tracker: Tracker, user: User, ticket: str, customer: str, step: int) -> None:
    """Something that people do with a ticket."""
    what = ACTS[step % len(ACTS)]
    if what in ("comment", "correspond"):
        user.write(ticket, what, f"Words {step}")
    elif what == "mail":
        tracker.mail(customer, f"Re: [fairhaven #{ticket}] Case", f"Thank you, {step}")
    elif what == "owner":
        user.change(ticket, Owner=dice.choice(("ana", "ben", "Nobody")))
    elif what == "due":
        user.change(ticket, Due=dice.choice(("", f"2026-12-{dice.randrange(1, 28):02} 10:00:00")))
    elif what == "status":
        user.change(ticket, Status=dice.choice(("open", "resolved", "resolved", "stalled", "rejected")))
    elif what == "rate":
        user.change(
            ticket, CustomFields={"Satisfaction": dice.choice(("Thanks", "Good", "Bad", "So so", ""))}
        )
