"""Search finds people and stories alike on both databases, shows nobody what they may not see, and forgets what is gone."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, func, text
from sqlmodel import Session, select

from leaderboard import jobs, nominations, search
from leaderboard.backup import backup, restore
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.tables import Nomination, Nominee, Person, Team
from leaderboard.words import folded, places, terms
from tests import corpus
from tests.make import NOON, Company
from tests.test_nominations import act, tell

MORE = " and the whole family went home happy, because somebody had taken the time to listen to them."
SHIRT = "Ben ran across the river for the blue shirt, the last one in the city," + MORE
WORDS = {
    "kovač": "Mrs Kovač wrote to us that the crème brûlée was saved" + MORE,
    "東京": "東京から来た田中さんの荷物を見つけました。" + MORE,
    "arabic": "اتصل أحمد بالعميل وَجَدَ الحقيبة" + MORE,
    "йога": "Клиентка Алёна забыла коврик для йоги" + MORE,
    "हिन्दी": "ग्राहक को हिन्दी में उत्तर मिला" + MORE,
    "straße": "Das Paket lag in der Hauptstraße bei Søren Łukasz" + MORE,
    "party": "A cake, a card and a song 🎉 for Mr O'Neill-Ito" + MORE,
}
EVERYBODY = {"ana", "ben", "chris", "lea", "ada", "dan", "eve", "max"}


@pytest.fixture
def company(company: Company, db: Database) -> Company:
    """The cast, in teams that let stories count at once."""
    with db.writing() as session:
        for team in session.exec(select(Team)):
            team.accepts = "at_once"
    return company


def found(db: Database, company: Company, question: str, who: str = "chris", **more: int) -> list[str]:
    """The public ids of the stories that somebody finds."""
    with db.reading() as session:
        viewer = session.get_one(Person, company[who])
        return [one.card.id for one in search.stories(session, viewer, question, **more)]


def told(db: Database, company: Company, giver: str, *about: str, story: str, **other: object) -> str:
    """A story's public id; each is told an hour after the one before."""
    with db.reading() as session:
        hours = session.exec(select(func.count()).select_from(Nomination)).one()
    return tell(db, company, giver, *about, at=NOON + timedelta(hours=hours), story=story, **other)


def met(db: Database, company: Company, question: str, who: str = "chris") -> list[str]:
    """The handles of the people that somebody finds."""
    with db.reading() as session:
        viewer = session.get_one(Person, company[who])
        return [one.person.handle for one in search.people(session, viewer, question)]


def change(db: Database, company: Company, handle: str, **values: object) -> None:
    with db.writing() as session:
        person = session.get_one(Person, company[handle])
        for name, value in values.items():
            setattr(person, name, value)


# --- words --------------------------------------------------------------------------------------------------


FOUND = {
    "kovač": ["kovac", "KOVAČ", "creme brulee", "brul"],
    "東京": ["東京", "田中", "荷物を見", "京"],
    "arabic": ["احمد", "أحمد", "وجد"],
    "йога": ["алена", "АЛЁНА", "йог"],
    "हिन्दी": ["हिन्दी", "उत्त"],
    "straße": ["hauptstrasse", "HAUPTSTRAẞE", "soren lukasz", "ｓøren"],
    "party": ["🎉", "o'neill", "neill ito", '"card" -(song*'],
    None: ["cakes", "tokyo", "京東", "ard", "kovačs", "ить", "card OR blanket", "NOT cake"],
}
"""What is found by each question; a database's own signs are none, and its words are words."""


def test_a_word_is_found_however_it_is_written_and_no_other_is(db: Database, company: Company) -> None:
    written = {name: told(db, company, "ana", "ben", story=story) for name, story in WORDS.items()}
    for name, questions in FOUND.items():
        for question in questions:
            assert found(db, company, question) == ([written[name]] if name else []), question


def test_the_last_word_may_be_still_unfinished_the_others_not(db: Database, company: Company) -> None:
    uid = told(db, company, "ana", "ben", story=SHIRT)
    assert found(db, company, "river shi") == [uid]
    assert found(db, company, "shi river") == []


