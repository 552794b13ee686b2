"""AWS Signature V4 from the server's side, computed from the request as it came. It shares nothing with any client.

Source: Amazon S3 API reference, "Signature Calculations for the Authorization Header".
"""

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key_id>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/s3/aws4_request, "
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_MUST_BE_SIGNED = {"host", "x-amz-content-sha256", "x-amz-date"}
_MOST_SKEW = dt.timedelta(minutes=15)


class Refusal(Exception):
    """A request that is not let in: the status and S3's code for it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


def require_signed(
    method: str,
    raw_path: str,
    headers: Mapping[str, str],
    secrets: Mapping[str, str],
    region: str,
    now: dt.datetime,
) -> None:
    """Return for a request without query that is signed with one of the secrets, by key id.

    Raises: Refusal.
    """
    found = _AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
    if found is None:
        raise Refusal(403, "AccessDenied", "Access Denied.")
    if found["key_id"] not in secrets:
        raise Refusal(403, "InvalidAccessKeyId", "The Access Key Id you provided does not exist in our records.")
    if found["region"] != region:
        message = f"The authorization header is malformed; the region is wrong; expecting {region!r}"
        raise Refusal(400, "AuthorizationHeaderMalformed", message)
    signed = found["signed"].split(";")
    instant = headers.get("X-Amz-Date", "")
    if not _MUST_BE_SIGNED.issubset(signed) or not instant.startswith(found["date"]):
        raise Refusal(403, "AccessDenied", "There were headers present in the request which were not signed")
    if headers["X-Amz-Content-SHA256"] != hashlib.sha256(b"").hexdigest():
        raise Refusal(400, "XAmzContentSHA256Mismatch", "The body is not the one that was signed.")
    sent_at = dt.datetime.strptime(instant, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    if abs(now - sent_at) > _MOST_SKEW:
        raise Refusal(403, "RequestTimeTooSkewed", "The difference between the request time and ours is too large.")
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in signed]
    canonical = [method, raw_path, "", *lines, "", found["signed"], headers["X-Amz-Content-SHA256"]]
    scope = f"{found['date']}/{region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{instant}\n{scope}\n{hashlib.sha256(chr(10).join(canonical).encode()).hexdigest()}"
    key = f"AWS4{secrets[found['key_id']]}".encode()
    for part in (found["date"], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex(), found["signature"]):
        raise Refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match yours.")
