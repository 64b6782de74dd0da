"""The rules about pulls, shown on recordings: what the tool's API was asked, and what it answered. Nothing is called."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import format_datetime
from typing import Any

import httpx
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from leaderboard.conformance.kit import Kit
from leaderboard.conformance.made_up import changed_value
from leaderboard.conformance.offline import offline
from leaderboard.conformance.recordings import NotRecorded, Recording, Said
from leaderboard.conformance.rules import Fault, NotShown, differences, failed, rule, unsound
from leaderboard.plugin import Event, Invalid, Plugin, TryLater, decode_json

MOST_PAGES = 1_000
WAIT = 17


Misbehaves = Callable[[int, Said], Said]
"""What the tool says in place of its `n`th answer."""


# ---------------------------------------------------------------- asking


def client(recording: Recording, misbehaves: Misbehaves = lambda number, said: said) -> httpx.Client:
    """A client that is answered from the recording, and reaches only the hosts that the service would let it reach."""
    plugin = recording.plugin
    hosts = {httpx.URL(plugin.api_url() or "").host, *plugin.api_hosts}
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        if request.url.host not in hosts:
            raise NotRecorded(
                _(
                    "it asks %(host)s, which is neither the host of api_url() nor in api_hosts",
                    host=request.url.host,
                )
            )
        said = next((one for one in recording.answers if one.is_for(request)), None)
        if said is None:
            words = _(
                "it asks for %(what)s, and no answer is recorded", what=f"{request.method} {request.url}"
            )
            raise NotRecorded(words)
        asked += 1
        said = misbehaves(asked - 1, said)
        headers = {"Content-Type": "application/json", "Date": format_datetime(recording.now, usegmt=True)}
        return httpx.Response(said.status, headers=headers | dict(said.headers), content=said.body.encode())

    return httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=False, trust_env=False)


def pages(recording: Recording, since: str | None, **how: Any) -> Iterator[tuple[tuple[Event, ...], str]]:
    """Pull as the clock does: page by page until the last."""
    with offline(), client(recording, **how) as http:
        for number, page in enumerate(recording.plugin.pull(http, since)):
            yield page.events, page.cursor
            if page.last:
                return
            if number > MOST_PAGES:
                raise Invalid(_("the pull does not end"))


def keys_of(found: list[tuple[tuple[Event, ...], str]]) -> set[str]:
    """The keys of what was pulled."""
    return {event.key for events, _cursor in found for event in events}


# ---------------------------------------------------------------- the rules


@rule(_l("A pull brings what is written, and what came by webhook under the same keys"), "all")
def a_pull_brings_what_is_written(kit: Kit) -> Iterator[Fault]:
    if kit.is_pulled and not kit.pulls:
        yield NotShown(
            _("no pull is recorded: put a .toml with [[answers]] and without a .body beside the samples")
        )
    for recording in kit.pulls:
        try:
            found = list(pages(recording, recording.since))
        except (NotRecorded, Invalid, TryLater) as error:
            yield Fault(str(error), recording.case)
            continue
        came = sorted((event for events, _cursor in found for event in events), key=lambda one: one.key)
        meant = sorted(recording.events, key=lambda one: one.key)
        if words := differences(came, meant) or unsound(came):
            yield Fault(words, recording.case)
        cursor = found[-1][1] if found else None
        if recording.cursor is not None and cursor != recording.cursor:
            words = _(
                "it goes on from %(came)s, and %(meant)s is written down", came=cursor, meant=recording.cursor
            )
            yield Fault(words, recording.case)


@rule(_l("A pull that breaks off after any page goes on without a gap"), "pulls")
def a_pull_goes_on_without_a_gap(kit: Kit) -> Iterator[Fault]:
    for recording in kit.pulls:
        whole = list(pages(recording, recording.since))
        for kept in range(1, len(whole)):
            try:
                rest = list(pages(recording, whole[kept - 1][1]))
            except NotRecorded as error:
                yield Fault(
                    _("gone on after page %(number)s %(words)s", number=kept, words=error), recording.case
                )
                break
            if missing := keys_of(whole) - keys_of(whole[:kept]) - keys_of(rest):
                words = _(
                    "broken off after page %(number)s and gone on from its cursor, %(keys)s never comes: move the "
                    "cursor only past what was read",
                    number=kept,
                    keys=", ".join(sorted(missing)[:3]),
                )
                yield Fault(words, recording.case)
                break


FAULTS: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "429": ({"status": 429, "headers": (("Retry-After", str(WAIT)),)}, TryLater),
    "503": ({"status": 503}, TryLater),
    "401": ({"status": 401}, Invalid),
    "403": ({"status": 403}, Invalid),
    "302": ({"status": 302, "headers": (("Location", "https://elsewhere.example/"),)}, Invalid),
    "HTML": (
        {"body": "<!doctype html><title>Sign in</title>", "headers": (("Content-Type", "text/html"),)},
        Invalid,
    ),
    "…": ({"body": '{"cut off": ['}, Invalid),
}
"""What tools answer on bad days, and what the pull then raises."""


@rule(_l("What is wrong with the tool's answers ends the pull and is said"), "pulls")
def a_fault_of_the_tool_is_said(kit: Kit) -> Iterator[Fault]:
    for recording in kit.pulls:
        for name, (changes, error) in FAULTS.items():
            for place in range(len(recording.answers)):
                hit: list[int] = []

                def bad(
                    number: int,
                    said: Said,
                    at: int = place,
                    by: dict[str, Any] = changes,
                    hit: list[int] = hit,
                ) -> Said:
                    if number != at:
                        return said
                    hit.append(number)
                    return replace(said, **by)

                words = None
                try:
                    list(pages(recording, recording.since, misbehaves=bad))
                    if hit:
                        words = _("it goes on as if nothing were wrong; fetch_json says what is")
                except error as raised:
                    if name == "429" and getattr(raised, "seconds", WAIT) != WAIT:
                        words = _("it does not wait as long as Retry-After asks; fetch_json does")
                except Exception as raised:  # noqa: BLE001  (whatever a plugin raises is what is looked for)
                    words = failed(raised)
                if words:
                    yield Fault(_("answered %(fault)s: %(words)s", fault=name, words=words), recording.case)
                    break


@rule(_l("Answers that are made up end in events or cleanly"), "pulls")
def made_up_answers_end_cleanly(kit: Kit) -> Iterator[Fault]:
    dice = kit.dice("answers")
    for number in range(kit.payloads // 10):
        recording = dice.choice(kit.pulls)
        place, edits = dice.randrange(len(recording.answers)), list[str]()

        def odd(asked: int, said: Said, at: int = place, told: list[str] = edits) -> Said:
            if asked != at:
                return said
            try:
                value, edit = changed_value(decode_json(said.body.encode()), dice)
            except Invalid:
                return said
            told.append(edit)
            return replace(said, body=json.dumps(value))

        try:
            for events, _cursor in pages(recording, recording.since, misbehaves=odd):
                if words := unsound(events):
                    raise ValueError(words)
        except (Invalid, TryLater, NotRecorded):
            continue  # told, or the plugin went where the answer sent it
        except Exception as error:  # noqa: BLE001  (whatever a plugin raises is what is looked for)
            told = _(
                "answer %(number)s, %(edits)s: %(words)s",
                number=number,
                edits="; ".join(edits),
                words=failed(error),
            )
            yield Fault(told, recording.case)
            return


@rule(_l("The tool's agents come as written, bots and unchecked addresses marked"), "pulls")
def accounts_are_as_written(kit: Kit) -> Iterator[Fault]:
    listed = [recording for recording in kit.pulls if recording.accounts is not None]
    if kit.cls.accounts is not Plugin.accounts and not listed:
        yield NotShown(_("no recording lists its agents: add [[accounts]] to one"))
    for recording in listed:
        with offline(), client(recording) as http:
            try:
                came = tuple(recording.plugin.accounts(http))
            except (NotRecorded, Invalid, TryLater) as error:
                yield Fault(str(error), recording.case)
                continue
        for account in sorted(set(recording.accounts or ()) ^ set(came), key=str):
            words = (
                _("%(account)s came and is not written down", account=account)
                if account in came
                else _("%(account)s is written down and did not come", account=account)
            )
            yield Fault(words, recording.case)
