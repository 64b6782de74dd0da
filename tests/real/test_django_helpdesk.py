"""The real django-helpdesk, our real server, and the points that follow from a ticket."""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import select

from leaderboard import config, deliveries, weeks
from leaderboard.database import Database
from leaderboard.tables import Event
from tests.make import Company
from tests.real.desk import Desk
from tests.real.points import earned
from tests.served import Served
from tests.trials import eventually

SECRET = "a-secret-of-an-address"
SECTION = """
[plugins.django_helpdesk]
address = "{url}"
secret = "{secret}"
api_user = "reader"
api_password = "reader"
{agents}
timezone = "Europe/Berlin"
"""
HERE = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """The helpdesk's and ours: each has to know the other's before it starts."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]) -> Iterator[Desk]:
    hook = f"http://extra-mile:{SECRET}@127.0.0.1:{ports[1]}/hooks/django_helpdesk"
    with Desk(tmp_path_factory.mktemp("desk"), ports[0], hook) as desk:
        yield desk


@pytest.fixture(scope="module")
def section(desk: Desk) -> str:
    """Of our config; who is who comes by the guide's own command."""
    return SECTION.format(url=desk.url, secret=SECRET, agents=desk.agents())


@contextmanager
def silence(port: int) -> Iterator[None]:
    """A server that takes every call and never answers."""
    with socket.socket() as mute:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def bound() -> bool:
            with suppress(OSError):  # the last process of a killed server needs a moment
                mute.bind(("127.0.0.1", port))
                return True
            return False

        eventually(bound)
        mute.listen()
        yield


def test_a_ticket_earns_by_webhook_our_absence_hurts_no_agent_and_the_pull_closes_the_gap(
    db: Database,
    database_url: str,
    company: Company,
    tmp_path: Path,
    desk: Desk,
    section: str,
    ports: tuple[int, int],
) -> None:
    served = Served(tmp_path, database_url, more=section, port=ports[1])
    ana, ben, ito = desk.agent("ana"), desk.agent("ben"), desk.visitor()
    customer = f"ito@{db.url.get_backend_name()}.example.com"
    with served:
        known = config.load(served.config_file)
        assert deliveries.match_accounts(db, known, "django_helpdesk", weeks.now) == 2

        shown = ito.submit(
            "/tickets/submit/",
            "",
            queue="1",
            title="Lost luggage",
            body="It never came.",
            submitter_email=customer,
        )
        ticket = httpx.URL(shown).params["ticket"].removeprefix("desk-")
        by = (weeks.now() + timedelta(hours=3)).astimezone(HERE)
        ana.update(
            ticket, owner="1", comment="We are looking for it.", custom_promised_for=f"{by:%Y-%m-%d %H:%M}"
        )
        note = {
            "ticket": ticket,
            "user": None,
            "title": "Oslo",
            "comment": "It stands in Oslo.",
            "public": False,
        }
        by_api = httpx.post(f"{desk.url}/api/followups/", auth=("ben", "ben"), json=note, trust_env=False)
        assert by_api.status_code == 201, by_api.text
        assert earned(db, company, ticket) == {"ben": [("help.given", 3)]}

        desk.mail(ticket, customer, "You found it!\n\nOn Sunday Ana wrote:\n> It stands in Oslo.\n")
        ben.update(ticket, comment="#thanks", public=None)
        by_webhook = {"ana": [("thanks.received", 8)], "ben": [("help.given", 3)]}
        assert earned(db, company, ticket) == by_webhook
        with db.reading() as session:
            words = session.execute(select(Event.text).where(Event.text.is_not(None))).scalar_one()
        assert words == "You found it!"

    # Our service is down: first it takes the call and never answers, then it refuses it
    with silence(ports[1]):
        ana.update(ticket, comment="It is on its way to you.", new_status="3")
    ben.update(ticket, comment="And I told Oslo.", public=None)
    assert earned(db, company, ticket) == by_webhook

    with served:
        deliveries.pull(db, known, "django_helpdesk", weeks.now)
        everything = {"ana": [("promise.kept", 5), ("thanks.received", 8)], "ben": [("help.given", 3)]}
        assert earned(db, company, ticket) == everything
        ana.update(ticket, comment="Did it arrive?", new_status="2")  # is told again, by webhook
        assert deliveries.pull(db, known, "django_helpdesk", weeks.now) == 0
    with db.reading() as session:
        facts = Counter(session.execute(select(Event.kind).where(Event.ticket == ticket)).scalars())
    assert facts == {
        "promise.made": 1,
        "promise.kept": 1,
        "thanks.received": 1,
        "help.given": 2,
        "ticket.replied": 3,
        "ticket.solved": 1,
        "ticket.reopened": 1,
    }
    assert "Extra Mile was not told" in desk.log
