"""Everybody at once, from people.csv or a table as people have it. All of it or nothing; a second time it changes nothing."""

import csv
import io
import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from flask_babel import gettext as _
from sqlmodel import Session, select

from leaderboard.languages import grouped
from leaderboard.people.names import clean_name, normal_email
from leaderboard.people.staff import (
    ROLES,
    PersonFields,
    TeamFields,
    add_people,
    add_team,
    change_person,
    zone_name,
)
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, Team

NEEDED = ("name", "email", "team", "role")
OPTIONAL = ("timezone", "joined_on")
COLUMN_WORDS = {
    "name": "name|full name|person|employee|vollständiger name|mitarbeiter|mitarbeiterin|mitarbeitende",
    "first name": "first name|given name|vorname",
    "last name": "last name|surname|family name|nachname|familienname",
    "email": "email|e-mail|mail|email address|e-mail address|e-mail-adresse|emailadresse|mailadresse",
    "team": "team|department|group|abteilung|gruppe|bereich",
    "role": "role|rolle",
    "timezone": "timezone|time zone|zeitzone",
    "joined_on": "joined_on|joined|joined on|start date|eintritt|eintrittsdatum|dabei seit",
}
"""What people write above a column, in English and German."""
ROLE_WORDS = {
    "member": "mitglied|teammitglied",
    "lead": "team lead|teamlead|leitung|teamleitung",
    "admin": "administrator|administratorin",
}
MAX_BYTES = 4 * 1024 * 1024
MAX_ROWS = 50_000
MAX_CELL = 1000
FORMULA = re.compile(r"'[=+\-@\t\r＝＋－＠]")
"""How our own exports keep a spreadsheet from running a cell; read back, it is the cell again."""


@dataclass(frozen=True)
class Row:
    """One line of the file, checked by itself. Where it names no team or role, somebody who is here keeps theirs."""

    line: int
    team: str
    fields: PersonFields
    keeps_team: bool = False
    keeps_role: bool = False


@dataclass
class Report:
    """What an import did, or would do: one readable line each. With errors, nothing was or would be written."""

    errors: list[tuple[int, str]] = field(default_factory=list)
    """Line in the file (from 1, the header; 0: the file as a whole) and what to mend there."""
    new_teams: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    unused: list[str] = field(default_factory=list)
    """Columns of somebody's table that say nothing to us."""
    written: bool = False


def import_csv(
    session: Session,
    content: bytes | str,
    now: datetime,
    dry_run: bool = True,
    *,
    zone: str = "UTC",
    team: str | None = None,
) -> Report:
    """Add and change people as the file says; who is not in it stays as they are, and nobody is deactivated or brought back.

    `zone` is for teams that the file names first. With `team` the table may be as people have it: without a header, with
    columns in everyday words or of no use to us, without teams (then that one is meant), roles and even names. The report of a
    dry run is that of the real run.
    """
    report = Report()
    try:
        rows = _read(_decoded(content), report, team)
    except Invalid as error:
        report.errors.append((0, error.message))
        return report
    report.errors.sort()
    if report.errors:
        return report
    work = session.begin_nested()
    try:
        _apply(session, rows, now, zone, report)
    except Invalid as error:
        report.errors.append((0, error.message))
    if dry_run or report.errors:
        work.rollback()
    else:
        work.commit()
        report.written = True
    return report


# --- reading ------------------------------------------------------------------------------------------------


