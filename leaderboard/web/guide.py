"""/admin/first-steps: from the empty install to the first story; /admin/connect: which helpdesks there are, and how."""

import re
import textwrap
from dataclasses import dataclass, replace

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from leaderboard import deliveries, people, steps
from leaderboard.config import folder
from leaderboard.plugin import Invalid
from leaderboard.web import config, db, hooks, now
from leaderboard.web.access import admin_only, me
from leaderboard.web.pages import YEAR

blueprint = Blueprint("guide", __name__)

PUT_AWAY = "first_steps"
"""The cookie of an admin who does not want to see the steps on /admin any more; their own page stays."""


@dataclass(frozen=True)
class Guide:
    """A plugin as its README tells it: nothing of a plugin runs before it has a section."""

    name: str
    title: str
    what: str
    section: str
    text: str


@blueprint.get("/admin/first-steps")
@admin_only
def first_steps() -> ResponseReturnValue:
    """All steps, the next one in focus."""
    settings = config()
    with db().reading() as session:
        found = steps.first_steps(session)
        teams = people.teams(session)
    return render_template(
        "first_steps.html",
        steps=found,
        teams=teams,
        sources=[
            (name, _title(name, type(plugin).title), deliveries.can_try(plugin))
            for name, plugin in settings.plugins.items()
        ],
        config=settings,
        has_mail=bool(settings.mail.server),
        put_away=request.cookies.get(PUT_AWAY) == "away",
    )


@blueprint.post("/admin/first-steps")
@admin_only
def put_away() -> ResponseReturnValue:
    """Off the overview, or back onto it; in this browser."""
    away = request.form.get("do") != "show"
    answer = make_response(redirect(url_for("admin.overview" if away else ".first_steps"), 303))
    if away:
        answer.set_cookie(
            PUT_AWAY, "away", max_age=YEAR, samesite="Lax", secure=request.is_secure, httponly=True
        )
        flash(_("The first steps are put away. You find them under “First steps” at any time."), "info")
    else:
        answer.delete_cookie(PUT_AWAY, samesite="Lax", secure=request.is_secure, httponly=True)
    return answer


@blueprint.get("/admin/connect")
@admin_only
def connect() -> ResponseReturnValue:
    """Which helpdesks there are."""
    return render_template("connect.html", guides=guides(), connected=set(config().plugins))


@blueprint.get("/admin/connect/<plugin>")
@admin_only
def connect_one(plugin: str) -> ResponseReturnValue:
    """One helpdesk: the section for the config file, the address to paste, its guide."""
    guide = next((one for one in guides() if one.name == plugin), None)
    if guide is None:
        abort(404)
    return render_template(
        "connect_one.html",
        guide=_placed(guide, config().public_url),
        address=f"{config().public_url}/hooks/{plugin}",
        connected=plugin in config().plugins,
    )


@blueprint.post("/admin/sources/<name>/try")
@admin_only
def try_source(name: str) -> ResponseReturnValue:
    """A signed fact about oneself that earns nothing, through the same door as the tool's own."""
    plugin = config().plugins.get(name)
    if plugin is None:
        abort(404)
    try:
        delivery = deliveries.trial(plugin, me().email, now(), f"{config().public_url}/hooks/{name}")
    except Invalid as error:
        flash(error.message, "error")
        return redirect(url_for("admin.source", name=name), 303)
    answer = make_response(hooks.take(name, plugin, delivery))
    said = answer.get_json()
    if answer.status_code != 202:
        flash(_("It was not taken: %(reason)s.", reason=said["error"]), "error")
        return redirect(url_for("admin.source", name=name), 303)
    if said["state"] == "pending":
        flash(_("The test was signed and checked. It waits: the source is frozen."), "info")
        return redirect(url_for("admin.delivery", number=said["delivery"]), 303)
    flash(
        _("The test was signed, checked and taken in: a solved ticket of yours, which earns nothing."),
        "success",
    )
    return redirect(url_for("admin.delivery", number=said["delivery"]), 303)


def _title(name: str, title: str) -> str:
    """What a source is called: its tool, and its own name where that says more."""
    return title if not name or title.casefold().startswith(name) else f"{title} ({name})"


def _placed(guide: Guide, public_url: str) -> Guide:
    """The guide with our own address where it says `<public_url>`: what stands there is to be pasted as it is."""
    host = public_url.partition("://")[2]
    section, text = (
        said.replace("https://<public_url>", public_url).replace("<public_url>", host)
        for said in (guide.section, guide.text)
    )
    return replace(guide, section=section, text=text)


def guides() -> list[Guide]:
    """Every plugin that comes along, by its title."""
    found = []
    for readme in sorted(folder("plugins").glob("*/README.md")):
        text, name = readme.read_text("utf-8"), readme.parent.name
        section = re.search(rf"^( +)\[plugins\.{name}\]\n(?:\1.*\n)*", text, re.MULTILINE)
        title, _rest, after = text.removeprefix("# ").partition("\n")
        if section is not None:
            what = " ".join(after.strip().partition("\n\n")[0].split())
            found.append(Guide(name, title.strip(), _plain(what), textwrap.dedent(section[0]).strip(), text))
    return sorted(found, key=lambda guide: guide.title.casefold())


def _plain(markdown: str) -> str:
    """A sentence without its marks: links by their words, code and emphasis as they read."""
    return re.sub(r"[`*]", "", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", markdown))
