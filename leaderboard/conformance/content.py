"""The rules about what a delivery means."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from leaderboard.conformance.kit import Kit
from leaderboard.conformance.offline import offline
from leaderboard.conformance.rules import (
    EARNING,
    RATINGS,
    Fault,
    NotShown,
    differences,
    place_of,
    rule,
    translated,
    unsound,
)
from leaderboard.conformance.samples import Sample, leaves, replaced
from leaderboard.plugin import Event, Invalid, Refused, id_of

LATER = timedelta(days=3)
NOBODY: tuple[Any, ...] = (None, 0, "", {}, [])
"""What a tool writes where an agent was deleted, or nobody is assigned."""


@rule(_l("The proof holds, and the events are as written"))
def events_are_as_written(kit: Kit) -> Iterator[Fault]:
    for sample in kit.samples:
        try:
            sample.plugin.verify(sample.delivery())
        except Refused as error:
            yield Fault(_("its own signature is refused: %(reason)s", reason=error), sample.case)
            continue
        with offline():
            try:
                came = list(sample.plugin.events(sample.delivery()))
            except Invalid as error:
                yield Fault(_("it cannot be read: %(reason)s", reason=error), sample.case)
                continue
        if words := differences(came, sample.events) or unsound(came):
            yield Fault(words, sample.case)


@rule(_l("Twice, late and in another order, a delivery brings the same facts"))
def a_delivery_means_the_same_again(kit: Kit) -> Iterator[Fault]:
    dice = kit.dice("order")
    plugins = {repr(sample.settings): sample.plugin for sample in kit.samples}
    for sample in dice.sample(kit.samples * 3, len(kit.samples) * 3):
        plugin = plugins[repr(sample.settings)]
        came = translated(plugin, sample.delivery())
        if came is None or tuple(came) != sample.events:
            words = _("after other deliveries it brings something else: keep nothing between two of them")
            yield Fault(words, sample.case)
            return
    for sample in kit.samples:
        late = replace(sample, received_at=sample.received_at + LATER).delivery()
        keys = [event.key for event in translated(sample.plugin, late) or ()]
        if keys != [event.key for event in sample.events]:
            words = _(
                "three days later it has other keys (%(keys)s): make them of what the tool says, not of the arrival",
                keys=", ".join(keys) or "–",
            )
            yield Fault(words, sample.case)


@rule(_l("What is cut off brings nothing"))
def a_truncated_body_brings_nothing(kit: Kit) -> Iterator[Fault]:
    """Signed as if the tool had cut it off itself."""
    for sample in kit.samples:
        for length in sorted(
            {len(sample.body) * tenth // 10 for tenth in range(10)} | {len(sample.body) - 1}
        ):
            if length < len(sample.body.rstrip()) and translated(
                sample.plugin, sample.delivery(sample.body[:length])
            ):
                yield Fault(
                    _("cut off after %(bytes)s bytes it still brings facts", bytes=length), sample.case
                )
                break


@rule(_l("Where no agent is named, nobody else gets the credit"))
def an_agent_who_is_gone_leaves_nobody_in_their_place(kit: Kit) -> Iterator[Fault]:
    """Deleted, merged away or never assigned: the tool writes null, 0, an empty text, or leaves the field out."""
    for sample in kit.samples:
        named = {agent for event in sample.events if event.kind in EARNING for agent in event.agents}
        if not named:
            continue
        value = sample.json()
        known = named | {event.giver for event in sample.events if event.giver}
        for path, held in leaves(value):
            if not _is_one_of(held, named):
                continue
            for gone in NOBODY:
                found = translated(sample.plugin, sample.delivery(replaced(value, path, gone)))
                credited = {agent for event in found or () if event.kind in EARNING for agent in event.agents}
                if strangers := credited - known:
                    words = _(
                        "with %(value)s at %(place)s the credit goes to %(agents)s: leave the agents empty instead",
                        value=repr(gone),
                        place=place_of(path),
                        agents=", ".join(sorted(strangers)),
                    )
                    yield Fault(words, sample.case)
                    break


def _is_one_of(held: Any, ids: set[str]) -> bool:
    try:
        return id_of(held) in ids
    except Invalid:
        return False


def _place(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path)) or "."


@rule(_l("A rating that changes, and changes again, is told as another fact about the same thing"))
def a_rating_that_changes_keeps_its_object(kit: Kit) -> Iterator[Fault]:
    """A good and an unhappy sample of the same shape: what differs is put from one into the other, and back."""
    rated = [
        (sample, event)
        for sample in kit.samples
        for event in translated(sample.plugin, sample.delivery()) or ()
        if event.kind in RATINGS
    ]
    for sample, event in rated:
        if not event.object:
            yield Fault(
                _("%(kind)s has no object: name the rating, so that a recovery is seen", kind=event.kind),
                sample.case,
            )
    kinds: dict[str, str] = {}
    for sample, event in rated:
        if kinds.setdefault(event.key, event.kind) != event.kind:
            words = _(
                "its key %(key)s is that of %(kind)s too: put the value into the key",
                key=event.key,
                kind=kinds[event.key],
            )
            yield Fault(words, sample.case)
    unhappy = {event.kind == "rating.bad" for _sample, event in rated}
    if len(unhappy) < 2:
        return
    shown = False
    for sample, event in rated:
        for turned in _turned(sample, event, [other for other, _event in rated]):
            shown = True
            if turned.object != event.object or turned.key == event.key:
                words = _(
                    "as %(kind)s it is %(key)s about %(object)s: the same object and another key were expected",
                    kind=turned.kind,
                    key=turned.key,
                    object=turned.object,
                )
                yield Fault(words, sample.case)
                break
    if not shown:
        yield NotShown(_("no good and unhappy rating in the same shape were found among the samples"))


def _turned(sample: Sample, event: Event, others: Sequence[Sample]) -> Iterator[Event]:
    """The same rating with another value, taken from another sample of the same shape."""
    value = sample.json()
    mine = dict(leaves(value))
    for other in others:
        if other is sample or other.extra_headers.keys() != sample.extra_headers.keys():
            continue
        theirs = dict(leaves(other.json()))
        for path in [path for path in mine if path in theirs and mine[path] != theirs[path]]:
            found = translated(sample.plugin, sample.delivery(replaced(value, path, theirs[path])))
            for turned in found or ():
                good = {turned.kind == "rating.bad", event.kind == "rating.bad"}
                if turned.kind in RATINGS and len(good) == 2:
                    yield turned
