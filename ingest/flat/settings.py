"""What fetching flat files reads from the environment: where they are, and the keys of the bucket.

Those keys are not the vendor's API key. They are kept where no repr, log line, error or encoder can show them.
"""

import os
from collections.abc import Mapping

import msgspec

from ingest.flat.source import EXPECTED, VENDORS_BUCKET, Bucket, Folder, parse_source, shown
from ingest.settings import VendorKey
from sql.errors import InvalidSetting

_DEFAULT_REGION = "us-east-1"


class BucketKeys(msgspec.Struct, frozen=True):
    """What a request to a bucket is signed with. Neither half goes into the archive, a log or an error."""

    key_id: VendorKey
    secret: VendorKey
    region: str

    def blanked(self, text: bytes) -> bytes:
        """Return a text without the keys, as VendorKey.blanked."""
        return self.secret.blanked(self.key_id.blanked(text))


class FlatFilesSettings(msgspec.Struct, frozen=True):
    """Where flat files are, and the keys to get them with; None where none are set."""

    source: Bucket | Folder
    keys: BucketKeys | None

    @classmethod
    def from_environ(
        cls, source: Bucket | Folder | None = None, environ: Mapping[str, str] = os.environ
    ) -> "FlatFilesSettings":
        """Read FLAT_FILES, unless a source is given, and FLAT_FILES_KEY_ID, FLAT_FILES_SECRET and FLAT_FILES_REGION.

        Raises: InvalidSetting.
        """
        return cls(source or _source(environ), _keys(environ))

    def required_keys(self) -> BucketKeys:
        """Return the keys.

        Raises: InvalidSetting when they are not set.
        """
        if self.keys is None:
            bound = f"must hold the key of {self.source}, and FLAT_FILES_SECRET its secret; a folder needs neither"
            raise InvalidSetting("FLAT_FILES_KEY_ID", "", bound)
        return self.keys


def _source(environ: Mapping[str, str]) -> Bucket | Folder:
    text = environ.get("FLAT_FILES", "").strip() or VENDORS_BUCKET
    try:
        return parse_source(text)
    except ValueError as exc:
        raise InvalidSetting("FLAT_FILES", shown(text), EXPECTED) from exc


def _keys(environ: Mapping[str, str]) -> BucketKeys | None:
    key_id = _word("FLAT_FILES_KEY_ID", environ.get("FLAT_FILES_KEY_ID", ""))
    secret = _word("FLAT_FILES_SECRET", environ.get("FLAT_FILES_SECRET", ""))
    if not key_id and not secret:
        return None
    for name, text in (("FLAT_FILES_KEY_ID", key_id), ("FLAT_FILES_SECRET", secret)):
        if not text:
            raise InvalidSetting(name, "", "must be set where the other half of the key is")
    region = environ.get("FLAT_FILES_REGION", "").strip() or _DEFAULT_REGION
    return BucketKeys(VendorKey(key_id), VendorKey(secret), region)


def _word(name: str, text: str) -> str:
    word = text.strip()
    if not word.isascii() or not word.isprintable() or " " in word:
        raise InvalidSetting(name, "(hidden)", "must be one word of ASCII")
    return word
