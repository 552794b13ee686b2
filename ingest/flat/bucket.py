"""Flat files from an S3-compatible server: one signed GET, and every byte that came back. Nothing is judged here.

A request is signed afresh each time it is sent (AWS Signature V4), so the secret never travels, not even over plain
HTTP. Redirects are not followed.

Source: Amazon's "Authenticating Requests (AWS Signature Version 4)"; botocore does the arithmetic.
"""

import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from archive.payload import Request, Response, Transfer
from ingest.errors import MissingLibrary
from ingest.exchange import NoResponse, http_session, kept_headers, read_wire, what_failed
from ingest.flat.settings import BucketKeys
from ingest.flat.source import FLAT_SOURCE, Bucket
from ingest.patience import Patience

_Sign = Callable[[str], dict[str, str]]


class FlatBucket:
    """Sends GETs to a bucket. Get one from `open_bucket`."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        bucket: Bucket,
        keys: BucketKeys,
        sign: _Sign,
        now: Callable[[], dt.datetime],
    ) -> None:
        self.base_url = bucket.base_url
        self._http, self._bucket, self._keys, self._sign, self._now = http, bucket, keys, sign, now

    async def get(self, request: Request) -> Response:
        """Return what came back: any status, and the bytes of the body as they came, undecoded.

        Raises: NoResponse when the server sent no status line and headers.
        """
        url = self._bucket.url(request)
        try:
            async with self._http.get(URL(url, encoded=True), headers=self._sign(url), allow_redirects=False) as answer:
                wire, whole = await read_wire(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise NoResponse(what_failed(exc)) from exc
        return Response(
            source=FLAT_SOURCE,
            request=request,
            fetched_at=self._now(),
            http_status=answer.status,
            headers=kept_headers(answer, self._keys.blanked),
            transfer=Transfer.COMPLETE if whole else Transfer.CUT_SHORT,
            body=self._keys.blanked(wire),
        )


@asynccontextmanager
async def open_bucket(
    bucket: Bucket, keys: BucketKeys, now: Callable[[], dt.datetime], patience: Patience
) -> AsyncIterator[FlatBucket]:
    """Yield a bucket to fetch from; its connections are kept open and shared.

    Raises: MissingLibrary when botocore is not installed.
    """
    sign = _signer(keys)
    # A file is compressed already, and is to come as it is.
    async with http_session(patience, {"Accept-Encoding": "identity"}) as http:
        yield FlatBucket(http, bucket, keys, sign, now)


def _signer(keys: BucketKeys) -> _Sign:
    """Return what gives the headers that sign a GET of a URL."""
    try:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
    except ImportError as exc:
        raise MissingLibrary("botocore", "flatfiles") from exc
    # It would write each signature to a log of level DEBUG.
    logging.getLogger("botocore").setLevel(logging.INFO)
    auth = S3SigV4Auth(Credentials(keys.key_id.reveal(), keys.secret.reveal()), "s3", keys.region)

    def sign(url: str) -> dict[str, str]:
        request = AWSRequest(method="GET", url=url)
        auth.add_auth(request)
        return dict(request.headers.items())

    return sign
