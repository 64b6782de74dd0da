"""People and teams: names, finding, joining, leading, leaving, and people.csv."""

from datetime import date, timedelta

import pytest
from sqlmodel import Session, col, func, select

from leaderboard import people
from leaderboard.database import Database
from leaderboard.people import PersonFields, Settings, TeamFields
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, SignedIn, Team, TeamLead
from tests import make
from tests.make import NOON, Company


def person(session: Session, company: Company, handle: str) -> Person:
    return session.get_one(Person, company[handle])


def team(session: Session, company: Company, name: str) -> Team:
    return session.get_one(Team, company.teams[name])


# --- names and addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("  Ana   María ", "Ana María"),
        ("Ana\tMari\u0301a", "Ana María"),
        ("A\u200bna", "Ana"),
        ("Ana\u202egpj.exe", "Anagpj.exe"),
        ("A\u00adna", "Ana"),
        ("Ana\u00a0M", "Ana M"),
        ("a\0b", "ab"),
        ("\x1b[2JAna", "[2JAna"),
        ("null", "null"),
        ("' OR 1=1--", "' OR 1=1--"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("👨‍👩‍👧‍👦 Ana", "👨‍👩‍👧‍👦 Ana"),
        ("ש\u05b8ל\u05d5\u05b9ם", "ש\u05b8ל\u05d5\u05b9ם"),
        ("x" * 120, "x" * 120),
    ],
)
def test_a_name_is_kept_as_it_is_seen(typed: str, stored: str) -> None:
    assert people.clean_name(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        " " * 200,
        "\t",
        "\r\n",
        "\0",
        "\u3164",
        "\u00a0",
        "\ufeff",
        "\ud800",
        "\u200d",
        "\u0301",
        "x" * 121,
    ],
)
def test_a_name_that_nobody_can_see_or_read_is_refused(typed: str) -> None:
    with pytest.raises(Invalid):
        people.clean_name(typed)


def test_an_address_is_kept_in_one_spelling() -> None:
    assert people.normal_email(" ANA@Example.COM ") == "ana@example.com"
    assert people.normal_email("jose\u0301@example.com") == people.normal_email("JOS\u00c9@example.com")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ana",
        "ana@",
        "@example.com",
        "a@b@c",
        "a b@example.com",
        "a@exa mple.com",
        "a@-example.com",
        "a@example..com",
        "a@[127.0.0.1]",
        '"a b"@c',
        "a\0@example.com",
        "a@example.com\r\nBcc: x@y.z",
        "a\ud800@example.com",
        "a\u200b@example.com",
        "x" * 255 + "@example.com",
    ],
)
def test_what_cannot_be_an_address_is_refused(typed: str) -> None:
    with pytest.raises(Invalid):
        people.normal_email(typed)


def test_handles_are_plain_and_unique(db: Database, company: Company) -> None:
    with db.writing() as session:
        care = team(session, company, "Care")
        handles = [
            people.add_person(session, care, PersonFields(name, f"p{number}@example.com"), NOON).handle
            for number, name in enumerate(["Ana", "ÁNA", "José Müßig", "李小龍", "new", "Ana"])
        ]
    assert handles == ["ana-2", "ana-3", "jose-mussig", "p3", "new-2", "ana-4"]


# --- finding ------------------------------------------------------------------------------------------------


def test_a_person_is_found_by_uid_handle_and_address(db: Database, company: Company) -> None:
    with db.reading() as session:
        for text in (company.uids["ana"], "ana", " ANA@example.com "):
            found = people.find(session, text)
            assert found is not None
            assert found.id == company["ana"]
        for text in ("", "nobody", "ana@example.org", "a\0b", "\ud800", "x" * 10_000):
            assert people.find(session, text) is None


