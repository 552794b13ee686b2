"""What PostgreSQL keeps of a password (RFC 5802, RFC 7677), computed here so that the password itself never leaves.

Knows no database. PostgreSQL takes such a verifier in the place of a password and stores it as it is.
"""

import hashlib
import hmac
from base64 import b64encode

ITERATIONS = 4096
SALT_BYTES = 16


def scram_verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """Return the SCRAM-SHA-256 verifier of a password in ASCII, which needs no normalising (SASLprep).

    Source: PostgreSQL's catalog pg_authid.rolpassword: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>.
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored_key = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    server_key = _mac(salted, b"Server Key")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
