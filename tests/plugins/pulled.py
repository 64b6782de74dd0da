"""A tool that answers pulls, and our plugin for it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from leaderboard.plugin import Event, Plugin


@dataclass
class Pulled:
    """A tool that runs, our plugin for it, the path of its list, and how to add a fact to it."""

    tool: Any
    make: Callable[..., Plugin]
    list_path: str
    add: Callable[[int, datetime], None]
    """The `number`th customer's thanks, "Thank you", at this moment."""
    key: str
    """The key of the `number`th."""
    items: list[dict[str, Any]]
    """What `add` adds to, as the tool lists it."""
    needs: str
    """A field of an item without which it cannot be read."""
    odd: dict[str, Any]
    """A value that our table does not know: such an item is not for us."""
    bare: bool = False
    """Whether the tool answers with a list, not with an object that holds one."""
    none_is_204: bool = False
    """Whether the tool answers 204 where a list is empty."""
    show: Callable[[], None] | None = None
    """Fills the tool with one of each kind that only a pull brings."""

    def events(
        self, http: httpx.Client, since: str | None = None, **settings: Any
    ) -> tuple[list[Event], str]:
        """Pull as the clock does: page by page until the last; the events and the cursor that is kept."""
        found: list[Event] = []
        cursor = since or ""
        for page in self.make(**settings).pull(http, since):
            found += page.events
            cursor = page.cursor
            if page.last:
                break
        return found, cursor
