"""A response body whose long beginning is kept and compressed once, and whose short end is new every time.

The vendor gives every response its own request_id, near the end of the body. Deflate streams can be joined and
a CRC continued, so a fresh gzip of 120 kB costs microseconds. It must not know what the bytes say.
"""

import zlib

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LEVEL = 4


class Body:
    """The beginning of a body; ask it for the whole with an end."""

    __slots__ = ("_crc", "_deflated", "beginning")

    def __init__(self, beginning: bytes) -> None:
        self.beginning = beginning
        self._deflated: bytes | None = None
        self._crc = 0

    def plain(self, end: bytes) -> bytes:
        """Return the whole body."""
        return self.beginning + end

    def gzipped(self, end: bytes) -> bytes:
        """Return the whole body as one gzip member."""
        if self._deflated is None:
            deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            # A sync flush ends on a byte boundary without ending the stream, so another deflate can follow.
            self._deflated = deflate.compress(self.beginning) + deflate.flush(zlib.Z_SYNC_FLUSH)
            self._crc = zlib.crc32(self.beginning)
        last = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        size = (len(self.beginning) + len(end)) & 0xFFFFFFFF
        trailer = zlib.crc32(end, self._crc).to_bytes(4, "little") + size.to_bytes(4, "little")
        return b"".join((_GZIP_HEADER, self._deflated, last.compress(end), last.flush(), trailer))
