"""Bad input as data, for every door: JSON bodies (J), texts (T) and times (D).

A body or text is written out (`text`, with its `encoding`, or `hex`), or as a recipe: `before`, then `item` `count` times (with
its number for {} where it counts), joined by `join`, then `after`, then `item2` as often. `cut` keeps so many percent.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Body:
    """A request body, and whether it is JSON that we read."""

    name: str
    content: bytes
    accepted: bool


@dataclass(frozen=True)
class Time:
    """A JSON value in the place of a time, and the UTC moment it means; None where it must be refused."""

    name: str
    value: Any
    utc: str | None


def _written(form: dict[str, Any]) -> str:
    if "text" in form:
        return str(form["text"])
    item, count = form["item"], form["count"]
    many = (item.replace("{}", str(i)) for i in range(count)) if "{}" in item else [item] * count
    middle = form.get("join", "").join(many)
    return f"{form.get('before', '')}{middle}{form.get('after', '')}{form.get('item2', '') * count}"


def bodies() -> list[Body]:
    """The J corpus."""
    found = []
    for form in json.loads((HERE / "json.json").read_text()):
        content = (
            bytes.fromhex(form["hex"])
            if "hex" in form
            else _written(form).encode(form.get("encoding", "utf-8"))
        )
        if "cut" in form:
            content = content[: len(content) * form["cut"] // 100]
        found.append(Body(form["name"], content, form["accepted"]))
    return found


def texts() -> dict[str, str]:
    """The T corpus, by name."""
    return {form["name"]: _written(form) for form in json.loads((HERE / "text.json").read_text())}


def times() -> list[Time]:
    """The D corpus."""
    return [
        Time(form["name"], form["value"], form["utc"])
        for form in json.loads((HERE / "time.json").read_text())
    ]
