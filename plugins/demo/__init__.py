"""Demo Desk, a helpdesk that does not exist: the example to copy when you add one that does.

It shows every verb a plugin has. Read it from top to bottom; docs/adding-a-helpdesk.md says what to do next.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

import httpx

from leaderboard.plugin import (
    Account,
    Answer,
    Delivery,
    Event,
    Invalid,
    Kind,
    Page,
    Plugin,
    Refused,
    Secret,
    fetch_json,
    hmac_matches,
    hmac_of,
    id_of,
    list_of,
    object_of,
    parse_time,
    refuse_stale,
    text_of,
    walk,
)

# The tool's words -> our closed list of kinds. What is not in this table is not for us.
KIND_OF: dict[str, Kind] = {
    "thanks": "thanks.received",
    "good": "rating.good",
    "bad": "rating.bad",
    "reply": "ticket.replied",
    "solved": "ticket.solved",
    "note": "help.given",
    "article": "knowledge.shared",
    "promise": "promise.made",
    "kept": "promise.kept",
}

OVERLAP = timedelta(hours=1)
RATINGS = ("thanks", "good", "bad")
PROMISES = ("promise", "kept")


class DemoDesk(Plugin):
    """The fields are the settings: `[plugins.demo]` in the config file is this class's constructor call."""

    # What the capability table on /admin says about this tool.
    title = "Demo Desk"
    proof = "body"  # the signature covers the body, so nothing in it can be changed on the way
    earns = (
        "thanks.received",
        "rating.good",
        "rating.bad",
        "ticket.replied",
        "ticket.solved",
        "help.given",
        "knowledge.shared",
        "promise.made",
        "promise.kept",
    )
    to_tick = ("all events",)
    to_grant = (
        "facts: read",
        "agents: read",
    )

    secret: Secret
    previous_secret: Secret | None = None  # stays valid while you change `secret` on both sides
    address: str | None = None  # where its API is; left out: webhooks only
    api_token: Secret | None = None
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    def verify(self, delivery: Delivery) -> None:
        """Refuse what the tool did not sign. Over the raw bytes: parsing first would verify something else."""
        stamp = delivery.header("X-Demo-Timestamp")
        signed = stamp.encode("utf-8", "replace") + b"." + delivery.body
        if not hmac_matches(
            (self.secret, self.previous_secret), signed, delivery.header("X-Demo-Signature"), encoding="hex"
        ):
            raise Refused("the signature does not match; compare the secret on both sides")
        # Only now is the time stamp worth reading: it was signed. It keeps an old delivery from being sent again.
        try:
            sent_at = parse_time(int(stamp))
        except (ValueError, Invalid):
            raise Refused("the time stamp is not a number of seconds") from None
        refuse_stale(sent_at, delivery.received_at)

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of one delivery. Demo Desk sends one at a time."""
        event = self._event(object_of(delivery.json(), "the body"))
        if event is not None:
            yield event

    def _event(self, fact: dict[str, Any]) -> Event | None:
        """One fact in the tool's words -> one Event, the same by webhook and by pull; None when it is not for us."""
        what = text_of(fact.get("what"), 40)
        kind = KIND_OF.get(what)
        if kind is None:
            return None
        number, ticket = id_of(fact.get("id")), id_of(fact.get("ticket"))
        if number is None:
            raise Invalid("the fact has no id")
        agent, owner = id_of(fact.get("agent")), id_of(fact.get("owner"))
        if agent is None:
            raise Invalid("the fact names no agent")
        if kind == "help.given" and owner in (None, agent):
            return None  # a note on one's own ticket helps nobody else
        about = "rating" if what in RATINGS else "promise" if what in PROMISES else what
        return Event(
            # The key names the fact, not the delivery: sent twice, replayed or pulled, it stays the same fact.
            key=f"{about}/{number}/{what}",
            kind=kind,
            occurred_at=parse_time(fact.get("at")),  # the tool's time, never ours
            agents=(agent,),
            giver=owner if kind == "help.given" else None,
            customer=id_of(fact.get("customer")),
            # What the fact is about. A rating that turns from bad to good is two facts about one object, and Extra Mile sees
            # the recovery by itself.
            object=f"{about}/{number}",
            ticket=ticket,
            text=text_of(fact.get("words") or "").strip() or None,
            due_at=parse_time(fact["due"]) if fact.get("due") is not None else None,
        )

    def api_url(self) -> str | None:
        return self.address

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The facts that a webhook may have missed. The cursor is the moment up to which all was read, by the tool's clock.

        Webhooks get lost; the pull is what makes the count true. Facts that came by webhook before come again here with the
        same key, which harms nothing: so an hour is read twice rather than a fact skipped.
        """
        begin = parse_time(since) if since else self._beginning(http)
        until: datetime | None = None
        unread: list[str] = []
        for answer in walk(
            self._url(f"/facts?since={_iso(begin - OVERLAP)}"), partial(self._get, http), _next
        ):
            until = (
                until or answer.served_at or begin
            )  # when the reading began: what came later is read next time
            events = []
            for item in list_of(object_of(answer.json, "the answer").get("facts"), "facts"):
                try:
                    event = self._event(object_of(item, "a fact"))
                except Invalid as error:
                    unread.append(error.message)  # one broken fact must not hold up the others
                    continue
                if event is not None:
                    events.append(event)
            # The cursor moves with the last page only: broken off in between, the next pull reads the list again.
            last = _next(answer.json) is None
            yield Page(tuple(events), _iso(until if last else begin), last=last and not unread)
        if unread:
            raise Invalid(f"{len(unread)} facts could not be read and were left out; the first: {unread[0]}")

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The agents, so that an account finds its person by e-mail address."""
        for answer in walk(self._url("/agents"), partial(self._get, http), _next):
            for agent in list_of(object_of(answer.json, "the answer").get("agents"), "agents"):
                agent = object_of(agent, "an agent")
                number = id_of(agent.get("id"))
                if number is not None:
                    # `verified` says that the tool checked the address: an unchecked one could be anybody's.
                    yield Account(
                        number,
                        id_of(agent.get("email")),
                        text_of(agent.get("name") or number, 200),
                        verified=agent.get("verified") is True,
                        bot=agent.get("bot") is True,
                    )

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """What Demo Desk would put into the headers: for samples, `leaderboard simulate` and tests."""
        stamp = str(int(moment.timestamp()))
        return {
            "X-Demo-Timestamp": stamp,
            "X-Demo-Signature": hmac_of(self.secret, stamp.encode() + b"." + body, encoding="hex"),
        }

    def _beginning(self, http: httpx.Client) -> datetime:
        """Where the first pull starts. A plugin has no clock: the tool's own, in its Date header, serves."""
        if self.pull_from:
            return datetime.combine(self.pull_from, time(0), UTC)
        served_at = self._get(http, self._url("/agents")).served_at
        if served_at is None:
            raise Invalid("Demo Desk does not say what time it is; set pull_from to a date")
        return served_at - timedelta(days=7)

    def _get(self, http: httpx.Client, url: str) -> Answer:
        token = self.api_token.get_secret_value() if self.api_token else ""
        return fetch_json(http, url, headers={"Authorization": f"Bearer {token}"})

    def _url(self, path: str) -> str:
        return (self.address or "").rstrip("/") + path


def _next(value: Any) -> str | None:
    """The address of the next page, None on the last."""
    following = object_of(value, "the answer").get("next")
    if following is not None and not isinstance(following, str):
        raise Invalid("`next` is not an address")
    return following or None


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