def test_who_was_merged_is_found_as_whom_they_became(db: Database, company: Company) -> None:
    with db.writing() as session:
        person(session, company, "ben").merged_into_id = company["ana"]
    with db.reading() as session:
        found = people.find(session, "ben@example.com")
        assert found is not None
        assert found.handle == "ana"


def test_searching_finds_who_is_here_and_takes_no_wildcard(db: Database, company: Company) -> None:
    with db.writing() as session:
        people.deactivate(session, person(session, company, "ben"), NOON)
        assert [p.handle for p in people.search(session, "A")] == ["ada", "ana", "dan", "lea", "max"]
        assert [p.handle for p in people.search(session, "an")] == ["ana", "dan"]
        assert people.search(session, "ben") == []
        for text in ("%", "_", "\\", "", " ", "\0", "\ud800"):
            assert people.search(session, text) == []


# --- teams and leads ----------------------------------------------------------------------------------------


def test_a_new_zone_holds_from_the_teams_next_week(db: Database, company: Company) -> None:
    with db.writing() as session:
        care = team(session, company, "Care")
        people.change_team(session, care, TeamFields("Care", "Asia/Tokyo"), NOON)
        assert (care.timezone, care.next_timezone, care.next_timezone_from) == (
            "Europe/Berlin",
            "Asia/Tokyo",
            "2026-W48",
        )
        people.change_team(session, care, TeamFields("Care", "Europe/Berlin"), NOON)
        assert care.next_timezone is None
        people.change_team(session, care, TeamFields("Care", "Asia/Tokyo"), NOON)
        people.change_team(session, care, TeamFields("Care", "Asia/Tokyo"), NOON + timedelta(days=7))
        assert care.next_timezone_from == "2026-W48"
        with pytest.raises(Invalid, match="again from next Monday"):
            people.change_team(session, care, TeamFields("Care", "UTC"), NOON + timedelta(days=7))
        people.change_team(session, care, TeamFields("Care", "UTC"), NOON + timedelta(days=14))
        assert (care.timezone, care.next_timezone, care.next_timezone_from) == (
            "Asia/Tokyo",
            "UTC",
            "2026-W50",
        )


@pytest.mark.parametrize(
    ("fields", "about"),
    [
        (TeamFields("care", "UTC"), "name"),
        (TeamFields(" ", "UTC"), "name"),
        (TeamFields("New", "UTC+2"), "timezone"),
        (TeamFields("New", "posixrules"), "timezone"),
        (TeamFields("New", "../../etc/passwd"), "timezone"),
        (TeamFields("New", "UTC", accepts="never"), "accepts"),
        (TeamFields("New", "UTC", closes_at="25:00"), "closes_at"),
    ],
)
def test_a_team_that_cannot_be_is_refused(
    db: Database, company: Company, fields: TeamFields, about: str
) -> None:
    with db.reading() as session, pytest.raises(Invalid) as refused:
        people.add_team(session, fields, NOON)
    assert refused.value.field == about


def test_leading_follows_the_list_of_leads(db: Database, company: Company) -> None:
    with db.writing() as session:
        ana, lea, shop = (
            person(session, company, "ana"),
            person(session, company, "lea"),
            team(session, company, "Shop"),
        )
        epochs = ana.fs_uniquifier, lea.fs_uniquifier
        people.set_leads(session, shop, [ana, lea])
        assert people.leads_of(session, shop.id or 0) == sorted([company["ana"], company["lea"]])
        assert (ana.role, person(session, company, "max").role) == ("lead", "member")
        assert ana.fs_uniquifier != epochs[0], "a new role ends her sessions"
        assert lea.fs_uniquifier == epochs[1], "she was a lead before"
        people.set_leads(session, shop, [])
        assert (ana.role, lea.role) == ("member", "lead"), "Lea still leads Care"


def test_a_leaver_leads_nobody(db: Database, company: Company) -> None:
    with db.writing() as session:
        lea = person(session, company, "lea")
        assert people.leads(session, lea, company.teams["Care"])
        people.deactivate(session, lea, NOON)
        assert people.leads_of(session, company.teams["Care"]) == []


