"""Looking at a source without changing anything: what a body would become, and which secret its tool signs with."""

import importlib.util
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flask_babel import gettext as _
from pydantic import SecretStr
from sqlmodel import Session, col, select

from leaderboard.deliveries.receiving import translate_patiently
from leaderboard.ledger import rules_of
from leaderboard.plugin import Delivery, Event, Invalid, Plugin, Refused
from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Event as EventRow
from leaderboard.tables import Identity, Person
from leaderboard.weeks import Week


@dataclass(frozen=True)
class Agent:
    """An account that an event names, and who it is; None while it is linked to nobody."""

    account: str
    person: Person | None


@dataclass(frozen=True)
class Previewed:
    """An event that a body would become: to whose credit, what its kind earns before any limit, and whether it is known."""

    event: Event
    agents: tuple[Agent, ...]
    points: int
    known: bool


@dataclass(frozen=True)
class Preview:
    """What a body would become; `reason` is why it cannot be read."""

    events: tuple[Previewed, ...]
    reason: str | None


def preview(session: Session, source: str, plugin: Plugin, delivery: Delivery) -> Preview:
    """Translate a body as if it had come and been verified, and store nothing."""
    events, reason = translate_patiently(plugin, delivery)
    rules = rules_of(session, Week.of(delivery.received_at.date()))
    keys = [event.key for event in events]
    known = set(
        session.exec(select(EventRow.key).where(EventRow.source == source, col(EventRow.key).in_(keys))).all()
    )
    people = _people(session, source, {agent for event in events for agent in event.agents})
    return Preview(
        tuple(
            Previewed(
                event,
                tuple(Agent(agent, people.get(agent)) for agent in event.agents),
                rules.points.of(event.kind),
                event.key in known,
            )
            for event in events
        ),
        reason,
    )


def can_try(plugin: Plugin) -> bool:
    """Whether a signed test can be made for this source: its `simulate` module has a `trial`."""
    return _trial_of(plugin) is not None


def trial(plugin: Plugin, agent: str, now: datetime, url: str) -> Delivery:
    """A signed delivery of a fact about this agent that earns nothing. Raises Invalid where the plugin has no `trial`."""
    make = _trial_of(plugin)
    if make is None:
        raise Invalid(_("This source cannot send a test by itself. Send one from the tool."))
    body, headers = make(agent, now)
    signed = {"Content-Type": "application/json", **headers, **plugin.sign(body, now)}
    return Delivery(body, {name.lower(): value for name, value in signed.items()}, now, url=url)


def _trial_of(plugin: Plugin) -> Callable[[str, datetime], tuple[bytes, dict[str, str]]] | None:
    try:
        module = importlib.import_module(f"{type(plugin).__module__}.simulate")
    except ModuleNotFoundError:
        return None
    return getattr(module, "trial", None)


def _people(session: Session, source: str, accounts: set[str]) -> dict[str, Person]:
    linked = session.exec(
        select(Identity.account, Person)
        .join(Person, col(Person.id) == Identity.person_id)
        .where(Identity.source == source, col(Identity.account).in_(accounts))
    )
    found = dict(linked.all())
    addresses = {name.strip().casefold(): name for name in accounts - set(found) if "@" in name}
    by_address = select(Person).where(col(Person.email).in_(addresses), ~col(Person.bot))
    return found | {addresses[person.email]: person for person in session.exec(by_address)}


def sample_names(plugin: Plugin) -> list[str]:
    """The plugin's own samples, by name."""
    folder = _samples(plugin)
    return sorted(file.stem for file in folder.glob("*.body")) if folder else []


def sample(plugin: Plugin, name: str) -> Delivery:
    """One of the plugin's samples, as it was captured. LookupError where there is none of this name."""
    folder = _samples(plugin)
    if folder is None or name not in sample_names(plugin):
        raise LookupError(name)
    about: dict[str, Any] = tomllib.loads((folder / f"{name}.toml").read_text("utf-8"))
    headers = {key.lower(): str(value) for key, value in about.get("headers", {}).items()}
    return Delivery((folder / f"{name}.body").read_bytes(), headers, about["received_at"])


def _samples(plugin: Plugin) -> Path | None:
    found = importlib.util.find_spec(type(plugin).__module__)
    folder = Path(found.origin).parent / "samples" if found and found.origin else None
    return folder if folder and folder.is_dir() else None


def newest(session: Session, source: str) -> DeliveryRow | None:
    """The newest delivery of a source whose content is still there."""
    query = select(DeliveryRow).where(DeliveryRow.source == source, col(DeliveryRow.body).is_not(None))
    return session.exec(query.order_by(col(DeliveryRow.id).desc()).limit(1)).first()


@dataclass(frozen=True)
class Rotation:
    """A secret of a source: the setting's name, that of its predecessor, and how the change stands.

    `state` is "one" (only this secret is valid), "both" (both are, and nobody knows which is used), "old" or "new" (both are,
    and the newest delivery was signed with that one).
    """

    setting: str
    previous: str
    state: str


def rotations(plugin: Plugin, last: DeliveryRow | None) -> list[Rotation]:
    """The secrets of a source that can be changed without losing a delivery."""
    found = []
    for setting in type(plugin).model_fields:
        previous = f"previous_{setting}"
        if previous not in type(plugin).model_fields or getattr(plugin, setting) is None:
            continue
        state = "one"
        if getattr(plugin, previous) is not None:
            state = _signed_with(plugin, setting, previous, last)
        found.append(Rotation(setting, previous, state))
    return found


def _signed_with(plugin: Plugin, setting: str, previous: str, last: DeliveryRow | None) -> str:
    if last is None or last.body is None:
        return "both"
    delivery = Delivery(bytes(last.body), last.headers, last.received_at, url=last.url)
    old: SecretStr = getattr(plugin, previous)
    if _verifies(plugin.model_copy(update={previous: None}), delivery):
        return "new"
    return "old" if _verifies(plugin.model_copy(update={setting: old}), delivery) else "both"


def _verifies(plugin: Plugin, delivery: Delivery) -> bool:
    try:
        plugin.verify(delivery)
    except Refused:
        return False
    return True
