"""What every plugin must do, shown on its samples: the rules of the test suite and of `leaderboard check --plugin`."""

import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from leaderboard.conformance.kit import Kit
from leaderboard.conformance.offline import Called, offline
from leaderboard.conformance.recordings import NotRecorded
from leaderboard.languages import grouped
from leaderboard.plugin import Delivery, Event, Invalid, Plugin, Refused

RATINGS = ("thanks.received", "rating.good", "rating.bad", "rating.recovered")
EARNING = (*RATINGS, "promise.kept", "help.given", "knowledge.shared")
MOST_EVENTS = 1_000


@dataclass(frozen=True)
class Fault:
    """What does not hold: in which sample, if in one, and in words what was found and what to do."""

    words: str
    case: str = ""


@dataclass(frozen=True)
class NotShown(Fault):
    """What the samples do not show, so that nobody knows whether it holds."""


@dataclass(frozen=True)
class Rule:
    """One thing that every plugin must do: what it is in words, and who looks for what is against it."""

    name: str
    title: Any
    find: Callable[[Kit], Iterator[Fault]]
    about: Literal["all", "webhooks", "pulls"]
    """What it looks at: a plugin without samples of webhooks, or without recorded pulls, cannot break it."""

    def applies(self, kit: Kit) -> bool:
        """Whether there is anything to look at."""
        return {"all": True, "webhooks": bool(kit.samples), "pulls": bool(kit.pulls)}[self.about]

    def faults(self, kit: Kit) -> list[Fault]:
        """What is against this rule; a plugin's own error is a fault like any other."""
        if not self.applies(kit):
            return []
        found: list[Fault] = []
        try:
            found.extend(self.find(kit))
        except Exception as error:  # noqa: BLE001  (a plugin is not ours: what it raises is its fault)
            found.append(Fault(failed(error)))
        return found


def rule(
    title: Any, about: Literal["all", "webhooks", "pulls"] = "webhooks"
) -> Callable[[Callable[[Kit], Iterator[Fault]]], Rule]:
    """Make a function that finds faults a rule of the kit."""
    return lambda find: Rule(find.__name__, title, find, about)


def rules_of(module: ModuleType) -> list[Rule]:
    """The rules that a module makes, in the order in which they stand there."""
    return [one for one in vars(module).values() if isinstance(one, Rule)]


def failed(error: Exception) -> str:
    """A plugin's own error in one line: what, and where."""
    if isinstance(error, Called):
        return str(_("`events` calls somebody (%(what)s); it only translates what was delivered", what=error))
    if isinstance(error, NotRecorded):
        return str(error)
    places = traceback.extract_tb(error.__traceback__)
    last = next(
        (
            one
            for one in reversed(places)
            if "conformance" not in one.filename and "/plugin/" not in one.filename
        ),
        places[-1],
    )
    return str(
        _(
            "the plugin failed with %(error)s (%(place)s); raise Invalid with what is wrong, or nothing at all",
            error=f"{type(error).__name__}: {str(error)[:200]}",
            place=f"{'/'.join(last.filename.rsplit('/', 2)[-2:])}:{last.lineno}",
        )
    )


# ---------------------------------------------------------------- what the rules ask


def translated(plugin: Plugin, delivery: Delivery) -> list[Event] | None:
    """What a delivery means; None where it is cleanly refused. Any other error is a bug and passes through, as a call does."""
    with offline():
        try:
            plugin.verify(delivery)
            return list(plugin.events(delivery))
        except (Refused, Invalid):
            return None


def refuses(plugin: Plugin, delivery: Delivery) -> bool:
    """Whether a delivery is refused as not from the tool."""
    try:
        plugin.verify(delivery)
    except Refused:
        return True
    return False


def unsound(events: Sequence[object] | None) -> str | None:
    """Why these events could not be stored; None where they can: few, with texts that UTF-8 can write and short words."""
    if len(events or ()) > MOST_EVENTS:
        return str(_("more than %(most)s events came of one delivery", most=grouped(MOST_EVENTS)))
    for event in events or ():
        if not isinstance(event, Event):
            return str(_("%(what)s came instead of an Event", what=type(event).__name__))
        if len(event.text or "") > 2_000:
            return str(_("a text is longer than 2,000 characters; text_of cuts it"))
        if event.key == "" or event.key != event.key.strip():
            return str(_("a key begins or ends with a space"))
    return None


def differences(events: Sequence[Event], expected: Sequence[Event]) -> str | None:
    """In words how the events differ from what was expected; None where they are the same."""
    if len(events) != len(expected):
        return str(
            _(
                "%(came)s events came, and %(meant)s are written down: %(keys)s",
                came=len(events),
                meant=len(expected),
                keys=", ".join(f"{event.kind} {event.key}" for event in events) or "–",
            )
        )
    for number, (came, meant) in enumerate(zip(events, expected, strict=False), 1):
        for name in Event.__dataclass_fields__:
            if getattr(came, name) != getattr(meant, name):
                return str(
                    _(
                        "event %(number)s: %(name)s is %(came)s, and %(meant)s was written down",
                        number=number,
                        name=name,
                        came=repr(getattr(came, name)),
                        meant=repr(getattr(meant, name)),
                    )
                )
    return None


def place_of(path: tuple[Any, ...]) -> str:
    """A place in a JSON value, as people write it."""
    return ".".join(map(str, path)) or "."


# ---------------------------------------------------------------- what comes with a plugin


@rule(_l("It comes with samples and a guide that names every setting"), "all")
def comes_with_samples_and_a_guide(kit: Kit) -> Iterator[Fault]:
    if kit.cls.sends and not kit.samples:
        yield Fault(_("%(folder)s has no .body: save a delivery as its bytes came", folder=kit.folder))
    readme = kit.folder.parent / "README.md"
    if not readme.is_file():
        yield Fault(
            _("there is no README.md beside the samples' folder: write where to click and what to paste")
        )
        return
    guide = readme.read_text("utf-8")
    for name in kit.cls.model_fields:
        if not re.search(rf"`{name}`|^[ #]*{name} =", guide, re.MULTILINE):
            yield Fault(_("README.md does not name the setting %(name)s", name=name))
    if kit.cls.sends and "/hooks/" not in guide:
        yield Fault(_("README.md does not name the address to paste: https://<public_url>/hooks/<source>"))


@rule(_l("The samples show every kind that it says it brings, and something that is not for us"), "all")
def shows_what_it_earns(kit: Kit) -> Iterator[Fault]:
    shown = {event.kind for sample in kit.samples for event in sample.events} | kit.shown_elsewhere
    shown |= {event.kind for recording in kit.pulls for event in recording.events}
    for kind in sorted(set(kit.cls.earns) - shown):
        if kit.is_pulled and not kit.pulls:
            words = _("no sample shows %(kind)s: record a pull that brings it", kind=kind)
            yield NotShown(words)
        else:
            yield Fault(_("no sample shows %(kind)s, which `earns` names", kind=kind))
    for kind in sorted(shown - set(kit.cls.earns)):
        yield Fault(_("samples show %(kind)s, which `earns` does not name", kind=kind))
    if kit.samples and all(sample.events for sample in kit.samples):
        yield Fault(_("no sample shows a delivery that is not for us (`events = []`)"))
