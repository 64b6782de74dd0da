"""The rules about proof: what a delivery must carry to be let in."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from leaderboard.conformance.kit import Kit, bundled, read_kit
from leaderboard.conformance.rules import Fault, refuses, rule
from leaderboard.conformance.samples import Sample
from leaderboard.plugin import Delivery, Plugin, Secret, key_pair

OLD = "the-secret-before-its-rotation"


def changed(content: bytes, position: int, by: int = 1) -> bytes:
    """These bytes with one of them changed."""
    return content[:position] + bytes([content[position] ^ by]) + content[position + 1 :]


def secrets_of(plugin: Plugin) -> list[str]:
    """The settings that may be rotated: those with a `previous_` beside them."""
    fields = type(plugin).model_fields
    return [name for name in fields if f"previous_{name}" in fields]


def another(plugin: Plugin, settings: dict[str, Any], name: str) -> dict[str, Any]:
    """These settings with another secret of the same form in this place, or with another pair of keys."""
    if pair := type(plugin).key_pairs.get(name):
        return {**settings, **dict(zip((name, pair), key_pair(), strict=True))}
    old = str(settings.get(name, OLD))
    place = min(10, len(old) - 1)
    return {**settings, name: old[:place] + ("A" if old[place] != "A" else "B") + old[place + 1 :]}


def proofs(sample: Sample) -> list[tuple[str, str, str]]:
    """What carries the proof: ("header" or "args", its name, its value)."""
    delivery = sample.delivery()
    found = [
        ("header", name, delivery.header(name))
        for name in sample.plugin.sign(sample.body, sample.received_at)
    ]
    if sample.plugin.proof == "url":
        held = [getattr(sample.plugin, name) for name in type(sample.plugin).model_fields]
        secrets = {value.get_secret_value() for value in held if isinstance(value, Secret)}
        found += [("args", name, value) for name, value in delivery.args.items() if value in secrets]
    return found


def with_proof(delivery: Delivery, kind: str, name: str, value: str | None) -> Delivery:
    """The delivery with another value of what carries the proof; without it for None."""
    held = dict(delivery.headers if kind == "header" else delivery.args)
    name = name.lower() if kind == "header" else name
    held = {**held, name: value} if value is not None else {k: v for k, v in held.items() if k != name}
    return replace(delivery, headers=held) if kind == "header" else replace(delivery, args=held)


@rule(_l("One changed byte of what is proven is refused"))
def a_changed_byte_is_refused(kit: Kit) -> Iterator[Fault]:
    dice = kit.dice("bytes")
    prepared = [(sample, sample.delivery(), proofs(sample)) for sample in kit.samples if sample.body]
    for sample, _delivery, carried in prepared:
        if not carried:
            words = _(
                "nothing carries a proof: `sign` makes no header, and the sample's url carries no secret"
            )
            yield Fault(words, sample.case)
            return
    for _again in range(kit.changes):
        sample, delivery, carried = dice.choice(prepared)
        bit = 1 << dice.randrange(7)
        if sample.plugin.proof == "body":
            place = dice.randrange(len(sample.body))
            forged = replace(delivery, body=changed(sample.body, place, bit))
            what = _("byte %(number)s of its body", number=place)
        else:
            kind, name, value = dice.choice(carried)
            place = dice.randrange(len(value))
            other = value[:place] + chr(ord(value[place]) ^ bit) + value[place + 1 :]
            forged = with_proof(delivery, kind, name, other)
            what = _("character %(number)s of %(name)s", number=place, name=name)
        if not refuses(sample.plugin, forged):
            words = _(
                "%(what)s was changed, and it was let in: compare over delivery.body as it came, before parsing",
                what=what,
            )
            yield Fault(words, sample.case)
            return
    for sample, delivery, _carried in prepared:
        longer = replace(delivery, body=sample.body + b" ")
        if sample.plugin.proof == "body" and not refuses(sample.plugin, longer):
            yield Fault(_("a space was added to its body, and it was let in"), sample.case)
            return


@rule(_l("A changed, missing or doubled signature is refused"))
def a_changed_proof_is_refused(kit: Kit) -> Iterator[Fault]:
    sample, delivery = kit.first, kit.first.delivery()
    for kind, name, value in proofs(sample):
        wrong = {
            value[:place] + other + value[place + 1 :]
            for place in range(len(value))
            for other in "0Aé="
            if value[place] != other
        }
        for other in [
            None,
            "",
            " ",
            value + value,
            f"{value},{value}",
            value[:8],
            value[:-1],
            *sorted(wrong),
        ]:
            if other != value and not refuses(sample.plugin, with_proof(delivery, kind, name, other)):
                words = _("%(name)s was %(value)s, and it was let in", name=name, value=repr(other))
                yield Fault(words, sample.case)
                break


@rule(_l("Another secret is refused; while one is rotated, both are valid"))
def secrets_are_told_apart_and_rotated(kit: Kit) -> Iterator[Fault]:
    sample, cls = kit.first, type(kit.first.plugin)
    names = secrets_of(sample.plugin)
    if not names:
        yield Fault(
            _(
                "no secret can be rotated: beside each secret declare previous_<its name>: Secret | None = None"
            )
        )
    for name in names:
        old, changed_settings = sample.settings.get(name, OLD), another(sample.plugin, sample.settings, name)
        before, during = (
            cls(**{**sample.settings, name: old}),
            cls(**{**changed_settings, f"previous_{name}": old}),
        )
        delivery = sample.delivery(signed_by=before)
        if refuses(during, delivery):
            yield Fault(_("what %(name)s signed is refused while it stands in previous_%(name)s", name=name))
        if sample.plugin.proof != "url" and refuses(during, sample.delivery(signed_by=during)):
            yield Fault(
                _("the new %(name)s is refused while the old one stands in previous_%(name)s", name=name)
            )
        if name in sample.settings and not refuses(cls(**changed_settings), delivery):
            yield Fault(_("what another %(name)s signed is let in", name=name))


@rule(_l("An old or early delivery is refused where its time is signed"))
def a_stale_delivery_is_refused(kit: Kit) -> Iterator[Fault]:
    sample, delivery = kit.first, kit.first.delivery()
    hour = timedelta(hours=1)
    timed = sample.plugin.sign(b"", sample.received_at) != sample.plugin.sign(b"", sample.received_at + hour)
    most = int(sample.plugin.tolerance.total_seconds())
    for seconds in (-most - 1, 1 - most, most - 1, most + 1):
        received = replace(delivery, received_at=sample.received_at + timedelta(seconds=seconds))
        stale = timed and abs(seconds) > most
        if refuses(sample.plugin, received) != stale:
            words = (
                _(
                    "signed %(seconds)s s from its arrival it was let in; refuse_stale looks at it",
                    seconds=-seconds,
                )
                if stale
                else _("it was refused, %(seconds)s s from the moment it was signed", seconds=-seconds)
            )
            yield Fault(words, sample.case)


@rule(_l("The signature of another helpdesk is refused"))
def another_helpdesk_is_refused(kit: Kit) -> Iterator[Fault]:
    """Signed as each of our own plugins signs, with this plugin's secret where the other one has one secret."""
    sample = kit.first
    for module in bundled():
        other = read_kit(module)
        if other.cls is kit.cls or not other.samples:
            continue
        forged = replace(
            sample.delivery(signed_by=other.first.plugin), args={}, url=sample.url.partition("?")[0]
        )
        if not refuses(sample.plugin, forged):
            yield Fault(_("what %(other)s signed is let in", other=other.title), sample.case)
