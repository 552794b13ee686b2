"""zstd in and out of the archive, with the SHA-256 of what was compressed checked on the way out."""

import hashlib

import msgspec
import zstandard

from archive.errors import DamagedPayload

_LEVEL = 9


class Packed(msgspec.Struct, frozen=True):
    """A body as it is stored: one zstd frame, with the length and SHA-256 of the body itself."""

    frame: bytes
    body_bytes: int
    body_sha256: bytes


def pack(body: bytes) -> Packed:
    """Return a body compressed for the archive."""
    frame = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False).compress(body)
    return Packed(frame, len(body), hashlib.sha256(body).digest())


def unpack(archive_seq: int, packed: Packed) -> bytes:
    """Return the body that was packed.

    Raises: DamagedPayload when the frame does not decompress or the body is not the recorded one.
    """
    try:
        # Looked at first: the decompressor makes room for whatever length a damaged frame claims.
        claimed = zstandard.frame_content_size(packed.frame)
        if claimed != packed.body_bytes:
            raise DamagedPayload(archive_seq, f"its frame holds {claimed} bytes, recorded were {packed.body_bytes}")
        body = zstandard.ZstdDecompressor().decompress(packed.frame)
    except zstandard.ZstdError as exc:
        raise DamagedPayload(archive_seq, "its bytes do not decompress") from exc
    found = hashlib.sha256(body).digest()
    if found != packed.body_sha256:
        raise DamagedPayload(archive_seq, f"SHA-256 is {found.hex()}, recorded was {packed.body_sha256.hex()}")
    return body
