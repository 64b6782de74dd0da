"""What /admin says at a glance: everything that needs a person, each with what to do about it and a way to do it."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlmodel import Session

from leaderboard import announcements, invitations
from leaderboard.deliveries import SourceStatus
from leaderboard.health import PULLS_FAILED, Health
from leaderboard.tables import Heartbeat
from leaderboard.web.lights import Light

FAULTS = 5
"""Single announcements or jobs that are named; of more the rest is one line."""


@dataclass(frozen=True)
class Trouble:
    """Something red, or (`calm`) a decision that waits. The link leads to it; with `post` it is a button that does it."""

    what: str
    remedy: str
    url: str = ""
    label: str = ""
    post: bool = False
    calm: bool = False


def troubles(
    session: Session,
    found: Health,
    statuses: list[SourceStatus],
    shining: list[Light],
    beats: list[Heartbeat],
) -> list[Trouble]:
    """Everything that needs a person, the most urgent first."""
    return [
        *_house(found),
        *_jobs(beats),
        *_pulls(statuses),
        *_failed_deliveries(statuses),
        *_outbox(session),
        *_letters(session),
        *_refused(shining),
        *_frozen(statuses),
        *_accounts(statuses),
    ]


def _house(found: Health) -> Iterator[Trouble]:
    """The database, the clock, the audit: what only somebody at the machine can mend."""
    remedies = {
        "The database cannot be written.": _(
            "Is its disk full, or its folder not writable? Make room; it heals by itself, and tools send again."
        ),
        "Deliveries wait that should have been tried again: is the clock running?": _(
            "Look at the clock below: start it, or restart the service."
        ),
        "The clock has not ticked yet: start `leaderboard run` or `leaderboard scheduler`.": _(
            "Weeks do not close and nothing is sent or pulled meanwhile; nothing is lost."
        ),
        "The clock has stopped: start `leaderboard run` or `leaderboard scheduler`.": _(
            "Weeks do not close and nothing is sent or pulled meanwhile; nothing is lost."
        ),
        "The last audit found differences: `leaderboard audit` says which.": _(
            "On the machine: take a backup, then leaderboard rebuild. It is safe beside the running service."
        ),
        "No audit has come to its end for three days; the log of the clock says why.": _(
            "On the machine: read the log around 03:00, and run leaderboard audit by hand."
        ),
    }
    for problem in found.problems:
        if problem in remedies:  # the others are told one by one, with their names
            yield Trouble(_(problem), remedies[problem])
    if found.affected:
        yield Trouble(
            _("%(version)s has a bug that can damage the file", version=found.version),
            _(
                "It happens when several programs use it (WAL reset). Install the package pysqlite3, or Python with "
                "SQLite 3.51.3 or newer, and restart."
            ),
        )


def _jobs(beats: list[Heartbeat]) -> Iterator[Trouble]:
    for beat in [beat for beat in beats if beat.error and beat.job != "last audit"][:FAULTS]:
        yield Trouble(
            _("The clock's job “%(job)s” ends in an error", job=beat.job),
            _("It tries again by itself, and the others go on. %(error)s", error=beat.error or ""),
            "#clock",
            _("See the clock"),
        )


def _pulls(statuses: list[SourceStatus]) -> Iterator[Trouble]:
    for one in statuses:
        if one.state.pull_failures >= PULLS_FAILED:
            yield Trouble(
                _("%(title)s cannot be pulled", title=one.title),
                _(
                    "It says: %(error)s. Mend what it names in the config or in the tool; webhooks go on.",
                    error=(one.state.pull_error or "")[:200].rstrip("."),
                ),
                url_for("admin.pull" if one.pulls else "admin.source", name=one.name),
                _("Pull now") if one.pulls else _("Look at it"),
                post=one.pulls,
            )


def _failed_deliveries(statuses: list[SourceStatus]) -> Iterator[Trouble]:
    for one in statuses:
        if failed := one.deliveries.get("failed", 0):
            yield Trouble(
                ngettext(
                    "%(num)s delivery could not be read: %(title)s",
                    "%(num)s deliveries could not be read: %(title)s",
                    failed,
                    title=one.title,
                ),
                _("They are kept. Open one: its reason names the field. Mend that, and have all read again."),
                url_for("admin.received", source=one.name, state="failed"),
                _("Look at them"),
            )


def _refused(shining: list[Light]) -> Iterator[Trouble]:
    """Sources whose set-up does not work yet; what is refused of one that works may be anybody's."""
    for one in shining:
        if (
            one.light == "bad"
            and one.at is None
            and one.findings
            and one.findings[0].since
            and not one.findings[0].url
        ):
            yield Trouble(
                _("%(title)s is not let in: %(what)s", title=one.title, what=one.findings[0].what),
                _("Its page says what it may be. Until it is mended, nothing of it counts."),
                url_for("admin.source", name=one.name),
                _("Look at it"),
                calm=True,
            )


def _frozen(statuses: list[SourceStatus]) -> Iterator[Trouble]:
    for one in statuses:
        if one.state.frozen_at is not None:
            waiting = one.deliveries.get("pending", 0)
            yield Trouble(
                _("%(title)s is frozen", title=one.title),
                ngettext(
                    "Nothing of it is posted; %(num)s delivery waits.",
                    "Nothing of it is posted; %(num)s deliveries wait.",
                    waiting,
                ),
                url_for("admin.source", name=one.name, _anchor="freeze"),
                _("Look at it"),
                calm=True,
            )


def _outbox(session: Session) -> Iterator[Trouble]:
    for stuck in announcements.stuck(session, FAULTS):
        unsure = stuck.state == "unsure"
        yield Trouble(
            _("%(team)s, %(channel)s: it may not have arrived", team=stuck.team, channel=stuck.channel)
            if unsure
            else _("%(team)s, %(channel)s: it could not be sent", team=stuck.team, channel=stuck.channel),
            _("Look into the channel, and say whether it is there or send it again.")
            if unsure
            else _(
                "It says: %(error)s. Mend the channel, then send it again.", error=stuck.error.rstrip(".")
            ),
            url_for("weeks.prepare", team=stuck.slug, week=stuck.week),
            _("Decide"),
        )


def _letters(session: Session) -> Iterator[Trouble]:
    if failed := invitations.progress(session).failed:
        yield Trouble(
            ngettext("%(num)s invitation could not be sent", "%(num)s invitations could not be sent", failed),
            _("The list says what the mail server answered. Mend the address or [mail], and send again."),
            url_for("invitations.overview"),
            _("Look at them"),
        )


def _accounts(statuses: list[SourceStatus]) -> Iterator[Trouble]:
    for one in statuses:
        if one.unlinked:
            yield Trouble(
                ngettext(
                    "%(num)s account of %(title)s is linked to nobody yet",
                    "%(num)s accounts of %(title)s are linked to nobody yet",
                    one.unlinked,
                    title=one.title,
                ),
                _("Say who they are, and what waits for them counts at once."),
                url_for("admin.source", name=one.name, _anchor="accounts"),
                _("Link them"),
                calm=True,
            )
