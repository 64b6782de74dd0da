"""Payloads that no tool ever sent: samples with something wrong in them, and junk. A plugin answers with events or cleanly."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from leaderboard.conformance.kit import Kit
from leaderboard.conformance.rules import Fault, failed, place_of, rule, translated, unsound
from leaderboard.conformance.samples import Sample, leaves, put
from leaderboard.plugin import Invalid

JUNK: tuple[bytes, ...] = (
    b"",
    b" ",
    b"\x00",
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"null",
    b"true",
    b"0",
    b'""',
    b"[]",
    b"{}",
    b"[{}]",
    b'{"a": NaN}',
    b'{"a": 1, "a": 2}',
    b'{"a": 1e999}',
    b'{"a": 123456789012345678901234567890}',
    b'{"a": "\\ud800"}',
    b'{"a": "\\u0000"}',
    b"{'a': 1}",
    b"<!doctype html><title>Sign in</title>",
    b"payload=%7B%7D",
    b"[" * 1_000 + b"]" * 1_000,
    b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    b"[" + b"0," * 20_000 + b"0]",
    b'{"a": "' + b"x" * 500_000 + b'"}',
    b'"' * 100_000,
)
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63 - 1,
    -(2**63),
    2**64,
    1.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "0",
    "null",
    "\0",
    "\ud800",
    "\u202e\u200b",
    "é" * 300,
    "x" * 30_000,
    "<b>&amp;</b>" * 50,
    "<" * 3_000,
    "2026-11-20T09:00:00Z",
    "2026-11-20T09:00:00",
    "2026-02-30T25:61:00Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    -62135596801,
    253402300800,
    "../../etc/passwd",
    "javascript:alert(1)",
    "https://example.com/\\@evil",
    "=1+1",
    [],
    {},
    [[]],
    [None],
    {"id": None},
    [{}] * 60,
    ["a"] * 60,
)
"""What stands in a place where a tool never puts it."""


@rule(_l("Junk ends in events, in nothing or cleanly"))
def junk_ends_cleanly(kit: Kit) -> Iterator[Fault]:
    """For each way through the plugin, which a tool's headers choose."""
    roads = {json.dumps(sample.extra_headers): sample for sample in kit.samples}
    for sample in roads.values():
        for body in JUNK:
            if words := _looked_at(sample, body):
                yield Fault(_("%(body)s: %(words)s", body=repr(body[:60]), words=words), sample.case)
                break


@rule(_l("Payloads that are made up end in events, in nothing or cleanly"))
def made_up_payloads_end_cleanly(kit: Kit) -> Iterator[Fault]:
    dice = kit.dice("payloads")
    values = [(sample, _json_of(sample)) for sample in kit.samples]
    for number in range(kit.payloads):
        sample, value = dice.choice(values)
        body, edits = made_up(sample, value, dice)
        if words := _looked_at(sample, body):
            told = _(
                "payload %(number)s, %(edits)s: %(words)s", number=number, edits="; ".join(edits), words=words
            )
            yield Fault(told, sample.case)
            return


def made_up(sample: Sample, value: Any, dice: Random) -> tuple[bytes, list[str]]:
    """A sample's body with one to three things changed in it, and what was changed in words."""
    edits: list[str] = []
    body = sample.body
    if value is not None and dice.random() < 0.9:
        for _again in range(dice.randint(1, 3)):
            value, edit = changed_value(value, dice)
            edits.append(edit)
        body = json.dumps(value).encode()
    if not edits or dice.random() < 0.05:
        body, edit = _changed_bytes(body, dice)
        edits.append(edit)
    return body, edits


def changed_value(value: Any, dice: Random) -> tuple[Any, str]:
    """A JSON value with one thing changed in it, and what in words."""
    places = list(leaves(value))
    path, held = dice.choice(places)
    if dice.random() < 0.3:
        path = path[: dice.randint(0, len(path))]
    way = dice.randrange(4)
    if way == 0 and path:
        return _without(value, path), f"- {place_of(path)}"
    if way == 1:
        by = dice.choice(places)[1]
    elif way == 2:
        by = dice.choice(([held], {"id": held}, str(held), [held] * 3, f"{held}{held}"))
    else:
        by = dice.choice(ODD)
    return put(value, path, by), f"{place_of(path)} = {repr(by)[:60]}"


def _without(value: Any, path: tuple[Any, ...]) -> Any:
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    if isinstance(holder, dict):
        return put(value, path[:-1], {key: item for key, item in holder.items() if key != path[-1]})
    return put(value, path[:-1], [item for number, item in enumerate(holder) if number != path[-1]])


def _changed_bytes(body: bytes, dice: Random) -> tuple[bytes, str]:
    place = dice.randint(0, len(body))
    way = dice.randrange(3)
    if way == 0:
        return body[:place], f"[:{place}]"
    if way == 1:
        more = dice.randbytes(dice.randint(1, 8))
        return body[:place] + more + body[place:], f"[{place}:] = {more!r} + …"
    other = dice.randint(0, len(body))
    return body[:place] + body[other:], f"[:{place}] + [{other}:]"


def _looked_at(sample: Sample, body: bytes) -> str | None:
    """What is wrong with how a body was taken; None where it ended in sound events, nothing, Refused or Invalid."""
    try:
        return unsound(translated(sample.plugin, sample.delivery(body)))
    except Exception as error:  # noqa: BLE001  (what a plugin raises is what is looked for)
        return failed(error)


def _json_of(sample: Sample) -> Any:
    try:
        return sample.json()
    except Invalid:
        return None
