"""What every page shares: its headers, asset addresses, and how times, names and guidelines are written."""

import hashlib
import zlib
from collections.abc import Hashable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.numbers import format_compact_decimal
from flask import Blueprint, Flask, Response, current_app, g, jsonify, make_response, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import Babel, format_date, format_datetime, format_percent, get_locale, to_user_timezone
from flask_babel import gettext as _
from flask_compress import Compress
from jinja2 import pass_context
from jinja2.runtime import Context, Macro
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from leaderboard import __version__, people
from leaderboard.database import Kept
from leaderboard.guidelines import BY_SLUG, N_
from leaderboard.languages import Counting, grouped, languages, speaking
from leaderboard.web import access, config, db, navigation, now

blueprint = Blueprint("pages", __name__)

STATIC = Path(__file__).parent / "static"
THEMES = ("light", "dark")
KIND_NAMES = {
    "story.accepted": N_("A colleague's story"),
    "story.cosigned": N_("A colleague saw it too"),
    "thanks.received": N_("A customer's thanks"),
    "rating.good": N_("A good rating"),
    "rating.recovered": N_("An unhappy customer won back"),
    "promise.kept": N_("A promise kept"),
    "help.given": N_("Help on a colleague's ticket"),
    "knowledge.shared": N_("Knowledge shared"),
}
"""What earns points, as people read it."""
YEAR = 365 * 24 * 3600
"""Seconds."""
TINTS = 8
"""How many colours avatars have in app.css."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""What every answer says, where its route says nothing else."""


def install(app: Flask) -> None:
    """Give every template the filters and names that components.html uses, and every answer its headers."""
    app.register_blueprint(blueprint)
    # a locale as it is: of a name Babel would make a new one for every page
    babel = Babel(app, locale_selector=lambda: _locale_named(language()), timezone_selector=zone)
    babel.domain_instance = Counting()
    texts = babel.domain_instance
    rows = Kept(most=2_000)

    def drawn(macro: Macro, *values: Hashable) -> str:
        """What a macro makes of these values: for what stands on many people's pages, or seldom changes.

        It is one of a template that is imported, which does not see the page, and makes use of nothing but its values.
        """
        return rows.get((macro.name, _locale(), values), 0, lambda: macro(*values))

    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=lambda text: texts.get_translations().gettext(text),
        ngettext=lambda one, many, number: texts.get_translations().ngettext(one, many, number),
        newstyle=True,
    )
    counted: Any = app.jinja_env.globals["ngettext"]

    @pass_context
    def ngettext(context: Context, one: str, many: str, number: int, **names: object) -> Any:
        return counted(context, one, many, number, **{"num": grouped(number), **names})

    app.jinja_env.globals["ngettext"] = ngettext
    # Jinja's own would look for it with every text
    app.jinja_env.globals["_"] = app.jinja_env.globals["gettext"]
    app.config.update(
        COMPRESS_REGISTER=False,  # guard calls it for what somebody reads, not for every delivery
        COMPRESS_STREAMS=False,  # it would not close the file that a stream reads
    )
    app.extensions["compress"] = Compress(app)
    app.jinja_env.filters.update(
        initials=initials,
        tint=tint,
        iso=iso,
        near_moment=near_moment,
        near_day=near_day,
        short_moment=short_moment,
        long_moment=long_moment,
        long_day=long_day,
        short_day=short_day,
        month=month,
        month_of_week=month_of_week,
        quarter=quarter,
        percent=percent,
        compact=compact,
        grouped=grouped,
    )
    app.jinja_env.globals.update(
        asset=asset,
        drawn=drawn,
        guidelines=BY_SLUG,
        kind_names=KIND_NAMES,
        navigation=navigation.open_to,
        admin_places=navigation.ADMINISTRATION,
        page_language=page_language,
        bell_version=bell_version,
        page_direction=page_direction,
    )
    app.context_processor(viewer_and_theme)
    app.after_request(guard)


def viewer_and_theme() -> dict[str, Any]:
    """`viewer`: the signed-in person or None. `theme`: light, dark, or "" for what the device prefers."""
    return {"viewer": access.viewer(), "theme": theme()}


