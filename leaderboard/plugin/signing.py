"""Signatures, their age, and short names for long things."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import SecretStr

from leaderboard.plugin.errors import Invalid, Refused
from leaderboard.plugin.reading import decode_json, list_of, object_of, text_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # few sources need it

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


def jwt_claims(key_sets: Iterable[Secret | None], token: str) -> dict[str, Any]:
    """The claims of a JWT that a key of one of these sets (JWKS) signed with RS256; Refused for every other token.

    Who made it out, for whom and when is for the caller to look at. Each part has one spelling, so no changed byte passes.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    signed, _, signature = token.rpartition(".")
    header, _, claims = signed.partition(".")
    try:
        said = object_of(decode_json(_from_base64(header)), "the token's header")
        proof = _from_base64(signature)
        if said.get("alg") != "RS256":
            raise Refused("its token is not signed with RS256")
        keys = [key for secret in key_sets if secret for key in _keys(secret, said.get("kid"))]
        for key in keys:
            with suppress(InvalidSignature):
                key.verify(proof, signed.encode(), PKCS1v15(), hashes.SHA256())
                return object_of(decode_json(_from_base64(claims)), "the token's claims")
    except Invalid:
        raise Refused("its token is missing or cannot be read") from None
    if not keys:
        raise Refused(
            "its token names a key that is not among ours; the tool may have new keys: fetch them again"
        )
    raise Refused("the signature of its token does not match")


def jwt_of(private_key: Secret, claims: Mapping[str, Any], **header: str) -> str:
    """The token a tool would send: the counterpart of `jwt_claims` for `sign`.

    The key is written as PEM, with or without its first and last line.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    lines = private_key.get_secret_value().split("\n")
    written = "".join(line for line in lines if not line.startswith("-----"))
    # Its primes are not proven anew for each token: the key is our own, and nothing but a trial
    key = load_der_private_key(base64.b64decode(written), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("the private key is not RSA")
    parts = ({"alg": "RS256", "typ": "JWT", **header}, dict(claims))
    signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_base64(key.sign(signed.encode(), PKCS1v15(), hashes.SHA256()))}"


def key_pair() -> tuple[str, str]:
    """A new public key set (JWKS) and the private key that signs for it, for samples, `simulate` and tests."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = generate_private_key(65537, 2048)
    numbers = key.public_key().public_numbers()
    n, e = (_base64(number.to_bytes((number.bit_length() + 7) // 8)) for number in (numbers.n, numbers.e))
    written = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return json.dumps({"keys": [{"kty": "RSA", "n": n, "e": e}]}), base64.b64encode(written).decode()


def key_set(value: Secret | None) -> Secret | None:
    """For a `field_validator`: public keys as tools publish them, `{"keys": [...]}` with at least one RSA key."""
    try:
        if value is not None and not list(_keys(value, None)):
            raise Invalid("there is no RSA key in it")
    except Invalid as error:
        raise ValueError(
            f'paste the whole text that the tool publishes, from {{"keys" to the last }} ({error.message})'
        ) from None
    return value


def _keys(secret: Secret, kid: Any) -> Iterator["RSAPublicKey"]:
    """The set's RSA keys of this name; all where the token names none. Invalid where the set is none."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    value = object_of(decode_json(secret.get_secret_value().strip().encode()), "the key set")
    for item in list_of(value.get("keys"), "keys"):
        key = object_of(item, "a key")
        if key.get("kty") == "RSA" and (kid is None or key.get("kid") in (None, kid)):
            n, e = (int.from_bytes(_from_base64(text_of(key.get(name)))) for name in ("n", "e"))
            try:
                yield RSAPublicNumbers(e, n).public_key()
            except ValueError:
                raise Invalid("a key of the set is not RSA") from None


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _from_base64(written: str) -> bytes:
    """What stands in a part of a token; Invalid for any but its one spelling."""
    try:
        content = base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))
    except ValueError:
        raise Invalid("a part is not base64url") from None
    if _base64(content) != written:
        raise Invalid("a part is not base64url")
    return content


def refuse_stale(
    sent_at: datetime, received_at: datetime, tolerance: timedelta = timedelta(minutes=5)
) -> None:
    """Raise Refused when a signed time stamp is further than `tolerance` from when we received it, either way."""
    if abs(received_at - sent_at) > tolerance:
        off = int((sent_at - received_at).total_seconds())
        raise Refused(f"its time stamp is {abs(off)} s from our clock; check both clocks", "clock", off)


def short_hash(*parts: str) -> str:
    """32 hex characters that name these texts together: for keys made of something long."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
