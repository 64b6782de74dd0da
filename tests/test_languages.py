"""Which language a text is in where no page decides it: announcements speak the company's, in a request as in the clock."""

from typing import cast

import pytest
from flask_babel import gettext as _
from sqlmodel import select

import hatch_build
from leaderboard import jobs
from leaderboard.app import create_app
from leaderboard.config import read
from leaderboard.database import Database
from leaderboard.languages import languages, speaking
from leaderboard.tables import Announcement, Channel, Person, Recognition, Team
from tests import make
from tests.conftest import CONFIG
from tests.test_jobs import TUESDAY
from tests.test_recognition import MONDAY, care, told
from tests.test_tree import ROOT
from tests.visitor import Visitor

__all__ = ["care"]


@pytest.fixture
def german() -> None:
    """The German of this checkout, compiled."""
    hatch_build.compile_translations(ROOT)
    languages.cache_clear()


@pytest.mark.usefixtures("german")
def test_a_text_is_in_the_language_that_is_spoken_and_in_english_after() -> None:
    with speaking("de"):
        assert _("Listen") == "Zuhören"
        with speaking("en"):
            assert _("Listen") == "Listen"
        assert _("Listen") == "Zuhören"
    assert _("Listen") == "Listen"


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize("language", [None, "", "tlh", "../de"])
def test_a_language_without_texts_is_english(language: str | None) -> None:
    with speaking(language):
        assert _("Listen") == "Listen"


@pytest.mark.usefixtures("german")
def test_the_clock_drafts_and_announces_in_the_companys_language(db: Database, care: make.Company) -> None:
    config = read('[announce]\nlanguage = "de"')
    with db.writing() as session:
        team = session.get_one(Team, care.teams["Care"])
        team.autopilot = True
        session.add(team)
        session.add(Channel(team_id=team.id or 0, kind="email", name="All", target="care@example.com"))
        for teller in ("ben", "chris"):
            told(session, care, teller, "ana")
    jobs.close_weeks(db, config, lambda: MONDAY)
    jobs.close_weeks(db, config, lambda: TUESDAY)
    with db.reading() as session:
        won, sent = session.exec(select(Recognition)).one(), session.exec(select(Announcement)).one()
    assert won.reason == "20 Punkte, bezeugt von 2 verschiedenen Seiten."
    assert "hat uns erzählt: „She stayed until ten" in won.words
    assert won.words.endswith("herself.“")
    assert sent.subject == "Care, Woche 47: wer die Extrameile gegangen ist"
    assert "(16.–22. Nov. 2026)" in sent.body
    assert "★ Beziehungen: Ana" in sent.body
    assert "Zum Besprechen: " in sent.body


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize("spoken", ["de", "en"])
def test_a_lead_announces_in_the_companys_language_and_reads_the_page_in_their_own(
    db: Database, care: make.Company, clock: make.Clock, spoken: str
) -> None:
    app = create_app(read(CONFIG + f'[announce]\nlanguage = "{spoken}"'), db, clock)
    app.test_client_class = Visitor
    with db.writing() as session:
        for teller in ("ben", "chris"):
            told(session, care, teller, "ana")
        for lea in session.exec(select(Person).where(Person.handle == "lea")):
            lea.locale = {"de": "en", "en": "de"}[spoken]
            session.add(lea)
    clock.at(MONDAY)
    lea = cast("Visitor", app.test_client())
    lea.sign_in(care["lea"])
    lea.submit("/lead/weeks/care/2026-W47/close")
    page = lea.get("/lead/weeks/care/2026-W47").text
    assert ("Genau so, wie jeder Kanal" in page, "Exactly as every channel" in page) == (
        spoken == "en",
        spoken == "de",
    )
    assert ("Care, Woche 47" in page, "Care, week 47" in page) == (spoken == "de", spoken == "en")
