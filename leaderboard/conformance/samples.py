"""What a plugin shows of itself: deliveries as its tool sends them, and what each of them means."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask_babel import gettext as _
from pydantic import ValidationError

from leaderboard import config
from leaderboard.plugin import Delivery, Event, Invalid, Plugin, decode_json

LARGEST = 1_000_000
"""Values in a sample's JSON, so that what a tool may send in a batch can be read."""


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
    url: str = ""
    """The address it was sent to, for tools that sign it or carry a secret in it."""

    @cached_property
    def plugin(self) -> Plugin:
        """The plugin with this sample's settings."""
        return config.plugin_class(self.tool)(**self.settings)

    @cached_property
    def _token(self) -> dict[str, str]:
        """What proves a delivery where its body is not signed: made once, as it may cost a millisecond."""
        return self.plugin.sign(self.body, self.received_at)

    def delivery(self, body: bytes | None = None, *, signed_by: Plugin | None = None) -> Delivery:
        """The sample, or another body in its place, signed as the tool would."""
        content = self.body if body is None else body
        signed = (
            self._token
            if signed_by is None and self.plugin.proof != "body"
            else (signed_by or self.plugin).sign(content, self.received_at)
        )
        headers = {**self.extra_headers, **signed}
        lowered = {name.lower(): value for name, value in headers.items()}
        args = dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))
        return Delivery(content, lowered, self.received_at, url=self.url, args=args)

    def json(self) -> Any:
        """The body as JSON; Invalid where it is something else."""
        return decode_json(self.body, max_nodes=LARGEST)


def read_sample(module: str, file: Path) -> Sample:
    """The sample of a `.body`, with what the `.toml` beside it says. Raises Invalid, naming the file."""
    written = read_toml(file.with_suffix(".toml"))
    try:
        sample = Sample(
            tool=module,
            case=file.stem,
            body=file.read_bytes(),
            settings=written["settings"],
            extra_headers=written.get("headers", {}),
            received_at=written["received_at"],
            events=events_in(written["events"]),
            url=written.get("url", ""),
        )
        sample.plugin  # noqa: B018  (the settings are tried here, where the file is known)
    except KeyError as error:
        raise Invalid(_("%(file)s: %(name)s is missing.", file=file.stem + ".toml", name=error)) from None
    except (Invalid, ValidationError, TypeError) as error:
        raise Invalid(_("%(file)s: %(reason)s", file=file.stem + ".toml", reason=explained(error))) from None
    return sample


def read_toml(file: Path) -> dict[str, Any]:
    """What a `.toml` says; Invalid, naming the file, where it cannot be read."""
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Invalid(_("%(file)s: %(reason)s", file=file.name, reason=error)) from None


def explained(error: Exception) -> str:
    """What is wrong with a sample in one line, each setting by its name."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)


def events_in(written: list[Mapping[str, Any]]) -> tuple[Event, ...]:
    """Events as a `.toml` lists them."""
    return tuple(Event(**{**event, "agents": tuple(event.get("agents", ()))}) for event in written)


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
    if not path:
        return json.dumps(by).encode()
    return json.dumps(put(value, path, by)).encode()


def put(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A JSON value like `value` with another one at this place; what lies on the way is copied."""
    if not path:
        return by
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, key: put(value[key], rest, by)}
    return [*value[:key], put(value[key], rest, by), *value[key + 1 :]]