def test_the_last_admin_stays_one(db: Database, company: Company) -> None:
    with db.writing() as session:
        ada, ana = person(session, company, "ada"), person(session, company, "ana")
        with pytest.raises(Invalid, match="last admin"):
            people.give_role(session, ada, "member")
        with pytest.raises(Invalid, match="last admin"):
            people.deactivate(session, ada, NOON)
        people.give_role(session, ana, "admin")
        people.give_role(session, ada, "member")
        assert (ada.role, ana.role) == ("member", "admin")


# --- what ends sessions and tokens --------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["deactivate", "role", "address", "everywhere"])
def test_what_changes_rights_ends_sessions_and_tokens(db: Database, company: Company, act: str) -> None:
    with db.writing() as session:
        ana = person(session, company, "ana")
        secret = people.sign_in(session, company["ana"], NOON, 24)
        token = people.token_create(session, ana, ["read"], None, NOON)
        epoch = ana.fs_uniquifier
        session.flush()
        assert people.signed_in(session, epoch, secret, NOON)
        assert people.person_of_token(session, token, NOON)
        if act == "deactivate":
            people.deactivate(session, ana, NOON)
        elif act == "role":
            people.give_role(session, ana, "lead")
        elif act == "address":
            fields = PersonFields("Ana", "ana@example.org")
            people.change_person(session, ana, team(session, company, "Care"), fields, NOON)
        else:
            people.end_sessions(session, ana)
        session.flush()
        assert people.signed_in(session, epoch, secret, NOON) is None
        assert people.signed_in(session, ana.fs_uniquifier, secret, NOON) is None
        assert people.person_of_token(session, token, NOON) is None


def test_a_session_ends_by_itself_and_is_forgotten(db: Database, company: Company) -> None:
    with db.writing() as session:
        epoch = person(session, company, "ana").fs_uniquifier
        secret = people.sign_in(session, company["ana"], NOON, 24)
        session.flush()
        late = NOON + timedelta(hours=24)
        assert people.signed_in(session, epoch, secret, late - timedelta(seconds=1))
        assert people.signed_in(session, epoch, secret, late) is None
        people.sign_in(session, company["ana"], late, 24)
        session.flush()
        assert session.exec(select(func.count()).select_from(SignedIn)).one() == 1


def test_a_token_lasts_as_long_as_it_says_and_can_be_revoked(db: Database, company: Company) -> None:
    with db.writing() as session:
        ana = person(session, company, "ana")
        token = people.token_create(session, ana, ["write", "read"], 1, NOON)
        session.flush()
        holder = people.person_of_token(session, token, NOON)
        assert holder is not None
        assert (holder.person.handle, holder.scopes) == ("ana", {"read", "write"})
        assert people.person_of_token(session, token, NOON + timedelta(days=1)) is None
        for wrong in (
            "",
            "em_",
            token[:-1],
            token.swapcase(),
            people.sha256(token),
            token + "é",
            "em_" + "x" * 99_999,
        ):
            assert people.person_of_token(session, wrong, NOON) is None
        people.token_revoke(session, person(session, company, "ben"), 1, NOON)
        assert people.person_of_token(session, token, NOON), "only her own may she end"
        people.token_revoke(session, ana, 1, NOON)
        assert people.person_of_token(session, token, NOON) is None


@pytest.mark.parametrize(
    ("handle", "scopes", "days"),
    [
        ("ana", [], None),
        ("ana", ["all"], None),
        ("ana", ["admin"], None),
        ("ana", ["read"], 0),
        ("ana", ["read"], 9999),
    ],
)
def test_a_token_beyond_its_person_is_refused(
    db: Database, company: Company, handle: str, scopes: list[str], days: int | None
) -> None:
    with db.reading() as session, pytest.raises(Invalid):
        people.token_create(session, person(session, company, handle), scopes, days, NOON)


