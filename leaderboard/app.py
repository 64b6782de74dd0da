"""Puts the parts together; the only file that knows them all."""

from apiflask import APIFlask
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.middleware.proxy_fix import ProxyFix

from leaderboard import web, weeks
from leaderboard.config import Config, folder
from leaderboard.database import Database
from leaderboard.web import (
    access,
    account,
    admin,
    admin_accounts,
    admin_people,
    admin_reversals,
    api,
    bodies,
    errors,
    first_run,
    guide,
    home,
    hooks,
    insights,
    invitations,
    lead,
    notices,
    operations,
    pages,
    people,
    promises,
    rules,
    screen,
    search,
    sign_in,
    sources,
    stories,
    styleguide,
)
from leaderboard.web import weeks as week_pages
from leaderboard.weeks import Clock

MAX_FORM = 64 * 1024
MAX_BODY = 1024 * 1024


class App(APIFlask):
    """Our Flask: before a page it asks who is there, what their form proves, and how often they came."""

    session_interface = access.Sessions()

    def preprocess_request(self) -> ResponseReturnValue | None:
        """None of these questions is about a helpdesk; asking them all the same took a seventh of a delivery's time."""
        return None if request.path.startswith(access.HOOKS) else super().preprocess_request()

    def process_response(self, response: Response) -> Response:
        """A helpdesk gets the headers of every answer, and neither session nor the limits of a page."""
        if request.path.startswith(access.HOOKS):
            return pages.guard(response)
        return super().process_response(response)


def create_app(config: Config, database: Database | None = None, clock: Clock = weeks.now) -> Flask:
    """The whole product as one WSGI app. It starts no scheduler: the command that runs the service does."""
    app = App(
        "leaderboard",
        template_folder=str(folder("templates")),
        static_folder="web/static",
        spec_path=None,  # web/api describes itself, behind our own headers
        docs_path=None,
        json_errors=False,
    )
    app.config.update(
        SECRET_KEY=config.server.secret_key.get_secret_value(),
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_FORM,
        MAX_FORM_PARTS=200,
        SESSION_COOKIE_NAME="extra_mile",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.public_url.startswith("https://"),
    )
    app.extensions["config"] = config
    app.extensions["database"] = database or Database(config.database.url)
    app.extensions["clock"] = clock
    app.wsgi_app = bodies.Turnstile(app.wsgi_app, config.server.threads - 1)  # type: ignore[method-assign]
    if proxies := config.server.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, proxies, proxies, proxies, proxies)  # type: ignore[method-assign]
    web.install(app)
    pages.install(app)
    errors.install(app)
    app.before_request(bodies.bound_form)
    access.install(app, config)
    sign_in.install(app, config)
    api.install(app, config)
    register(app, demo=config.demo)
    access.apply_limits(app)
    return app


def register(app: Flask, *, demo: bool) -> None:
    """Every group of pages, in the order of the navigation."""
    app.register_blueprint(home.blueprint)
    app.register_blueprint(screen.blueprint)
    app.register_blueprint(stories.blueprint)
    app.register_blueprint(promises.blueprint)
    app.register_blueprint(lead.blueprint)
    app.register_blueprint(people.blueprint)
    app.register_blueprint(week_pages.blueprint)
    app.register_blueprint(insights.blueprint)
    app.register_blueprint(search.blueprint)
    app.register_blueprint(account.blueprint)
    app.register_blueprint(notices.blueprint)
    app.register_blueprint(admin.blueprint)
    app.register_blueprint(sources.blueprint)
    app.register_blueprint(rules.blueprint)
    app.register_blueprint(admin_people.blueprint)
    app.register_blueprint(admin_accounts.blueprint)
    app.register_blueprint(admin_reversals.blueprint)
    app.register_blueprint(guide.blueprint)
    app.register_blueprint(first_run.blueprint)
    app.register_blueprint(invitations.blueprint)
    app.register_blueprint(hooks.pages)
    app.register_blueprint(operations.blueprint)
    app.register_blueprint(api.api)
    if demo:
        app.register_blueprint(styleguide.blueprint)
