"""A small S3-compatible server for tests: real HTTP, one bucket, GET of an object; signatures must be right."""

from tests.fake_s3.server import Asked, FakeS3

__all__ = ["Asked", "FakeS3"]
