"""Signatures, their age, and short names for long things."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from pydantic import SecretStr

from leaderboard.plugin.errors import Refused

Secret = SecretStr


def hmac_matches(
    secrets: Iterable[Secret | None],
    signed: bytes,
    claimed: str,
    *,
    algorithm: Literal["sha1", "sha256"] = "sha256",
    encoding: Literal["hex", "base64"] = "base64",
) -> bool:
    """Whether `claimed` is the HMAC of `signed` under any of these secrets; constant time; False for anything malformed.

    The written form is compared, not what it decodes to: base64 has several spellings of the same bytes.
    """
    matched = False
    for secret in secrets:
        if secret is None or not secret.get_secret_value():
            continue
        expected = hmac_of(secret, signed, algorithm=algorithm, encoding=encoding)
        matched |= hmac.compare_digest(expected.encode(), claimed.encode("utf-8", "replace"))
    return matched


def secret_matches(secrets: Iterable[Secret | None], claimed: str) -> bool:
    """Whether `claimed` is one of these secrets itself, for tools that sign nothing; constant time, False where none is set."""
    matched = False
    for secret in secrets:
        if secret is not None and secret.get_secret_value():
            matched |= hmac.compare_digest(
                secret.get_secret_value().encode(), claimed.encode("utf-8", "replace")
            )
    return matched


def hmac_of(
    secret: Secret,
    signed: bytes,
    *,
    algorithm: Literal["sha1", "sha256"] = "sha256",
    encoding: Literal["hex", "base64"] = "base64",
) -> str:
    """The HMAC a tool would put into its header: the counterpart of `hmac_matches` for `sign`."""
    digest = hmac.digest(secret.get_secret_value().encode(), signed, algorithm)
    return base64.b64encode(digest).decode() if encoding == "base64" else digest.hex()


def refuse_stale(
    sent_at: datetime, received_at: datetime, tolerance: timedelta = timedelta(minutes=5)
) -> None:
    """Raise Refused when a signed time stamp is further than `tolerance` from when we received it, either way."""
    if abs(received_at - sent_at) > tolerance:
        raise Refused(
            f"its time stamp is {int(abs((received_at - sent_at).total_seconds()))} s from our clock; check both clocks"
        )


def short_hash(*parts: str) -> str:
    """32 hex characters that name these texts together: for keys made of something long."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