def test_no_question_is_a_fault(db: Database, company: Company) -> None:
    told(db, company, "ana", "ben", story=SHIRT)
    hard = [
        *corpus.texts().values(),
        "",
        " ",
        "\0",
        "a\0b",
        "\ud800",
        "'",
        '"',
        "\\",
        "*",
        ":",
        "!",
        "&|!()<->",
        "NEAR(a b)",
    ]
    hard += [
        "words:shirt",
        "rowid:1",
        "^shirt",
        "-shirt",
        "{words}: x",
        "'a' & 'b':*",
        "x" * 100_000,
        "山" * 5_000,
        "🎉" * 500,
    ]
    for question in hard:
        assert len(met(db, company, question)) <= 10
        assert len(found(db, company, question)) <= 1


def test_the_same_words_are_cut_and_marked_in_every_script() -> None:
    assert folded("Ana's Straße, 田中 🎉") == "ana s strasse 田 中 🎉"
    assert terms("田中 ana") == [("田", "中"), ("ana",)]
    text = "Kovač kam, 田中さん auch, die Kovačs nicht."
    assert [text[start:end] for start, end in places(text, terms("田中 kovac"))] == [
        "Kovač",
        "田中",
        "Kovačs",
    ]
    assert places(text, []) == []


# --- best first ---------------------------------------------------------------------------------------------


def test_whom_it_is_about_comes_first_then_what_says_it_most_then_the_newest(
    db: Database, company: Company
) -> None:
    once = told(db, company, "ana", "chris", story="Ben told me about it," + MORE + MORE)
    often = told(db, company, "ana", "dan", story="Ben, Ben and once more Ben," + MORE)
    about = told(db, company, "ana", "ben", story="The blue shirt, the last one in the city," + MORE)
    assert found(db, company, "ben") == [about, often, once]


def test_every_word_of_the_question_has_to_be_there_wherever_it_stands(
    db: Database, company: Company
) -> None:
    uid = told(db, company, "ana", "ben", story="The blue shirt, the last one in the city," + MORE)
    assert found(db, company, "ben shirt") == found(db, company, "shirt ana") == [uid]
    assert found(db, company, "shirt dan") == []


def test_a_long_list_is_shown_a_part_at_a_time_and_none_twice(db: Database, company: Company) -> None:
    written = {
        told(db, company, giver, "ben", story=f"Umbrella {number}," + MORE)
        for number, giver in enumerate(("ana", "chris", "lea", "dan", "eve", "max", "ada"))
    }
    parts = [found(db, company, "umbrella", start=start, limit=3) for start in (0, 3, 6, 9)]
    assert [len(part) for part in parts] == [3, 3, 1, 0]
    assert {uid for part in parts for uid in part} == written


def test_an_excerpt_shows_the_words_and_where_they_stand(db: Database, company: Company) -> None:
    tell(
        db, company, "ana", "ben", story=MORE.strip() * 4 + " Then he found the <b>blue</b> shirt." + MORE * 3
    )
    with db.reading() as session:
        (one,) = search.stories(session, session.get_one(Person, company["chris"]), "shirt ben")
    shown = "".join(part for part, _ in one.excerpt)
    assert ("shirt", True) in one.excerpt
    assert ("Ben", True) in one.nominees
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert "<b>blue</b>" in shown
    assert len(shown) <= search.EXCERPT + 4


# --- people -------------------------------------------------------------------------------------------------


def test_people_are_found_by_name_handle_and_team_those_of_the_name_first(
    db: Database, company: Company
) -> None:
    change(db, company, "ana", name="Ana Kovač")
    change(db, company, "dan", name="Shoppe Danišević")
    assert met(db, company, "kovac") == met(db, company, "ana ko") == ["ana"]
    assert met(db, company, "shop") == ["dan", "eve", "max"]
    assert met(db, company, "eve shop") == ["eve"]
    assert met(db, company, "eve care") == []


def test_whoever_is_gone_is_a_robot_or_was_merged_is_not_found(db: Database, company: Company) -> None:
    for handle, what in (
        ("ana", {"active": False}),
        ("ben", {"bot": True}),
        ("dan", {"merged_into_id": company["eve"]}),
    ):
        assert met(db, company, handle) == [handle]
        change(db, company, handle, **what)
        assert met(db, company, handle) == []


