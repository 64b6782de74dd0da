"""The light of each source: does it feed, and where not, what is wrong and what to do about it.

Nobody but the tool can turn a light green, and nobody but the tool can turn a green one red: what is refused may be anybody's.
So it is told in words beside the light, and makes it red only where nothing good ever came.
"""

import hashlib
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from flask_babel import format_timedelta, ngettext
from flask_babel import gettext as _

from leaderboard.deliveries import Signals
from leaderboard.health import PULLS_FAILED
from leaderboard.tables import Refusal
from leaderboard.web import config

FEEDING = timedelta(days=1)


@dataclass(frozen=True)
class Finding:
    """Something to look at: what it is, in the words that were answered, since when, and what usually mends it."""

    what: str
    remedies: tuple[str, ...] = ()
    said: str = ""
    grants: tuple[str, ...] = ()
    count: str = ""
    since: datetime | None = None
    url: str = ""
    link: str = ""


@dataclass(frozen=True)
class Road:
    """One of the two ways that facts come by, its own light, and when something last came well."""

    name: str
    light: str
    words: str
    at: datetime | None


@dataclass(frozen=True)
class Light:
    """How a source feeds: "good", "calm" (nothing lately, nothing yet, or frozen) or "bad", when it last did, and in words."""

    name: str
    title: str
    light: str
    words: str
    at: datetime | None
    findings: tuple[Finding, ...] = ()
    """What made it red, or keeps it from green, the worst first."""
    notes: tuple[Finding, ...] = ()
    """What may be nothing: told, and no more."""
    roads: tuple[Road, ...] = ()


def lights(found: Sequence[Signals], now: datetime) -> list[Light]:
    """Each source's light, with its last good delivery or pull."""
    return [light(one, now) for one in found]


def light(one: Signals, now: datetime) -> Light:
    """The light of one source."""
    return replace(_light(one, now), roads=tuple(_roads(one, now)))


def _light(one: Signals, now: datetime) -> Light:
    last = max((at for at in (one.last_good_at, one.state.pulled_at) if at is not None), default=None)
    refused = tuple(_refused(one, row) for row in one.refusals)
    if one.state.frozen_at is not None:
        return Light(one.name, one.title, "calm", _("frozen since"), one.state.frozen_at, (), refused)
    faults = [*_unread(one), *_failing_pull(one)]
    if faults:
        words = _("fails; last well") if last else _("fails")
        return Light(one.name, one.title, "bad", words, last, tuple(faults), refused)
    if last is None and refused:
        return Light(one.name, one.title, "bad", _("refused; nothing good has come yet"), None, refused)
    if last is None:
        return Light(one.name, one.title, "calm", _("nothing has come yet"), None, (_nothing_yet(one),))
    notes = (*refused, *_hiccup(one))
    if now - last < FEEDING:
        return Light(one.name, one.title, "good", _("feeds; last"), last, (), notes)
    return Light(one.name, one.title, "calm", _("quiet since"), last, (), notes)


def usual(found: Sequence[Light]) -> tuple[Finding | None, list[Light]]:
    """What several silent sources have in common, to be said once, and the lights without it; None where none or one is."""
    said = [one.findings for one in found if one.light == "calm" and len(one.findings) == 1]
    common = next((findings for findings in said if said.count(findings) > 1), ())
    if not common:
        return None, list(found)
    return common[0], [replace(one, findings=()) if one.findings == common else one for one in found]


def _roads(one: Signals, now: datetime) -> Iterator[Road]:
    if one.sends:
        at = one.last_good_at
        if at is not None:
            yield Road(_("Webhook"), "good" if now - at < FEEDING else "calm", _("last"), at)
        elif one.refusals:
            yield Road(_("Webhook"), "calm" if one.state.pulled_at else "bad", _("refused"), None)
        else:
            yield Road(_("Webhook"), "calm", _("none yet"), None)
    if one.pulls:
        at = one.state.pulled_at
        if _failing_pull(one):
            yield Road(_("Pull"), "bad", _("fails; last well") if at else _("fails"), at)
        elif at is not None:
            yield Road(_("Pull"), "good" if now - at < FEEDING else "calm", _("last"), at)
        else:
            yield Road(_("Pull"), "calm", _("none yet"), None)


def version(found: Sequence[Light], *more: object) -> str:
    """Equal where the lights look the same: times are shown in minutes."""

    def minute(at: datetime | None) -> str:
        return f"{at:%Y-%m-%dT%H:%M}" if at else ""

    seen = [
        (
            replace(one, at=None, roads=()),
            minute(one.at),
            [(road.light, road.words, minute(road.at)) for road in one.roads],
        )
        for one in found
    ]
    return hashlib.sha256(repr((seen, *map(str, more))).encode()).hexdigest()[:24]


# ---------------------------------------------------------------- what is wrong


def _unread(one: Signals) -> list[Finding]:
    if one.last_delivery is None or one.last_delivery.state != "failed":
        return []
    return [
        Finding(
            _("The newest delivery is the tool's, and could not be read"),
            (_("It is kept. Open it: its reason names the field. Mend that, and have it read again."),),
            since=one.last_delivery.received_at,
            url=f"/admin/deliveries/{one.last_delivery.id}",
            link=_("Open the delivery"),
        )
    ]


def _failing_pull(one: Signals) -> list[Finding]:
    """A pull that keeps failing, never went well, or is not let in; a single failure is a hiccup."""
    state = one.state
    if not one.pulls or not state.pull_failures:
        return []
    lasting = state.pull_failures >= PULLS_FAILED or state.pulled_at is None or state.pull_cause == "rights"
    return [_pull(one)] if lasting else []


