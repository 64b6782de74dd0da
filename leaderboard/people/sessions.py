"""Passwords, sessions in browsers, and tokens of machines: how each is kept, checked and ended."""

import base64
import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from flask_babel import gettext as _
from sqlalchemy import bindparam, delete, or_, update
from sqlalchemy.orm import lazyload, selectinload
from sqlmodel import Session, col, select

from leaderboard.people.names import clean_name
from leaderboard.plugin import Invalid
from leaderboard.tables import Person, SignedIn, Token, WebAuthn, new_uid

MIN_PASSWORD = 10
MAX_PASSWORD_BYTES = 1024
SCOPES = ("read", "write", "admin")
TOKEN_PREFIX = "em_"  # noqa: S105 (the beginning by which secret scanners know one of ours)


# Built once: they run with every request.
_SIGNED_IN = (
    select(Person)
    .join(SignedIn, col(SignedIn.person_id) == Person.id)
    .where(SignedIn.key == bindparam("key"), SignedIn.ends_at > bindparam("now"))
    .where(Person.fs_uniquifier == bindparam("epoch"), col(Person.active))
)
SIGNED_IN = _SIGNED_IN.options(lazyload(Person.webauthn))  # type: ignore[arg-type]
SIGNED_IN_WITH_PASSKEYS = _SIGNED_IN.options(selectinload(Person.webauthn))  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def hasher() -> PasswordHasher:
    """Argon2id as OWASP's cheat sheet sets it for servers: 19 MiB, two passes."""
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """The stored form of a password; takes some 20 ms, so do it outside a unit of work."""
    return hasher().hash(unicodedata.normalize("NFKD", password))


def end_sessions(session: Session, person: Person) -> None:
    """Sign this person out everywhere, at the next request: sessions, links to reset a password, and API tokens."""
    person.fs_uniquifier = new_uid()
    session.add(person)
    session.connection().execute(delete(SignedIn).where(col(SignedIn.person_id) == person.id))


def sign_in(session: Session, person_id: int, now: datetime, hours: int) -> str:
    """Note a new session of this person; answers the secret that its cookie carries."""
    secret = secrets.token_urlsafe(32)
    session.connection().execute(
        delete(SignedIn).where(col(SignedIn.person_id) == person_id, col(SignedIn.ends_at) <= now)
    )
    session.add(
        SignedIn(key=sha256(secret), person_id=person_id, began_at=now, ends_at=now + timedelta(hours=hours))
    )
    return secret


def sign_out(session: Session, secret: str) -> None:
    """End the session with this secret; its cookie is worth nothing from now on."""
    session.connection().execute(delete(SignedIn).where(col(SignedIn.key) == sha256(secret)))


def signed_in(
    session: Session, epoch: str, secret: str, now: datetime, passkeys: bool = False
) -> Person | None:
    """The active person whose session has this secret and who was not signed out everywhere since.

    With `passkeys`, theirs are read along.
    """
    asked = {"key": sha256(secret), "now": now, "epoch": epoch}
    query = SIGNED_IN_WITH_PASSKEYS if passkeys else SIGNED_IN
    return session.exec(query, params=asked).first()


@dataclass(frozen=True)
class TokenHolder:
    """Who calls with a token, and what the token may do."""

    person: Person
    scopes: frozenset[str]


def token_create(
    session: Session, person: Person, scopes: list[str], days: int | None, now: datetime, name: str = "API"
) -> str:
    """A new API token, told once; only its hash is kept. `days` None never expires. Raises Invalid."""
    if not scopes or any(scope not in SCOPES for scope in scopes):
        raise Invalid(_("A token's scopes are some of %(scopes)s.", scopes=", ".join(SCOPES)), "scopes")
    if "admin" in scopes and person.role != "admin":
        raise Invalid(_("Only an admin can have a token with the scope admin."), "scopes")
    if days is not None and not 1 <= days <= 3650:
        raise Invalid(_("A token lasts between 1 and 3,650 days."), "days")
    if not person.active:
        raise Invalid(_("%(name)s is deactivated.", name=person.name), "person")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    session.add(
        Token(
            person_id=person.id or 0,
            name=clean_name(name),
            hash=sha256(token),
            scopes=" ".join(scope for scope in SCOPES if scope in scopes),
            epoch=person.fs_uniquifier,
            created_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
        )
    )
    return token


def person_of_token(session: Session, token: str, now: datetime) -> TokenHolder | None:
    """Who this token stands for, unless it is unknown, expired, revoked, or its person signed out everywhere or left."""
    if not token.startswith(TOKEN_PREFIX) or len(token) > 100 or not token.isascii():
        return None
    row = session.exec(
        select(Token, Person)
        .join(Person, col(Person.id) == Token.person_id)
        .where(Token.hash == sha256(token), col(Token.revoked_at).is_(None))
        .where(Token.epoch == Person.fs_uniquifier, col(Person.active))
        .where(or_(col(Token.expires_at).is_(None), col(Token.expires_at) > now))
    ).first()
    return TokenHolder(row[1], frozenset(row[0].scopes.split())) if row else None


def token_revoke(session: Session, person: Person, token_id: int, now: datetime) -> None:
    """End one of this person's tokens; another's, or none, changes nothing."""
    session.connection().execute(
        update(Token)
        .where(col(Token.id) == token_id, col(Token.person_id) == person.id, col(Token.revoked_at).is_(None))
        .values(revoked_at=now)
    )


def tokens_of(session: Session, person: Person, now: datetime) -> list[Token]:
    """This person's tokens that work, the newest first."""
    return list(
        session.exec(
            select(Token)
            .where(Token.person_id == person.id, Token.epoch == person.fs_uniquifier)
            .where(col(Token.revoked_at).is_(None))
            .where(or_(col(Token.expires_at).is_(None), col(Token.expires_at) > now))
            .order_by(col(Token.id).desc())
        )
    )


def reset_second_factor(session: Session, person: Person) -> None:
    """Take second factor, recovery codes and passkeys away, for somebody who lost their devices; ends their sessions."""
    person.tf_primary_method = person.tf_totp_secret = person.tf_last_counter = None
    person.mf_recovery_codes = None
    session.connection().execute(delete(WebAuthn).where(col(WebAuthn.user_id) == person.id))
    end_sessions(session, person)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def derived(secret: str, purpose: str) -> str:
    """A key for one purpose that tells nothing about the secret key or about other purposes' keys."""
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), purpose.encode(), hashlib.sha256)).decode()