def test_an_alias_leads_to_nobody_but_for_the_person_and_admins(db: Database, company: Company) -> None:
    change(db, company, "ana", alias="Quiet Owl", visibility="alias")
    assert {who: met(db, company, "owl", who) for who in ("ana", "ada", "ben", "lea", "dan")} == {
        "ana": ["ana"],
        "ada": ["ana"],
        "ben": [],
        "lea": [],
        "dan": [],
    }


# --- who may see what ---------------------------------------------------------------------------------------


def everyone(db: Database, company: Company, question: str) -> set[str]:
    """Who finds a story by these words."""
    return {who for who in company.people if found(db, company, question, who)}


def test_a_waiting_story_is_found_by_its_teller_alone(db: Database, company: Company) -> None:
    with db.writing() as session:
        session.get_one(Team, company.teams["Care"]).accepts = "lead"
    uid = told(db, company, "ana", "ben", story=SHIRT)
    assert everyone(db, company, "shirt") == {"ana"}
    act(db, company, nominations.accept, "lea", uid, NOON)
    assert everyone(db, company, "shirt") == EVERYBODY
    act(db, company, nominations.withdraw, "ana", uid, NOON)
    assert everyone(db, company, "shirt") == {"ana"}


def test_what_somebody_hid_is_found_by_nobody_else(db: Database, company: Company) -> None:
    uid = told(db, company, "ana", "ben", "dan", story=SHIRT.replace("Ben", "He"))
    act(db, company, nominations.hide, "dan", uid, NOON)
    assert found(db, company, "dan shirt") == [], "a hidden name leads nowhere"
    assert found(db, company, "ben shirt") == [uid]
    act(db, company, nominations.hide, "ben", uid, NOON)
    assert everyone(db, company, "shirt") == {"ana", "ben", "dan"}


@pytest.mark.parametrize(
    ("visibility", "eyes"),
    [("on", EVERYBODY), ("team", {"ana", "ben", "chris", "lea", "ada"}), ("off", {"ana", "ben"})],
)  # fmt: skip
def test_a_story_is_found_by_whom_the_wall_shows_it_to(
    db: Database, company: Company, visibility: str, eyes: set[str]
) -> None:
    uid = told(db, company, "ana", "ben", story=SHIRT)
    change(db, company, "ben", visibility=visibility)
    assert everyone(db, company, "shirt") == eyes
    with db.reading() as session:
        for who in company.people:
            viewer = session.get_one(Person, company[who])
            on_the_wall = uid in [card.id for card in nominations.wall(session, viewer, NOON).stories]
            assert on_the_wall == (who in eyes)


def test_a_customers_name_is_found_by_who_may_read_it(db: Database, company: Company) -> None:
    told(db, company, "ana", "ben", story=SHIRT, customer="Mrs Featherstone")
    assert everyone(db, company, "featherstone") == {"ana", "ben", "lea", "max", "ada"}


def test_a_story_follows_its_people_to_the_name_that_holds_now(db: Database, company: Company) -> None:
    uid = told(db, company, "ana", "dan", story="The blue shirt, the last one in the city," + MORE)
    change(db, company, "dan", merged_into_id=company["eve"])
    assert found(db, company, "shirt eve") == [uid]
    assert found(db, company, "shirt dan") == []


# --- the index ----------------------------------------------------------------------------------------------


def held(session: Session, name: str) -> str:
    """All that the index has of people or of stories, as the database tells it."""
    return str([tuple(row) for row in session.execute(text(f"SELECT * FROM {name}"))])


def test_what_changes_is_found_by_its_new_words_only(db: Database, company: Company) -> None:
    uid = told(db, company, "ana", "ben", story=SHIRT)
    with db.writing() as session:
        session.exec(select(Nomination)).one().story = WORDS["party"]
    change(db, company, "ben", name="Benedict")
    assert (found(db, company, "shirt"), found(db, company, "cake")) == ([], [uid])
    assert (met(db, company, "benedict"), found(db, company, "benedict")) == (["ben"], [uid])