# --- settings -----------------------------------------------------------------------------------------------


def test_people_decide_how_they_are_seen(db: Database, company: Company) -> None:
    with db.writing() as session:
        ana = person(session, company, "ana")
        chosen = Settings(
            "Ana M", "Comet", "alias", "Asia/Tokyo", "en", "dark", date(2026, 12, 1), date(2026, 12, 24)
        )
        people.change_settings(session, ana, chosen, NOON)
        assert (ana.name, ana.alias, ana.visibility, ana.away_until) == (
            "Ana M",
            "Comet",
            "alias",
            date(2026, 12, 24),
        )
        assert ana.handle == "ana", "addresses stay"


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        (Settings(" "), "name"),
        (Settings("Ana", visibility="alias"), "alias"),
        (Settings("Ana", alias="BEN", visibility="alias"), "alias"),
        (Settings("Ana", visibility="invisible"), "visibility"),
        (Settings("Ana", timezone="Mars/Phobos"), "timezone"),
        (Settings("Ana", theme="pink"), "theme"),
        (Settings("Ana", away_from=date(2026, 12, 2), away_until=date(2026, 12, 1)), "away_until"),
        (Settings("Ana", away_until=date(2026, 12, 1)), "away_from"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    db: Database, company: Company, settings: Settings, about: str
) -> None:
    with db.reading() as session, pytest.raises(Invalid) as refused:
        people.change_settings(session, person(session, company, "ana"), settings, NOON)
    assert refused.value.field == about


# --- single sign-on -----------------------------------------------------------------------------------------

ISSUER = "https://id.example.com"


def claims(
    subject: str = "1", email: str | None = "ana@example.com", verified: object = True
) -> people.Claims:
    return people.Claims(ISSUER, subject, email, verified, "Ana")  # type: ignore[arg-type]


def sign_on(session: Session, claims: people.Claims, create: bool = False) -> Person:
    return people.person_of_claims(session, claims, create=create, zone="UTC", now=NOON)


def test_the_first_sign_on_matches_a_verified_address_and_later_ones_the_subject(
    db: Database, company: Company
) -> None:
    with db.writing() as session:
        assert sign_on(session, claims()).handle == "ana"
        assert sign_on(session, claims(email="ben@example.com")).handle == "ana", "the subject decides"
        with pytest.raises(Invalid, match="another account"):
            sign_on(session, claims(subject="2"))


@pytest.mark.parametrize(
    "wrong",
    [
        claims(verified=False),
        claims(verified="true"),
        claims(verified=None),
        claims(email=None),
        claims(email="nobody@example.com"),
        claims(email="ana@example.com\0"),
    ],
)
def test_an_address_that_is_not_vouched_for_signs_nobody_on(
    db: Database, company: Company, wrong: people.Claims
) -> None:
    with db.reading() as session, pytest.raises(Invalid):
        sign_on(session, wrong)


def test_people_are_created_only_where_the_config_says_so(db: Database, company: Company) -> None:
    with db.writing() as session:
        new = sign_on(session, claims("9", "zoe@example.com"), create=True)
        assert (new.email, new.role, session.get_one(Team, new.team_id).name) == (
            "zoe@example.com",
            "member",
            "New colleagues",
        )
        assert sign_on(session, claims("9", "zoe@example.com"), create=True).id == new.id


def test_a_leaver_cannot_sign_on(db: Database, company: Company) -> None:
    with db.writing() as session:
        sign_on(session, claims())
        people.deactivate(session, person(session, company, "ana"), NOON)
        with pytest.raises(Invalid, match="not active"):
            sign_on(session, claims())


# --- people.csv ---------------------------------------------------------------------------------------------

