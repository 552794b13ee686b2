"""An API key: how it is made, what it looks like, and the hash it is known by. Knows no database and no HTTP.

A key is `mdw_<id>_<secret>`: the id is no secret and finds the key, the secret is 256 random bits. Only SHA-256 of the
whole is kept. A slow hash (argon2, bcrypt) makes guessing a person's password costly; 256 random bits cannot be guessed
at any speed, so it would cost each request its time and protect nothing.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable

import msgspec

_ID_BYTES = 6
_SECRET_BYTES = 32
_FORM = re.compile(r"mdw_([0-9a-f]{12})_[0-9a-f]{64}")

RandomBytes = Callable[[int], bytes]


class NewKey(msgspec.Struct, frozen=True):
    """A key as it is shown once: its id, the whole text, and the hash that is kept of it."""

    key_id: str
    text: str
    sha256: bytes


class KnownKey(msgspec.Struct, frozen=True):
    """A key in force as a server knows it; `per_minute` 0 is no limit."""

    key_id: str
    sha256: bytes
    per_minute: int

    def is_of(self, text: str) -> bool:
        """Tell whether `text` is this key; it takes as long whatever is wrong with it."""
        return hmac.compare_digest(self.sha256, hash_key(text))


def make_key(random_bytes: RandomBytes = secrets.token_bytes) -> NewKey:
    """Return a key that nobody has."""
    key_id = random_bytes(_ID_BYTES).hex()
    text = f"mdw_{key_id}_{random_bytes(_SECRET_BYTES).hex()}"
    return NewKey(key_id, text, hash_key(text))


def key_id_of(text: str) -> str | None:
    """Return the id in a key, or None for what cannot be one."""
    match = _FORM.fullmatch(text)
    return match[1] if match else None


def hash_key(text: str) -> bytes:
    """Return what is kept of a key."""
    return hashlib.sha256(text.encode()).digest()