def _decoded(content: bytes | str) -> str:
    if len(content) > MAX_BYTES:
        raise Invalid(_("The file is larger than %(most)s MB.", most=MAX_BYTES // 1024 // 1024))
    if isinstance(content, str):
        return content
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Invalid(
            _("This is a spreadsheet or a zip file. Save the sheet as “CSV UTF-8” and take that file.")
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise Invalid(
            _("The file is not UTF-8 text (it looks like UTF-16 or binary). Save it as “CSV UTF-8”.")
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Invalid(
            _("Line %(line)s is not UTF-8 text. Save the file as “CSV UTF-8”.", line=line)
        ) from None


def _read(text: str, report: Report, team: str | None) -> list[Row]:
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise Invalid(_("The file is empty.") if team is None else _("There is nothing in it."))
    header = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max("\t,;" if team else ",;\t", key=header.count)
    if "\0" in text:
        raise Invalid(_("The file has NUL characters. Save it as “CSV UTF-8”."))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    columns: list[str] | None = None
    lines: dict[str, int] = {}
    line = 1
    try:
        for cells in reader:
            here, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(cells) if team is None else _columns_as_people_have_them(cells, report)
                if team is None or not _is_about_somebody(cells):
                    continue
            if team is not None:
                cells += [""] * (len(columns) - len(cells))
            if len(cells) != len(columns):
                problem = _(
                    "has %(cells)s cells instead of %(columns)s", cells=len(cells), columns=len(columns)
                )
                report.errors.append((here, problem))
            elif row := _row(dict(zip(columns, cells, strict=True)), here, lines, report, team):
                rows.append(row)
            if len(rows) > MAX_ROWS:
                raise Invalid(_("The file has more than %(most)s people.", most=grouped(MAX_ROWS)))
    except csv.Error as error:
        problem = _("cannot be read: %(problem)s (a quotation mark that is not closed?)", problem=error)
        report.errors.append((line, problem))
    if columns is not None and not rows and not report.errors:
        raise Invalid(_("The file has a header and nobody below it."))
    return rows


def _is_about_somebody(cells: list[str]) -> bool:
    """Whether this is no header: a column is called "e-mail", but never like somebody's address."""
    return any("@" in cell for cell in cells)


def _columns_as_people_have_them(cells: list[str], report: Report) -> list[str]:
    """What each column holds; without a header by its place, the address wherever it stands."""
    if len(cells) > 50:
        raise Invalid(_("The first line has %(count)s columns; at most 50 are read.", count=len(cells)))
    if _is_about_somebody(cells):
        rest = iter(("name", "team", "role", "timezone", "joined_on"))
        address = next(place for place, cell in enumerate(cells) if "@" in cell)
        return [
            "email" if place == address else next(rest, f"column {place + 1}") for place in range(len(cells))
        ]
    known = {word: name for name, words in COLUMN_WORDS.items() for word in words.split("|")}
    columns: list[str] = []
    for place, cell in enumerate(cells):
        name = known.get(cell.strip().casefold(), "")
        if name in columns:
            raise Invalid(_("The first line names the column %(name)s twice.", name=name))
        if not name and cell.strip():
            report.unused.append(cell.strip()[:60])
        columns.append(name or f"column {place + 1}")
    if "email" not in columns:
        raise Invalid(
            _("No column holds e-mail addresses. Name it “e-mail” in the first line, or leave that line out.")
        )
    return columns


def _columns(cells: list[str]) -> list[str]:
    if len(cells) > 50:
        raise Invalid(
            _(
                "The first line has %(count)s columns; it names %(names)s.",
                count=len(cells),
                names=", ".join(NEEDED + OPTIONAL),
            )
        )
    names = [cell.strip().lower() for cell in cells]
    for name in names:
        if name not in NEEDED + OPTIONAL:
            raise Invalid(
                _(
                    "The first line names the columns %(needed)s and, if you like, %(optional)s, "
                    "separated by commas, semicolons or tabs; %(name)s is none of them.",
                    needed=", ".join(NEEDED),
                    optional=", ".join(OPTIONAL),
                    name=repr(name[:40]),
                )
            )
        if names.count(name) > 1:
            raise Invalid(_("The first line names the column %(name)s twice.", name=name))
    if missing := [name for name in NEEDED if name not in names]:
        raise Invalid(_("In the first line these columns are missing: %(names)s.", names=", ".join(missing)))
    return names


def _row(
    cells: dict[str, str], line: int, lines: dict[str, int], report: Report, team: str | None
) -> Row | None:
    problems: list[str] = []

    def checked(name: str) -> str:
        text = cells.get(name, "").strip()
        if FORMULA.match(text):
            text = text[1:]
        if len(text) > MAX_CELL:
            problems.append(
                _("%(name)s is longer than %(most)s characters", name=name, most=grouped(MAX_CELL))
            )
            return ""
        return text

    try:
        email = normal_email(checked("email"))
        said = checked("name") or f"{checked('first name')} {checked('last name')}".strip()
        name = clean_name(said or (_name_in(email) if team else ""))
        own_team = checked("team")
        its_team = clean_name(own_team or team or "", "team")
        own_role = checked("role").casefold()
        role = _role(own_role) if team else own_role
        if role not in ROLES:
            raise Invalid(
                _("role is %(role)s; write one of %(roles)s", role=repr(role[:40]), roles=", ".join(ROLES))
            )
        zone = checked("timezone")
        fields = PersonFields(
            name, email, role, zone_name(zone) if zone else None, _day(checked("joined_on"))
        )
    except Invalid as error:
        about = f"{error.field}: " if error.field else ""
        problems.append(f"{about}{error.message}")
    else:
        if email in lines:
            problems.append(
                _("email: %(email)s stands in line %(line)s already", email=email, line=lines[email])
            )
        lines.setdefault(email, line)
        if not problems:
            return Row(line, its_team, fields, keeps_team=not own_team, keeps_role=not own_role)
    report.errors.extend((line, problem) for problem in problems)
    return None


def _role(text: str) -> str:
    """The role that somebody's word means; nothing said is a member."""
    return next((role for role, words in ROLE_WORDS.items() if text in words.split("|")), text) or "member"


def _name_in(email: str) -> str:
    """A name to begin with, where only the address is known: "Ana Kovac" for ana.kovac@example.com."""
    return " ".join(part.capitalize() for part in re.split(r"[._+-]+", email.partition("@")[0]))


def _day(text: str) -> date | None:
    if not text:
        return None
    if german := re.fullmatch(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})", text):
        text = f"{german[3]}-{german[2]:0>2}-{german[1]:0>2}"
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise Invalid(_("%(text)s is not a day; write it as 2026-11-20", text=repr(text[:40])), "joined_on")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(_("there is no day %(day)s", day=text), "joined_on") from None


# --- writing ------------------------------------------------------------------------------------------------


def _apply(session: Session, rows: list[Row], now: datetime, zone: str, report: Report) -> None:
    teams = {team.name.casefold(): team for team in session.exec(select(Team))}
    known = {person.email: person for person in session.exec(select(Person))}
    handles = {person.handle for person in known.values()}
    new: list[tuple[Team, PersonFields]] = []
    changes: list[tuple[Person, Team, PersonFields]] = []
    for row in rows:
        person, fields = known.get(row.fields.email), row.fields
        if person is not None and row.keeps_role:
            fields = replace(fields, role=person.role)
        if person is not None and row.keeps_team:
            team = session.get_one(Team, person.team_id)
        elif row.team.casefold() in teams:
            team = teams[row.team.casefold()]
        else:
            team = teams[row.team.casefold()] = add_team(session, TeamFields(row.team, zone), now)
            report.new_teams.append(team.name)
        if person is None:
            new.append((team, fields))
            report.added.append(f"{fields.name} <{fields.email}>, {team.name}, {fields.role}")
        elif what := _differences(person, team, fields):
            changes.append((person, team, fields))
            report.changed.append(f"{person.name} <{person.email}>: {', '.join(what)}")
        else:
            report.unchanged += 1
    # New admins first, so that the last of the old ones may become something else by the same file.
    add_people(session, new, now, handles)
    for person, team, fields in sorted(changes, key=lambda change: change[2].role != "admin"):
        change_person(session, person, team, fields, now)


def _differences(person: Person, team: Team, fields: PersonFields) -> list[str]:
    """What the file would change of somebody, in words. An empty optional cell changes nothing."""
    pairs = {
        "name": (person.name, fields.name),
        "team": (person.team_id, team.id),
        "role": (person.role, fields.role),
        "timezone": (person.timezone, fields.timezone or person.timezone),
        "joined_on": (person.joined_on, fields.joined_on or person.joined_on),
    }
    return [
        what if what == "team" else f"{what} {before or '-'} → {after}"
        for what, (before, after) in pairs.items()
        if before != after
    ]
