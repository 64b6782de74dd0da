"""Somebody with a browser: keeps cookies and fills forms."""

import time
from typing import Any

from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from leaderboard import people
from leaderboard.database import Database
from leaderboard.tables import Person

CSRF = "0" * 40


class Visitor(FlaskClient):
    """A test client that sends the CSRF token along with a form, as our pages do."""

    def sign_in(self, person_id: int) -> None:
        """Sign in without the form, whose password costs time on purpose."""
        app = self.application
        database: Database = app.extensions["database"]
        with database.writing() as work:
            person = work.get(Person, person_id)
            assert person is not None
            secret = people.sign_in(work, person_id, app.extensions["clock"](), 24)
        with self.session_transaction() as session:
            session.update(_user_id=person.fs_uniquifier, _fresh=True, signed_in=secret, fs_paa=time.time())

    def submit(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """Post a form with its CSRF token."""
        return self.post(path, data={**(data or {}), "csrf_token": self.csrf_token()}, **more)

    def csrf_token(self) -> str:
        with self.session_transaction() as session:
            raw = session.setdefault("csrf_token", CSRF)
        serializer = URLSafeTimedSerializer(self.application.secret_key or "", salt="wtf-csrf-token")
        return str(serializer.dumps(raw))