HEADER = "name,email,team,role,timezone,joined_on\n"
FILE = (
    HEADER
    + """Zoe Lind,ZOE@example.com,Care,lead,Europe/Stockholm,2026-01-31
"Müller, Jörg",joerg@example.com,Depot,member,,
Ana,ana@example.com,Shop,member,,
"""
)


def import_file(db: Database, content: bytes | str, dry_run: bool = False) -> people.Report:
    with db.writing() as session:
        return people.import_csv(session, content, NOON, dry_run, zone="Europe/Berlin")


def test_a_file_adds_people_and_teams_and_repeating_it_changes_nothing(
    db: Database, company: Company
) -> None:
    report = import_file(db, FILE)
    assert (report.errors, report.written) == ([], True)
    assert report.new_teams == ["Depot"]
    assert [line.partition(" <")[0] for line in report.added] == ["Zoe Lind", "Müller, Jörg"]
    assert report.changed == ["Ana <ana@example.com>: team"]
    with db.reading() as session:
        zoe = people.find(session, "zoe@example.com")
        assert zoe is not None
        assert (zoe.role, zoe.timezone, zoe.joined_on) == ("lead", "Europe/Stockholm", date(2026, 1, 31))
        assert people.leads(session, zoe, company.teams["Care"])
        depot = session.exec(select(Team).where(Team.name == "Depot")).one()
        assert (depot.timezone, depot.first_week) == ("Europe/Berlin", "2026-W47")
    again = import_file(db, FILE)
    assert (again.added, again.changed, again.new_teams, again.unchanged) == ([], [], [], 3)


def test_a_dry_run_tells_the_same_and_writes_nothing(db: Database, company: Company) -> None:
    dry = import_file(db, FILE, dry_run=True)
    with db.reading() as session:
        assert session.exec(select(func.count()).select_from(Person)).one() == len(make.CAST)
        assert session.exec(select(func.count()).select_from(Team)).one() == 2
        assert (
            session.exec(select(Person.team_id).where(Person.handle == "ana")).one() == company.teams["Care"]
        )
    real = import_file(db, FILE)
    assert not dry.written
    assert (dry.new_teams, dry.added, dry.changed) == (real.new_teams, real.added, real.changed)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_marks_and_line_ends_do_not_matter(
    db: Database, company: Company, delimiter: str, encoding: str, end: str
) -> None:
    rows = [["Role", "TEAM", " email ", "name"], ["member", "Care", "zoe@example.com", "Zoé"], [""]]
    content = end.join(delimiter.join(row) for row in rows).encode(encoding)
    report = import_file(db, content)
    assert (report.errors, len(report.added)) == ([], 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (HEADER.encode(), "nobody below"),
        (b"Zoe,zoe@example.com,Care,member\n", "is none of them"),
        (FILE.encode("utf-16"), "UTF-16"),
        (FILE.encode("cp1252"), "Line 3 is not UTF-8"),
        (FILE.replace(",", "|").encode(), "separated by"),
        ((HEADER + 'Zoe,"zoe@example.com,Care,member,,\n').encode(), "quotation mark"),
        (b"name,email,team,role\nZ\0e,zoe@example.com,Care,member\n", "UTF-16 or binary"),
        ("name,email,team,role\nZ\0e,zoe@example.com,Care,member\n", "NUL"),
        (b"name,email,team,role\n" + b"x" * 5_000_000, "larger than"),
        (b"name," * 1_000_000, "larger than"),
        (b"name," * 10_000, "columns"),
        (b"name,email,team,role,role\n", "twice"),
        (b"name,email,team\n", "missing: role"),
        (b"name,email,team,role,points\n", "'points'"),
        (b"PK\x03\x04xlsx", "spreadsheet"),
        (b"name,email,team,role\nZoe,zoe@example.com,Care\n", "3 cells instead of 4"),
        (HEADER + "Zoe,zoe@example.com,Care,boss,,\n", "role"),
        (HEADER + "Zoe,zoe@example.com,Care,member,,31/01/2026\n", "2026-11-20"),
        (HEADER + "Zoe,zoe@example.com,Care,member,,2026-02-29\n", "no day"),
        (HEADER + "Zoe,zoe@example.com,Care,member,CET+1,\n", "IANA"),
        (HEADER + "Zoe,zoe,Care,member,,\n", "e-mail address"),
        (HEADER + "\u3164,zoe@example.com,Care,member,,\n", "can be seen"),
        (HEADER + "Zoe,zoe@example.com,,member,,\n", "can be seen"),
        (HEADER + "Zoe,zoe@example.com,Care,member,,\nZ,ZOE@example.com,Care,member,,\n", "line 2 already"),
        (HEADER + "Ada,ada@example.com,Care,member,,\n", "last admin"),
        (HEADER + "x" * 200_000 + ",zoe@example.com,Care,member,,\n", "cannot be read"),
        (HEADER + "x" * 2000 + ",zoe@example.com,Care,member,,\n", "longer than"),
    ],
)
def test_a_file_with_a_mistake_is_refused_as_a_whole_with_its_line(
    db: Database, company: Company, content: bytes | str, words: str
) -> None:
    good = HEADER + "New,new@example.com,Brand new,member,,\n"
    if isinstance(content, str) and content.startswith(HEADER):
        content = good + content.removeprefix(HEADER)
        words = words.replace("line 2", "line 3")
    report = import_file(db, content)
    assert report.errors, "it is refused"
    assert words in " ".join(message for _, message in report.errors)
    assert not report.written
    with db.reading() as session:
        assert people.find(session, "new@example.com") is None
        assert people.team_named(session, "Brand new") is None