def theme() -> str:
    """How this browser wants pages to look, else the person; "" leaves it to the device."""
    person = access.viewer()
    chosen = request.cookies.get("theme") or (person.theme if person else None)
    return chosen if chosen in THEMES else ""


def language() -> str:
    """The language a person chose, else the best that their browser asks for and we have.

    What the API says does not change with how its owner likes pages: a program asks for a language, or gets English.
    """
    person = None if request.path.startswith(access.API) else access.viewer()
    if person and person.locale in languages():
        return person.locale
    return _best_language(request.headers.get("Accept-Language", ""), languages())


@lru_cache
def _best_language(accepted: str, known: tuple[str, ...]) -> str:
    ours = {name.lower().replace("_", "-"): name for name in known}
    # Its best_match() takes a later "de" for an earlier "en-GB".
    for wanted, quality in parse_accept_header(accepted, LanguageAccept):
        for name in (wanted.lower(), wanted.lower().partition("-")[0]):
            if quality and name in ours:
                return ours[name]
    return "en"


@lru_cache
def _locale_named(name: str) -> Locale:
    return Locale.parse(name)


def zone() -> str:
    """The zone times are shown in: the person's own, else their team's; the company's for those who are not signed in."""
    person = access.viewer()
    if person is None:
        return config().week.timezone
    if "zone" not in g:
        with db().reading() as session:
            g.zone = people.zone_of(session, person)
    return str(g.zone)


@blueprint.post("/appearance")
@access.public
def appearance() -> ResponseReturnValue:
    """Light, dark or as the device: kept in a cookie of this browser, and on the person for the next one."""
    chosen = request.form.get("theme", "")
    chosen = chosen if chosen in THEMES else ""
    if person := access.viewer():
        with db().writing() as session:
            people.choose_theme(session, person.id or 0, chosen or None)
    back = request.form.get("back", "/")
    response = make_response(redirect(back if access.is_our_page(back) else "/", 303))
    if chosen:
        response.set_cookie(
            "theme", chosen, max_age=YEAR, samesite="Lax", secure=request.is_secure, httponly=True
        )
    else:
        response.delete_cookie("theme", samesite="Lax", secure=request.is_secure, httponly=True)
    return response


@blueprint.get("/manifest.webmanifest")
@access.public
def manifest() -> Response:
    """What a browser installs as an app, in the language `lang`: it asks without the cookies that say who reads."""
    icon = {"src": asset("icon-192.png"), "sizes": "192x192", "type": "image/png"}
    large = {"src": asset("icon-512.png"), "sizes": "512x512", "type": "image/png"}
    with speaking(request.args.get("lang")):
        response = jsonify(
            id="/",
            name=_("Extra Mile"),
            short_name=_("Extra Mile"),
            description=_("Stories of colleagues who went the extra mile, and the points that rest on them."),
            lang=page_language(),
            dir=page_direction(),
            start_url="/",
            scope="/",
            display="standalone",
            background_color="#fbf8f1",
            theme_color="#fbf8f1",
            icons=[
                {"src": asset("icon.svg"), "sizes": "any", "type": "image/svg+xml"},
                icon,
                large,
                large | {"purpose": "maskable"},
            ],
            shortcuts=[
                {"name": _("Tell a story"), "short_name": _("Tell"), "url": "/nominate", "icons": [icon]},
                {"name": _("My page"), "url": "/me/page", "icons": [icon]},
            ],
        )
    response.mimetype = "application/manifest+json"
    response.headers["Cache-Control"] = f"private, max-age={24 * 3600}"
    return response


def guard(response: Response) -> Response:
    """Headers that keep a page from running or embedding anything but our own files, and from being kept by others."""
    headers = response.headers
    said = {name.lower() for name, _ in headers}  # once: Werkzeug reads them all for each question
    headers.extend((name, value) for name, value in ALWAYS.items() if name not in said)
    if request.endpoint == "security.logout":
        headers["Clear-Site-Data"] = '"cache"'  # pages that the browser kept to ask about are nobody else's
    if request.endpoint == "static":
        response.direct_passthrough = False
        response.make_sequence()
        if "v" in request.args:  # the address changes with the contents
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
    elif "cache-control" not in said:
        headers.add("Cache-Control", "private, no-store")
    if request.method == "GET" and response.status_code != 206:  # a part of a file is sent as it is
        compressed: Response = current_app.extensions["compress"].after_request(response)
        return compressed
    return response