def _hiccup(one: Signals) -> list[Finding]:
    return [_pull(one)] if one.pulls and one.state.pull_failures else []


def _pull(one: Signals) -> Finding:
    state = one.state
    count = ngettext("%(num)s pull failed in a row", "%(num)s pulls failed in a row", state.pull_failures)
    again = _("It tries again by itself; “Pull now” does so at once.")
    what, remedies = {
        "rights": (
            _("The tool refuses our credentials, or does not let them read enough"),
            (
                _("Compare the credentials in the config file with the tool's; they may have run out."),
                _("Sign in to the tool as whom they belong to: what that person cannot see, we cannot read."),
            ),
        ),
        "wait": (
            _("The tool cannot be reached, or asks us to wait"),
            (again, _("Where it lasts: may this machine reach that address? A firewall may say no.")),
        ),
        "tool": (
            _("The tool answers something that we cannot use"),
            (_("What it says names the place. Mend that in the config file or in the tool."), again),
        ),
        "plugin": (
            _("The plugin failed while it pulled"),
            (_("That is a mistake in the plugin: tell its authors what it says. Webhooks go on."),),
        ),
    }[state.pull_cause or "tool"]
    grants = one.to_grant if state.pull_cause == "rights" else ()
    return Finding(what, remedies, (state.pull_error or "")[:600], grants, count)


def _refused(one: Signals, row: Refusal) -> Finding:
    count = ngettext("%(num)s was refused since", "%(num)s were refused since", row.times)
    what, remedies = _CAUSES.get(row.cause, _unproven)(one, row)
    return Finding(what, remedies, row.reason, count=count, since=row.since)


Told = tuple[str, tuple[str, ...]]


def _unproven(one: Signals, row: Refusal) -> Told:
    if one.proof == "body":
        what = _("The signature does not match")
        between = _(
            "Something between changes the body: a proxy, a firewall or an automation must pass it on byte by byte."
        )
    else:
        what = _("The secret is missing or wrong")
        between = _(
            "Something between takes it out: a proxy or a firewall must pass on every header and the whole address."
        )
    return what, (
        _(
            "Another secret was pasted: copy it again, without a blank or a line break around it. In many tools each webhook "
            "has its own."
        ),
        between,
        _(
            "The address belongs to another account or section: compare it letter by letter with the one below."
        ),
        _(
            "The secret was changed on one side only: “Changing the secret” says how both stay valid for a while."
        ),
    )


def _clock(one: Signals, row: Refusal) -> Told:
    off = row.off or 0
    how_far = format_timedelta(timedelta(seconds=abs(off)), threshold=1.5)
    what = (
        _("Its time stamp is ahead of our clock by %(time)s", time=how_far)
        if off > 0
        else _("Its time stamp is behind our clock by %(time)s", time=how_far)
    )
    return what, (
        _("Look at this machine's clock: leaderboard check compares it with others."),
        _("If it is right, the tool's is wrong, or something between holds deliveries back for too long."),
        _(
            "Or an old delivery was sent once more, by the tool or by somebody else. That is refused on purpose; a pull brings "
            "what is missing."
        ),
    )


def _section(one: Signals, row: Refusal) -> Told:
    return _("It is signed with the secret of another section"), (
        _("The tool's other account sends to this address: paste there the address of its own section."),
        _("Or the secrets of the two sections were mixed up in the config file."),
    )


def _account(one: Signals, row: Refusal) -> Told:
    return _("It is about another account than the settings name"), (
        _("Compare the account in the config file with the one that sends."),
        _("Two accounts are two sections, each with an address of its own."),
    )


def _size(one: Signals, row: Refusal) -> Told:
    return _("A delivery was too large"), (
        _("We take 1 MB. Let the tool send fewer things at once, and no files or pictures."),
        _("What was in it comes with the next pull.") if one.pulls else _("What was in it did not arrive."),
    )


def _plugin(one: Signals, row: Refusal) -> Told:
    return _("The plugin failed before it could say whose the delivery is"), (
        _(
            "The log says where. That is a mistake in the plugin: tell its authors. The tool is asked to send again."
        ),
    )


def _unasked(one: Signals, row: Refusal) -> Told:
    return _("Deliveries come, and this source takes none"), (
        _("It is pulled only: take the webhook out of the tool, or set its secret in the config file."),
    )


_CAUSES = {
    "clock": _clock,
    "section": _section,
    "account": _account,
    "size": _size,
    "plugin": _plugin,
    "unasked": _unasked,
}


def _nothing_yet(one: Signals) -> Finding:
    """Why nothing at all may have reached us."""
    if not one.sends:
        return Finding(
            _("The first pull has not come to its end yet"),
            (_("The clock pulls it within half a minute of its start: is it running?"),),
        )
    remedies = [
        _("Paste the address below into the tool, tick what is listed there, and save."),
        _("The tool's own log of webhooks says what it was answered; if it says nothing, it did not send."),
        _("A firewall or proxy in front of us must let POST through on /hooks/."),
    ]
    if is_local(config().public_url):
        remedies.insert(
            0,
            _(
                "Our address, %(address)s, can be reached from this network alone. Where the tool is somewhere else, set "
                "public_url in [server] to one that it can reach, and restart.",
                address=config().public_url,
            ),
        )
    return Finding(_("What it usually is"), tuple(remedies))


def is_local(address: str) -> bool:
    """Whether nobody outside this machine or network can call this address."""
    host = urlsplit(address).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".localhost", ".internal", ".lan"))
