"""The national ten dossier statuses, and the five stages the public sees.

Source: message specification of the National Public Service Portal, status codes 1-10.
The numbers are labels, not an order.
"""

from enum import IntEnum, StrEnum
from types import MappingProxyType


class Status(IntEnum):
    """A dossier's status as the national portal numbers it."""

    SUBMITTED = 1
    ACCEPTED = 2
    REJECTED = 3
    PROCESSING = 4
    SUPPLEMENT_REQUIRED = 5
    PAYMENT_REQUIRED = 6
    WITHDRAWN = 7
    STOPPED = 8
    COMPLETED = 9
    DELIVERED = 10

    __hash__ = int.__hash__  # Enum's own is Python code, and every look-up hashes several of these


class Stage(StrEnum):
    """The degree of completion that a code alone may show."""

    RECEIVED = "received"
    IN_PROGRESS = "in_progress"
    WAITING_FOR_YOU = "waiting_for_you"
    DONE = "done"
    CLOSED = "closed"

    __hash__ = str.__hash__


STAGE_OF = MappingProxyType(
    {
        Status.SUBMITTED: Stage.RECEIVED,
        Status.ACCEPTED: Stage.RECEIVED,
        Status.REJECTED: Stage.CLOSED,
        Status.PROCESSING: Stage.IN_PROGRESS,
        Status.SUPPLEMENT_REQUIRED: Stage.WAITING_FOR_YOU,
        Status.PAYMENT_REQUIRED: Stage.WAITING_FOR_YOU,
        Status.WITHDRAWN: Stage.CLOSED,
        Status.STOPPED: Stage.CLOSED,
        Status.COMPLETED: Stage.DONE,
        Status.DELIVERED: Stage.CLOSED,
    }
)

# Senders stamp whole seconds, so 'accepted' and 'processing' often share an instant. Which of them is the newer must
# not depend on the order of arrival: at one instant the higher rank is the later state.
RANK_AT_ONE_INSTANT = MappingProxyType(
    {
        Status.SUBMITTED: 0,
        Status.ACCEPTED: 1,
        Status.PROCESSING: 2,
        Status.SUPPLEMENT_REQUIRED: 3,
        Status.PAYMENT_REQUIRED: 4,
        Status.COMPLETED: 5,
        Status.DELIVERED: 6,
        Status.REJECTED: 7,
        Status.WITHDRAWN: 8,
        Status.STOPPED: 9,
    }
)
