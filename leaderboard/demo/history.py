"""Ten weeks of the demo company, lived through the real doors: signed deliveries, filled-in forms, the clock's own closing.

Nothing here writes a ledger row. The clock handed to the app is moved from event to event; everything else is as in life.
"""

import csv
import heapq
import io
import json
import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from functools import partial
from itertools import count, cycle
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from flask.testing import FlaskClient
from rich.console import Console
from rich.progress import Progress
from sqlmodel import func, select

from leaderboard import jobs, notices
from leaderboard.app import create_app
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.demo import company
from leaderboard.ledger import record_rules
from leaderboard.people import hash_password, import_csv, slug_of
from leaderboard.tables import Notice, Person, Team
from leaderboard.weeks import Week, at_local, week_of

WEEKS = 10
STRANGER = "7340211"
"""An account in Zendesk that nobody is linked to yet: /admin shows what waits for it."""


def email_of(name: str) -> str:
    """The demo's address of a person."""
    return f"{slug_of(name.split()[0], 'x')}@example.com"


def hire(db: Database, config: Config, password: str, began: datetime) -> None:
    """Import people.csv as a company would, and give everyone the demo's password. Its first week is the one of `began`."""
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["name", "email", "team", "role", "timezone", "joined_on"])
    joined = (began - timedelta(days=200)).date().isoformat()
    for team, (zone, names) in company.TEAMS.items():
        for place, name in enumerate(names):
            rows.writerow([name, email_of(name), team, "lead" if place == 0 else "member", zone, joined])
    admin, team = company.ADMIN
    rows.writerow([admin, email_of(admin), team, "admin", company.TEAMS[team][0], joined])
    hashed = hash_password(password)
    with db.writing() as session:
        report = import_csv(session, table.getvalue(), began, dry_run=False, zone="Europe/Berlin")
        if report.errors:
            raise RuntimeError(f"the demo's people.csv: {report.errors}")
        record_rules(session, config.points, config.fair_play, began, note="from the config file")
        for row in session.exec(select(Team)):
            row.timezone = company.TEAMS[row.name][0]
            row.accepts = "at_once" if row.name in ("Online", "Shop Floor") else "lead"
            session.add(row)
        for person in session.exec(select(Person)):
            person.password = hashed
            session.add(person)


