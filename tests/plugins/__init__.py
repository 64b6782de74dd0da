"""Every folder in plugins/ is tested here by itself: its samples, the corpora, and mutations of both."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from leaderboard import config
from leaderboard.plugin import Delivery, Event, Invalid, Plugin, Refused

FOLDER = config.folder("plugins")
TOOLS = sorted(file.parent.name for file in FOLDER.glob("*/__init__.py"))


@dataclass(frozen=True)
class Sample:
    """A delivery as the tool would send it, and what it means."""

    tool: str
    case: str
    body: bytes
    settings: dict[str, Any]
    extra_headers: dict[str, str]
    received_at: datetime
    events: tuple[Event, ...]

    @property
    def plugin(self) -> Plugin:
        return config.plugin_class(self.tool)(**self.settings)

    def delivery(self, body: bytes | None = None, *, signed_by: Plugin | None = None) -> Delivery:
        """The sample, or another body in its place, signed as the tool would."""
        content = self.body if body is None else body
        headers = {**self.extra_headers, **(signed_by or self.plugin).sign(content, self.received_at)}
        return Delivery(content, {name.lower(): value for name, value in headers.items()}, self.received_at)

    def json(self) -> Any:
        return json.loads(self.body)


def _read(file: Path) -> Sample:
    written = tomllib.loads(file.with_suffix(".toml").read_text("utf-8"))
    events = tuple(
        Event(**{name: tuple(value) if name == "agents" else value for name, value in event.items()})
        for event in written["events"]
    )
    return Sample(
        tool=file.parent.parent.name,
        case=file.stem,
        body=file.read_bytes(),
        settings=written["settings"],
        extra_headers=written.get("headers", {}),
        received_at=written["received_at"],
        events=events,
    )


SAMPLES = [_read(file) for tool in TOOLS for file in sorted((FOLDER / tool / "samples").glob("*.body"))]
OF_TOOL = {tool: [sample for sample in SAMPLES if sample.tool == tool] for tool in TOOLS}


def translated(plugin: Plugin, delivery: Delivery) -> list[Event] | None:
    """What a delivery means; None where it is cleanly refused. Any other error is a bug and passes through."""
    try:
        plugin.verify(delivery)
        return list(plugin.events(delivery))
    except (Refused, Invalid):
        return None


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every place in a JSON value that holds nothing inside it, and what it holds."""
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if not value or inner is None:
        yield path, value
    else:
        for key, item in inner:
            yield from leaves(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> bytes:
    """The JSON of `value` with another value at this place. Escaped, so that it can also say what UTF-8 cannot."""
    copy = json.loads(json.dumps(value))
    if not path:
        return json.dumps(by).encode()
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = by
    return json.dumps(copy).encode()