def test_every_mistake_of_a_file_is_named_at_once(db: Database, company: Company) -> None:
    rows = "Zoe,zoe,Care,member,,\nYan,yan@example.com,Care,member,,\n\nXi,xi@example.com,Care,chief,,\n"
    assert [line for line, _ in import_file(db, HEADER + rows).errors] == [2, 5]


def test_a_line_break_in_a_cell_does_not_shift_the_lines_that_errors_name(
    db: Database, company: Company
) -> None:
    rows = '"Zoe\nLind",zoe@example.com,Care,member,,\nXi,xi,Care,member,,\n'
    assert [line for line, _ in import_file(db, HEADER + rows).errors] == [4]


def test_a_formula_is_only_a_name(db: Database, company: Company) -> None:
    import_file(
        db, HEADER + "=cmd|' /C calc'!A0,zoe@example.com,Care,member,,\n'+Yan,yan@example.com,Care,member,,\n"
    )
    with db.reading() as session:
        names = session.exec(
            select(Person.name).where(col(Person.email).in_(["zoe@example.com", "yan@example.com"]))
        )
        assert sorted(names) == ["+Yan", "=cmd|' /C calc'!A0"]


def test_two_spellings_of_one_person_are_one_person(db: Database, company: Company) -> None:
    report = import_file(
        db,
        HEADER
        + "Jose\u0301,jose\u0301@example.com,Care,member,,\nJos\u00e9,JOS\u00c9@example.com,Care,member,,\n",
    )
    assert [line for line, _ in report.errors] == [3]


def test_a_file_neither_brings_back_nor_removes_anybody(db: Database, company: Company) -> None:
    with db.writing() as session:
        people.deactivate(session, person(session, company, "ana"), NOON)
    import_file(db, FILE)
    with db.reading() as session:
        assert not person(session, company, "ana").active
        assert person(session, company, "ben").active


def test_a_lead_who_moves_leads_the_new_team(db: Database, company: Company) -> None:
    import_file(db, HEADER + "Lea,lea@example.com,Shop,lead,,\n")
    with db.reading() as session:
        led = session.exec(select(TeamLead.team_id).where(TeamLead.person_id == company["lea"])).all()
        assert list(led) == [company.teams["Shop"]]