class Story:
    """The company's diary: what happens when, in order, each through its door."""

    def __init__(self, db: Database, config: Config, password: str, moment: datetime) -> None:
        self.db, self.config, self.password = db, config, password
        self.until = moment
        self.random = Random(20)  # noqa: S311 (the same story every time)
        self.moment = moment
        self.app = create_app(config, db, lambda: self.moment)
        self.app.config["RATELIMIT_ENABLED"] = False
        self.browsers: dict[str, tuple[FlaskClient, str, datetime]] = {}
        self.diary: list[tuple[datetime, int, Callable[[], object]]] = []
        self.number = count(1)
        self.teams = {name: list(names) for name, (_, names) in company.TEAMS.items()}
        self.tales = cycle(self.random.sample(company.STORIES, len(company.STORIES)))
        self.words = cycle(self.random.sample(company.THANKS, len(company.THANKS)))

    def live(self) -> None:
        """Write the diary, then live it."""
        first = week_of(self.until, "Europe/Berlin") - WEEKS
        for number in range(WEEKS + 1):
            self.plan_week(first + number)
        self.plan_desk()
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("ten weeks", total=len(self.diary))
            while self.diary:
                self.moment, _, act = heapq.heappop(self.diary)
                act()
                bar.update(task, advance=1)
        self.moment = self.until
        self.tick()
        self.read_up()

    def at(self, moment: datetime, act: Callable[[], object]) -> None:
        """Write an act into the diary, unless it lies in the future."""
        if moment < self.until:
            heapq.heappush(self.diary, (moment, next(self.number), act))

    def plan_week(self, week: Week) -> None:
        """What happens in one week."""
        for _ in range(self.random.randint(7, 9)):
            self.plan_story(week)
        for _ in range(self.random.randint(30, 40)):
            self.plan_thanks(week)
        for _ in range(self.random.randint(6, 9)):
            self.plan_promise(week)
        for _ in range(self.random.randint(5, 9)):
            self.plan_help(week)
        for _ in range(2):
            self.plan_recovery(week)
        # Each team's Monday: the clock closes, the lead reads and announces.
        for team, (zone, names) in company.TEAMS.items():
            closing = at_local(week.monday, time(9, 1), zone)
            self.at(closing, self.tick)
            reading = closing + timedelta(minutes=self.random.randint(20, 90))
            self.at(reading, partial(self.announce, team, names[0], week - 1))

    def someone(self, team: str | None = None, *, but: tuple[str, ...] = ()) -> str:
        team = team or self.random.choice(list(self.teams))
        return self.random.choice([name for name in self.teams[team] if name not in but])

    def working_hour(self, week: Week, zone: str) -> datetime:
        day = week.monday + timedelta(days=self.random.randint(0, 5))
        clock = time(self.random.randint(8, 18), self.random.randint(0, 59))
        return at_local(day, clock, zone)

    def plan_desk(self) -> None:
        """The last hours: what lies on the desk of Care's lead when the demo opens."""
        zone, (_lead, first, second, third, *_others) = company.TEAMS["Care"]

        def ago(**span: float) -> datetime:
            return self.until - timedelta(**span)

        for moment, teller, hero, tale in (
            (ago(minutes=50), first, second, next(self.tales)),
            (ago(minutes=15), third, first, next(self.tales)),
        ):
            self.at(moment, partial(self.nominate, moment, "Care", teller, [hero], tale))
        self.at(
            ago(hours=5),
            partial(self.keep, third, (self.until + timedelta(hours=5)).astimezone(ZoneInfo(zone))),
        )
        number = next(self.number)
        bad = {"id": number, "what": "bad", "agent": email_of(second), "ticket": str(number)}
        bad |= {"customer": f"c{number}@example.org", "words": company.UNHAPPY}
        bad["at"] = f"{ago(hours=3):%Y-%m-%dT%H:%M:%SZ}"
        self.at(ago(hours=3), partial(self.send, "demo", bad))

    def keep(self, maker: str, due: datetime) -> None:
        """A promise made by word of mouth, and kept some hours later."""
        form = {"what": company.PROMISES[5], "due_at": f"{due:%Y-%m-%dT%H:%M}"}
        if page := self.fill_in(maker, "/promises/new", form):
            kept = {"note": "She came by at four."}
            self.at(self.moment + timedelta(hours=4), partial(self.fill_in, maker, f"{page}/keep", kept))

    # --- stories: forms filled in by colleagues -------------------------------------------------------------

    def plan_story(self, week: Week) -> None:
        team = self.random.choice(list(self.teams))
        hero = self.someone(team)
        teller = self.someone(team if self.random.random() < 0.7 else None, but=(hero,))
        heroes = [hero] + ([self.someone(team, but=(hero, teller))] if self.random.random() < 0.15 else [])
        tale = next(self.tales)
        moment = self.working_hour(week, company.TEAMS[team][0])
        self.at(moment, lambda: self.nominate(moment, team, teller, heroes, tale))

    def nominate(
        self, moment: datetime, team: str, teller: str, heroes: list[str], tale: tuple[str, str, str | None]
    ) -> None:
        guideline, text, customer = tale
        first = " and ".join(name.split()[0] for name in heroes)
        form = {
            "nominees": [email_of(name) for name in heroes],
            "guideline": guideline,
            "story": text.format(name=first),
            "customer": customer or "",
            "happened_on": (moment - timedelta(days=self.random.randint(0, 2))).date().isoformat(),
        }
        page = self.fill_in(teller, "/nominate", form)
        if page is None:
            return
        later = moment + timedelta(hours=self.random.randint(1, 20))
        earlier_week = week_of(moment, "Asia/Tokyo") < week_of(self.until, "Asia/Tokyo")
        if earlier_week or self.random.random() < 0.6:
            self.at(later, partial(self.accept, f"{page}/accept", self.teams[team][0], (teller, *heroes)))
        for place in range(self.random.choice((0, 0, 1, 1, 2, 3, 5))):
            friend = self.someone(but=(teller, *heroes))
            self.at(later + timedelta(hours=place + 1), partial(self.fill_in, friend, f"{page}/co-sign"))

    def accept(self, page: str, lead: str, not_by: tuple[str, ...]) -> None:
        """The team's lead judges; who told it or stars in it leaves it to another lead."""
        others = [names[0] for names in self.teams.values()]
        for judge in (lead, *others, company.ADMIN[0]):
            if judge not in not_by and self.fill_in(judge, page) is not None:
                return

    def announce(self, team: str, lead: str, week: Week) -> None:
        page = f"/lead/weeks/{slug_of(team, 'x')}/{week}"
        form = {"action": "announce", "opening": self.random.choice(company.OPENINGS)}
        if self.fill_in(lead, page, form) is None:
            self.fill_in(company.ADMIN[0], page, form)  # the lead stars in it: an admin announces

    # --- deliveries: signed, as the helpdesks send them -----------------------------------------------------

    def plan_thanks(self, week: Week) -> None:
        team = self.random.choice(list(self.teams))
        agent, number = email_of(self.someone(team)), next(self.number)
        moment = self.working_hour(week, company.TEAMS[team][0])
        words = next(self.words) if self.random.random() < 0.6 else ""
        if team == "Care" and self.random.random() < 0.04:
            agent = STRANGER
        self.at(moment, lambda: self.thanks(team, agent, number, moment, words))

    def thanks(self, team: str, agent: str, number: int, moment: datetime, words: str) -> None:
        stamp = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        guest = number % 97
        if team in ("Care", "Shop Floor"):
            rating: dict[str, Any] = {
                "extra_mile": "rating",
                "rating": "good",
                "ticket": str(10_000 + number),
                "agent": agent,
            }
            self.send("zendesk", rating | {"customer": str(7_000 + guest), "comment": words, "at": stamp})
        elif team in ("Shipping", "Repairs"):
            rating = {
                "id": number,
                "customer": {"id": 500 + guest, "email": f"customer{guest}@example.org"},
                "threadId": 30_000_000 + number,
                "conversationId": 40_000_000 + number,
                "conversationNumber": number,
                "mailboxId": 85,
                "rating": "great",
                "user": {"id": agent, "email": agent},
                "comments": words,
                "createdAt": stamp.removesuffix("Z"),
            }
            self.send("help_scout", rating, {"X-HelpScout-Event": "satisfaction.ratings"})
        else:
            data = {
                "key": f"csat-{number}",
                "agent": agent,
                "ticket": str(number),
                "customer": f"Guest {guest}",
            }
            kind = "thanks.received" if words else "rating.good"
            self.send(
                "standard",
                {"type": kind, "timestamp": stamp, "data": data | ({"text": words} if words else {})},
            )

    def plan_help(self, week: Week) -> None:
        team = self.random.choice(list(self.teams))
        owner = self.someone(team)
        helper, number = self.someone(but=(owner,)), next(self.number)
        moment = self.working_hour(week, company.TEAMS[team][0])
        note = {
            "id": number,
            "what": "note",
            "agent": email_of(helper),
            "owner": email_of(owner),
            "ticket": str(number),
        }
        if self.random.random() < 0.25:
            note = {"id": number, "what": "article", "agent": email_of(helper)}
        self.at(moment, lambda: self.send("demo", note | {"at": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}))

    def plan_promise(self, week: Week) -> None:
        team = self.random.choice(list(self.teams))
        agent, number = email_of(self.someone(team)), next(self.number)
        moment = self.working_hour(week, company.TEAMS[team][0])
        due = moment + timedelta(hours=self.random.randint(3, 60))
        fact = {"id": number, "agent": agent, "ticket": str(number)}
        made = {
            "what": "promise",
            "words": self.random.choice(company.PROMISES),
            "due": f"{due:%Y-%m-%dT%H:%M:%SZ}",
        }
        self.at(moment, lambda: self.send("demo", fact | made | {"at": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}))
        if self.random.random() < 0.85:
            kept = moment + (due - moment) * self.random.uniform(0.3, 0.95)
            self.at(
                kept, lambda: self.send("demo", fact | {"what": "kept", "at": f"{kept:%Y-%m-%dT%H:%M:%SZ}"})
            )

    def plan_recovery(self, week: Week) -> None:
        """A complaint is a gift: unhappy, answered, thankful."""
        team = self.random.choice(list(self.teams))
        number, moment = next(self.number), self.working_hour(week, company.TEAMS[team][0])
        fact = {
            "id": number,
            "agent": email_of(self.someone(team)),
            "ticket": str(number),
            "customer": f"c{number}@example.org",
        }
        steps = (
            ("bad", "I waited two days and nobody called."),
            ("reply", ""),
            ("thanks", "You made it right, and more. Thank you."),
        )
        for hours, (what, words) in zip((0, 2, 20), steps, strict=True):
            at = moment + timedelta(hours=hours)
            body = (
                fact | {"what": what, "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"} | ({"words": words} if words else {})
            )
            if what == "reply":
                body |= {"id": number + 1_000_000}
                del body["customer"]
            self.at(at, partial(self.send, "demo", body))

    # --- the doors ------------------------------------------------------------------------------------------

    def send(self, source: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        """Post a signed delivery; now and then twice, as helpdesks do."""
        raw = json.dumps(body, ensure_ascii=False).encode()
        signed = self.config.plugins[source].sign(raw, self.moment) | (headers or {})
        client = self.app.test_client()
        for _ in range(2 if self.random.random() < 0.05 else 1):
            answer = client.post(
                f"/hooks/{source}", data=raw, headers=signed, content_type="application/json"
            )
            if answer.status_code != 202 or answer.get_json()["state"] != "done":
                raise RuntimeError(
                    f"the demo's {source} delivery was answered {answer.status_code}: {answer.get_data(as_text=True)[:500]}"
                )

    def tick(self) -> None:
        """What the clock would do at this moment."""
        jobs.close_weeks(self.db, self.config, lambda: self.moment)
        jobs.miss_promises(self.db, self.config, lambda: self.moment)
        jobs.tell_notices(self.db, self.config, lambda: self.moment)

    def read_up(self) -> None:
        """Everybody has read what they were told until the day before yesterday."""
        with self.db.writing() as session:
            old = select(func.max(Notice.id)).where(Notice.at < self.until - timedelta(days=2))
            if until := session.exec(old).one():
                for person in session.exec(select(Person)).all():
                    notices.read_all(session, person, until, self.moment)

    def browser(self, name: str) -> tuple[FlaskClient, str]:
        """A browser of this person, signed in, and the token of its forms."""
        known = self.browsers.get(name)
        if known and self.moment - known[2] < timedelta(hours=self.config.sign_in.session_hours - 1):
            return known[:2]
        client = self.app.test_client()
        form = {"email": email_of(name), "password": self.password, "csrf_token": _token(client, "/sign-in")}
        answer = client.post("/sign-in", data=form)
        if answer.status_code not in (302, 303):
            raise RuntimeError(f"{name} cannot sign in to the demo: {answer.status_code}")
        self.browsers[name] = (client, _token(client, "/nominate"), self.moment)
        return self.browsers[name][:2]

    def fill_in(self, name: str, path: str, form: dict[str, Any] | None = None) -> str | None:
        """Send a form and return the address it leads to; None when the product refused it, as it may."""
        client, token = self.browser(name)
        answer = client.post(path, data=(form or {}) | {"csrf_token": token})
        if answer.status_code >= 500:
            raise RuntimeError(f"{path} was answered {answer.status_code}")
        return str(answer.location) if answer.status_code in (302, 303) else None


def _token(client: FlaskClient, path: str) -> str:
    """The token of a page's forms."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(path).get_data(as_text=True))
    if found is None:
        raise RuntimeError(f"{path} has no form")
    return found[1]