def test_the_index_forgets_whatever_the_tables_forget_by_whatever_road(
    db: Database, company: Company
) -> None:
    told(db, company, "ana", "ben", story=SHIRT, customer="Mrs Featherstone")
    change(db, company, "ben", alias="Quiet Owl")
    with db.writing() as session:
        session.execute(text("UPDATE nomination SET story = 'no more', customer = NULL"))
        session.execute(
            text(
                "UPDATE person SET name = 'Former colleague 2', handle = 'former-2', alias = NULL WHERE handle = 'ben'"
            )
        )
        stories, people = held(session, "story_words"), held(session, "person_words")
        assert not any(word in stories for word in ("shirt", "featherstone"))
        assert not any(word in people for word in ("'ben", "owl"))
    assert jobs.audit_nightly(db, Config(), lambda: NOON) == 0, "it takes in what search lacks"
    assert met(db, company, "former") == ["former-2"]
    with db.writing() as session:
        session.execute(text("DELETE FROM nominee"))
        session.execute(text("DELETE FROM nomination"))
        assert held(session, "story_words") == "[]"


def test_what_does_not_touch_the_words_leaves_the_index_alone(db: Database, company: Company) -> None:
    told(db, company, "ana", "ben", story=SHIRT)
    with db.writing() as session:
        before = held(session, "person_words"), held(session, "story_words")
        session.execute(text("UPDATE nomination SET cosigns = 3"))
        session.execute(text("UPDATE person SET theme = 'dark'"))
        assert (held(session, "person_words"), held(session, "story_words")) == before


def test_an_upgrade_takes_in_what_was_there_before_search_was(
    empty_database_url: str,
) -> None:
    db = Database(empty_database_url)
    db.upgrade("0001")
    with db.writing() as session:
        session.execute(
            text(
                "INSERT INTO team (name, slug, timezone, first_week, accepts, board, autopilot, created_at) "
                "VALUES ('Care', 'care', 'UTC', '2026-W20', 'lead', true, false, '2026-01-01 00:00:00')"
            )
        )
        session.execute(
            text(
                "INSERT INTO person (uid, name, handle, email, team_id, role, active, bot, visibility, created_at, changed_at, "
                "fs_uniquifier) VALUES ('1', 'Zoë Ångström', 'zoe', 'zoe@example.com', 1, 'member', true, false, 'on', "
                "'2026-01-01 00:00:00', '2026-01-01 00:00:00', 'x')"
            )
        )
    db.upgrade()
    with db.reading() as session:
        zoe = session.exec(select(Person)).one()
        assert [one.person.handle for one in search.people(session, zoe, "angstrom")] == ["zoe"]
    db.dispose()


def test_a_restored_database_is_searched_like_the_one_it_was_taken_from(
    db: Database, company: Company, tmp_path: Path
) -> None:
    uid = told(db, company, "ana", "ben", story=SHIRT)
    file = tmp_path / "b.zip"
    backup(db, file, NOON)
    restore(db, file, NOON, replace=True)
    assert found(db, company, "shirt") == [uid]
    assert met(db, company, "ben") == ["ben"]


def test_nominees_are_no_part_of_the_index(db: Database, company: Company) -> None:
    """Who is in a story is asked of the story, so hiding, renaming and merging need no change of the index."""
    told(db, company, "ana", "ben", story=WORDS["party"])
    with db.reading() as session:
        assert session.exec(select(Nominee)).one().person_id == company["ben"]
        assert "'ben" not in held(session, "story_words")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_begins_with_the_words_not_with_all_stories(db: Database, company: Company) -> None:
    """With other plans a search of 30,000 stories took minutes: words looked for in each story, or each story looked at."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    event.listen(db.engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    assert found(db, company, "ben shirt") == []
    (statement, values) = next(each for each in asked if "bm25" in each[0])
    with db.reading() as session:
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        steps = [str(row[3]) for row in plan]
    assert [step for step in steps if "story_words" in step and "JOIN" in step] == []
    assert [
        step for step in steps if "ix_nomination_state_at" in step or step.startswith("SCAN nomination")
    ] == []
    assert any(step.startswith("SEARCH nomination USING INTEGER PRIMARY KEY") for step in steps)
