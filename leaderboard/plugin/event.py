"""A fact as the core takes it, and the two that nearly every helpdesk tells alike."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from leaderboard.plugin.errors import Invalid
from leaderboard.plugin.reading import iso, text_of

Kind = Literal[
    "story.accepted",
    "story.cosigned",
    "thanks.received",
    "rating.good",
    "rating.bad",
    "rating.recovered",
    "promise.made",
    "promise.moved",
    "promise.kept",
    "promise.missed",
    "ticket.solved",
    "ticket.reopened",
    "ticket.replied",  # an agent answered: a recovery needs that between the unhappy and the good rating
    "help.given",
    "knowledge.shared",
    "fact.withdrawn",
]

KINDS: tuple[str, ...] = get_args(Kind)
WEB_ADDRESS = re.compile(r"(?:https?://[^\s\\]+|/[^\s/\\][^\s\\]*)")
"""Of a page on the web, or of one of ours."""


@dataclass(frozen=True)
class Event:
    """One normalised fact, in the tool's own words for people and things.

    key          the fact's own stable name within this source, from signed content; the same whichever road it came by
    kind         one of KINDS
    occurred_at  when it happened by the tool's time, aware
    agents       who it is to the credit of: account ids (or e-mail addresses) in this tool
    giver        the account that gave it, where a colleague did (a note's author is the *agent* of help.given; the ticket's
                 owner is its giver)
    customer     who the customer is: an address, id or name; used to count one thanks per customer, shown only to those who may
    object       what the fact is about and may be told again of: "rating/77", "promise/12". A rating's good and bad share one.
                 For fact.withdrawn: the *key* of the fact that no longer holds
    ticket       the ticket it belongs to
    text         the customer's or colleague's words
    url          where to look at it in the tool; anything but a web address is left out
    guideline    the slug of the guideline it shows; None lets the kind decide
    due_at       promises: by when
    evidence     anything else worth keeping: flat, small, text or numbers
    """

    key: str
    kind: Kind
    occurred_at: datetime
    agents: tuple[str, ...] = ()
    giver: str | None = None
    customer: str | None = None
    object: str | None = None
    ticket: str | None = None
    text: str | None = None
    url: str | None = None
    guideline: str | None = None
    due_at: datetime | None = None
    evidence: Mapping[str, str | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no database should hold, wherever the event came from."""
        if self.kind not in KINDS:
            raise Invalid(f"{self.kind!r} is not a kind; it is one of {', '.join(KINDS)}", "kind")
        if not self.key:
            raise Invalid("an event's key has 1 to 200 characters", "key")
        if not isinstance(self.agents, tuple) or len(self.agents) > MOST_AGENTS:
            raise Invalid(f"an event's agents are a tuple of at most {MOST_AGENTS}", "agents")
        for name, most in MOST_CHARACTERS.items():
            value = getattr(self, name)
            if value is not None:
                _refuse_text(name, value, most)
        if self.url is not None and not WEB_ADDRESS.fullmatch(self.url):
            object.__setattr__(
                self, "url", None
            )  # people would be led astray by it, or a browser would run it
        for agent in self.agents:
            _refuse_text("agents", agent, 200)
        for moment in (self.occurred_at, self.due_at):
            if moment is None:
                continue
            if moment.tzinfo is None:
                raise Invalid("an event's times say their zone", "occurred_at")
            if not 1970 <= moment.year <= 9998:
                raise Invalid("an event's times are of the years 1970 to 9998", "occurred_at")
        if len(self.evidence) > MOST_EVIDENCE:
            raise Invalid(f"an event's evidence has at most {MOST_EVIDENCE} items", "evidence")
        for name, value in self.evidence.items():
            _refuse_text("evidence", name, 200)
            if not isinstance(value, int) or not -(2**63) <= value < 2**63:
                _refuse_text("evidence", value, 2_000)
        if self.kind == "fact.withdrawn" and not self.object:
            raise Invalid(
                "fact.withdrawn names the key of the fact that no longer holds in `object`", "object"
            )


MOST_AGENTS = 50
MOST_EVIDENCE = 50
MOST_CHARACTERS = {
    "key": 200,
    "giver": 200,
    "customer": 400,
    "object": 400,
    "ticket": 400,
    "text": 20_000,
    "url": 4_000,
    "guideline": 40,
}
"""Of an event's texts. What is shown is cut further; these only keep a plugin's mistake out of the database."""


def _refuse_text(name: str, value: object, most: int) -> None:
    if len(text_of(value, most + 1)) > most:
        raise Invalid(f"an event's {name} has at most {most:,} characters", name)


def written(
    about: str,
    author: str,
    owner: str | None,
    at: datetime,
    *,
    private: bool,
    ticket: str,
    url: str | None = None,
) -> Iterator[Event]:
    """What an agent wrote on a ticket: in private on a colleague's it is help, on one's own nothing; in public an answer.

    `about` is its own stable name, as "note/12"; `owner` whose ticket it is. The words stay in the tool: a note between
    colleagues was not written for a wall.
    """
    if not private:
        thing = f"ticket/{ticket}"
        yield Event(f"{about}/replied", "ticket.replied", at, (author,), object=thing, ticket=ticket, url=url)
    elif owner not in (None, author):
        yield Event(f"{about}/helped", "help.given", at, (author,), giver=owner, ticket=ticket, url=url)


def promised(
    about: str,
    agents: tuple[str, ...],
    made_at: datetime,
    due_at: datetime | None,
    kept_at: datetime | None = None,
    *,
    ticket: str,
    url: str | None = None,
    customer: str | None = None,
) -> Iterator[Event]:
    """A promise that a ticket holds, and its keeping; whether that was in time, the core sees.

    `about` is its own stable name, as "promise/4711". `made_at` is since when it is on record: most tools do not tell when
    the due time was set, only when the ticket changed last. Without `due_at` only the keeping is told.
    """
    whose: dict[str, Any] = {"object": about, "ticket": ticket, "url": url, "customer": customer}
    if due_at:
        yield Event(f"{about}/made/{iso(due_at)}", "promise.made", made_at, agents, due_at=due_at, **whose)
    if kept_at:
        yield Event(f"{about}/kept/{iso(kept_at)}", "promise.kept", kept_at, agents, **whose)
