"""Where one can go: the one list that the bars, the menus and the palette are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.guidelines import N_
from leaderboard.tables import Person


@dataclass(frozen=True)
class Place:
    """A page, its name and icon, and the roles that it is for; all where none is named."""

    url: str
    name: str
    icon: str
    roles: tuple[str, ...] = ()
    at_thumb: bool = False
    """It stands in the bar at the bottom of a phone, so the menu need not say it again."""
    also: str = ""
    """Where else one is on it, by the beginning of the address."""


PLACES = (
    Place("/", N_("Home"), "home", at_thumb=True),
    Place("/stories", N_("Stories"), "message-heart", at_thumb=True),
    Place("/promises", N_("Promises"), "calendar-check", at_thumb=True),
    Place("/people", N_("People"), "users"),
    Place("/weeks", N_("Weeks"), "calendar-week"),
    Place("/lead", N_("Lead"), "rosette", ("lead", "admin")),
    Place("/admin", N_("Admin"), "settings", ("admin",)),
)
OWN = (
    Place("/me/page", N_("My page"), "user"),
    Place("/insights", N_("How are we doing?"), "chart-dots"),
    Place("/screen", N_("Screen for the office"), "device-desktop"),
    Place("/notices", N_("Notices"), "bell"),
    Place("/me", N_("Settings"), "settings"),
    Place("/me/security", N_("Sign-in and security"), "shield-check"),
)
DOING = (
    Place("/nominate", N_("Tell a story"), "plus"),
    Place("/promises/new", N_("Make a promise"), "calendar-check"),
)
ADMINISTRATION = (
    Place("/admin", N_("Overview"), "settings", ("admin",)),
    Place("/admin/sources", N_("Sources"), "plug", ("admin",), also="/admin/connect"),
    Place("/admin/deliveries", N_("Deliveries"), "inbox", ("admin",)),
    Place("/admin/rules", N_("Rules"), "adjustments", ("admin",)),
    Place("/admin/people", N_("People"), "user-plus", ("admin",), also="/admin/invitations"),
    Place("/admin/teams", N_("Teams"), "building", ("admin",)),
    Place("/admin/first-steps", N_("First steps"), "list-check", ("admin",)),
)


def open_to(viewer: Person, places: Sequence[Place] = PLACES) -> list[Place]:
    """Those of the places that this person may open."""
    return [place for place in places if not place.roles or viewer.role in place.roles]
