"""The routes of this folder, in the order in which the document shows them."""

from typing import Any

from api.operation import Operation
from api.records import audit_bar, audit_session, dividends, payload, payload_facts, rejections, revisions, splits

RECORDS_OPERATIONS: tuple[Operation[Any], ...] = (
    splits.OPERATION,
    dividends.OPERATION,
    revisions.OPERATION,
    rejections.OPERATION,
    payload.OPERATION,
    payload_facts.OPERATION,
    audit_session.OPERATION,
    audit_bar.OPERATION,
)