def asset(name: str) -> str:
    """The address of a file in static/, with its fingerprint, so that browsers may keep it for a year."""
    print_of = _fingerprint(name, (STATIC / name).stat().st_mtime_ns)
    return f"{current_app.static_url_path}/{name}?v={print_of}"


@lru_cache(maxsize=256)
def _fingerprint(name: str, changed: int) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def page_language() -> str:
    """The page's language as HTML names it: "en", "de"."""
    return _locale().language


def bell_version(unread: int) -> str:
    """The ETag of a bell that says so many are new."""
    return f'W/"{unread}-{page_language()}-{__version__}"'


def page_direction() -> str:
    """ "rtl" or "ltr"."""
    return _locale().text_direction


def _locale() -> Locale:
    return get_locale() or Locale("en")


def initials(name: str) -> str:
    """One or two capital letters that stand for a person's name; "?" where it has no letter."""
    words = [word for word in name.split() if word[0].isalnum()]
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [word[0] for word in words]
    return "".join(letters).upper() or "?"


def tint(handle: str) -> int:
    """Which of the avatar colours a person has: always the same, and nothing else follows from it."""
    return zlib.crc32(handle.encode()) % TINTS


def iso(moment: datetime) -> str:
    """As machines read it: UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def near_moment(moment: datetime) -> str:
    """As "today, 14:05", "Wednesday, 14:05" or "20 Nov, 14:05", in the viewer's language and zone."""
    there = to_user_timezone(moment)
    return f"{near_day(there.date())}, {format_datetime(moment, _pattern('Hm'))}"


def near_day(day: date) -> str:
    """As people say it: yesterday, today, tomorrow, a weekday that has just been, or the date, with its year if it is another.

    It holds for one day of the viewer: a page that is kept names that day in its version.
    """
    today = to_user_timezone(now()).date()
    away = (day - today).days
    if -1 <= away <= 1:
        return str((_("today"), _("tomorrow"), _("yesterday"))[away])
    if -7 < away < 0:
        return str(format_date(day, "EEEE"))
    if 0 < away < 7:  # a bare weekday would be the one that has been
        return str(format_date(day, _pattern("MMMEd")))
    return short_day(day) if day.year == today.year else str(format_date(day, _pattern("yMMMd")))


def short_moment(moment: datetime) -> str:
    """As "20 Nov 2026, 14:05" in the viewer's language and zone. It never grows old."""
    return str(format_datetime(moment, _pattern("yMMMd") + ", " + _pattern("Hm")))


def long_moment(moment: datetime) -> str:
    """As "Friday, 20 November 2026 at 14:05 Central European Standard Time"."""
    return str(format_datetime(moment, "full"))


def long_day(day: date) -> str:
    """As "Fri, 20 Nov 2026"."""
    return str(format_date(day, _pattern("yMMMEd")))


def short_day(day: date) -> str:
    """As "20 Nov"."""
    return str(format_date(day, _pattern("MMMd")))


def month(moment: datetime) -> str:
    """As "November 2026", in the viewer's zone."""
    return str(format_date(to_user_timezone(moment), _pattern("yMMMM")))


def month_of_week(monday: date) -> str:
    """As "Oct": the month that this Monday's week belongs to."""
    return str(format_date(monday + timedelta(days=3), "LLL"))


def quarter(monday: date) -> str:
    """As "Q4 2026", by the year that this Monday's week belongs to."""
    return str(format_date(monday + timedelta(days=3), "QQQ yyyy"))


def compact(number: int) -> str:
    """A number on a scale: whole up to four digits, then as "20K"."""
    return grouped(number) if number < 10_000 else str(format_compact_decimal(number, locale=_locale()))


def percent(share: int) -> str:
    """As "28%"."""
    return str(format_percent(share / 100))


def _pattern(skeleton: str) -> str:
    """What the viewer's language makes of a list of fields: "MMMd" is "d MMM" here and "MMM d" there."""
    pattern = _locale().datetime_skeletons.get(skeleton)
    return str(pattern.pattern if pattern else skeleton)
