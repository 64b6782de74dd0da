"""Recorded pulls: what the tool's API was asked, what it answered, and what that brings."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from pydantic import ValidationError

from leaderboard import config
from leaderboard.conformance.samples import events_in, explained, read_toml
from leaderboard.plugin import Account, Event, Invalid, Plugin

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class Said:
    """An answer of the tool's API, and the question it is for: a path, and what matters of the query and of what is sent."""

    path: str
    query: dict[str, str]
    body: str
    sent: str = ""
    method: str = ""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    def is_for(self, request: "httpx.Request") -> bool:
        """Whether this is what the tool would answer."""
        asked = request.url
        return (
            asked.path == self.path
            and self.method in ("", request.method)
            and self.sent in request.content.decode("utf-8", "replace")
            and all(asked.params.get(name) == value for name, value in self.query.items())
        )


@dataclass(frozen=True)
class Recording:
    """A pull as the tool would answer it, and what it brings."""

    tool: str
    case: str
    settings: dict[str, Any]
    now: datetime
    since: str | None
    cursor: str | None
    answers: tuple[Said, ...]
    events: tuple[Event, ...]
    accounts: tuple[Account, ...] | None

    @cached_property
    def plugin(self) -> Plugin:
        """The plugin with this recording's settings."""
        return config.plugin_class(self.tool)(**self.settings)


class NotRecorded(Exception):
    """The plugin asked for something that the recording does not answer, or asked another host."""


def read_recordings(
    module: str, folder: Path, by_webhook: dict[str, tuple[Event, ...]]
) -> Iterator[Recording]:
    """The pulls in a folder of samples: each `.toml` without a `.body`. Raises Invalid, naming the file."""
    for file in sorted(folder.glob("*.toml")):
        if file.with_suffix(".body").exists():
            continue
        written = read_toml(file)
        try:
            same = [event for case in written.get("same_as", ()) for event in by_webhook[case]]
            found = written.get("accounts")
            recording = Recording(
                tool=module,
                case=file.stem,
                settings=written["settings"],
                now=written["now"],
                since=written.get("since"),
                cursor=written.get("cursor"),
                answers=tuple(
                    Said(**{"query": {}, **one, "headers": tuple(one.get("headers", {}).items())})
                    for one in written["answers"]
                ),
                events=(*same, *events_in(written.get("events", []))),
                accounts=None if found is None else tuple(Account(**{"email": None, **one}) for one in found),
            )
            recording.plugin  # noqa: B018  (the settings are tried here, where the file is known)
        except KeyError as error:
            raise Invalid(_("%(file)s: %(name)s is missing.", file=file.name, name=error)) from None
        except (Invalid, ValidationError, TypeError) as error:
            raise Invalid(_("%(file)s: %(reason)s", file=file.name, reason=explained(error))) from None
        yield recording
