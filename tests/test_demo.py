"""The made-up company: with its ten weeks, or as it is on its first day."""

from datetime import timedelta
from pathlib import Path

from leaderboard import config as settings
from leaderboard import recognition, weeks
from leaderboard.database import Database
from leaderboard.demo import opening
from tests.conftest import CONFIG


def test_a_company_without_a_history_has_no_weeks_behind_it(tmp_path: Path) -> None:
    config = settings.read(CONFIG.replace("sqlite:///unused.db", f"sqlite:///{tmp_path / 'demo.db'}"))
    opening.fill(config, history=False)
    database = Database(config.database.url)
    with database.reading() as session:
        assert recognition.due(session, config, weeks.now()) == []
        later = recognition.due(session, config, weeks.now() + timedelta(days=14))
        assert {team_id for team_id, _week in later} == {1, 2, 3, 4, 5}
    database.dispose()
