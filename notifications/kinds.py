"""What a change is to the people who are told of it: decided from how the dossier stood before and stands after."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from domain.civil_time import civil_day
from domain.status import STAGE_OF, Stage, Status
from lookup.changes import Standing


class EventKind(StrEnum):
    """What a notice is about. The number of a national status says where a dossier is, this says what happened."""

    RECEIVED = "received"
    MOVED_ON = "moved_on"
    ASKED = "asked"  # papers, a fee: the citizen must act
    NEW_DUE_DATE = "new_due_date"
    RESULT_READY = "result_ready"
    CLOSED = "closed"  # handed over, refused, withdrawn, stopped
    CORRECTED = "corrected"  # back to an earlier stage
    INTERNAL = "internal"  # a step within the office that changes nothing for the citizen
    DUE_TOMORROW = "due_tomorrow"  # on the next working day: until its eve the office can be asked (`deadlines`)
    OVERDUE = "overdue"
    SUPPLEMENT_OVERDUE = "supplement_overdue"  # the time for the papers that were asked for is over

    __hash__ = str.__hash__  # in C, unlike Enum's own


# Queued when a day comes, not when an agency reports something.
OF_THE_CLOCK = frozenset({EventKind.DUE_TOMORROW, EventKind.OVERDUE, EventKind.SUPPLEMENT_OVERDUE})
# They say a date, which a code alone does not open (`lookup.disclosure`): told to who has proven a right to it.
SAYS_A_DATE = frozenset({EventKind.NEW_DUE_DATE, EventKind.DUE_TOMORROW, EventKind.SUPPLEMENT_OVERDUE})
# What nobody needs to hear, unless a rule of the agency says otherwise (`notifications.rules`).
SILENT = frozenset({EventKind.INTERNAL})
# What need not be known: nothing is to be done, nothing is late, nothing has ended. Who wishes fewer notices of a
# dossier is told all but these.
ROUTINE = frozenset({EventKind.RECEIVED, EventKind.MOVED_ON, EventKind.INTERNAL})

_ASKS = frozenset({Status.SUPPLEMENT_REQUIRED, Status.PAYMENT_REQUIRED})
_RECEIVED = frozenset({Status.SUBMITTED, Status.ACCEPTED})
_RUNNING = frozenset({Status.ACCEPTED, Status.PROCESSING})
_CLOSED = frozenset(status for status, stage in STAGE_OF.items() if stage is Stage.CLOSED)
# How far along a stage is: a change to an earlier one is told as going back. Waiting for the citizen is part of the
# handling.
_STEP = MappingProxyType(
    {Stage.RECEIVED: 0, Stage.IN_PROGRESS: 1, Stage.WAITING_FOR_YOU: 1, Stage.DONE: 2, Stage.CLOSED: 3}
)

Rule = Callable[[Standing, Standing], bool]


def _moved(before: Standing, after: Standing) -> bool:
    return before.status != after.status


def _new_date(before: Standing, after: Standing) -> bool:
    if before.status not in _RUNNING or after.status not in _RUNNING or after.due_at is None:
        return False
    if before.due_at is None:  # a first date is news of its own only where nothing else moved
        return not _moved(before, after)
    return civil_day(before.due_at) != civil_day(after.due_at)


# The first that fits. What the citizen must do comes before how the dossier came there.
_RULES: tuple[tuple[EventKind, Rule], ...] = (
    (EventKind.ASKED, lambda b, a: a.status in _ASKS and (_moved(b, a) or b.asked != a.asked)),
    (EventKind.CORRECTED, lambda b, a: went_back(b.status, STAGE_OF[a.status])),
    (EventKind.RESULT_READY, lambda b, a: a.status == Status.COMPLETED and _moved(b, a)),
    (EventKind.CLOSED, lambda b, a: a.status in _CLOSED and _moved(b, a)),
    (EventKind.RECEIVED, lambda b, a: a.status in _RECEIVED and _moved(b, a)),
    (EventKind.NEW_DUE_DATE, _new_date),
    (EventKind.MOVED_ON, _moved),
    (EventKind.INTERNAL, lambda _b, _a: True),
)
# What a dossier first heard of in some status is to its people.
_FIRST = MappingProxyType(
    {
        **dict.fromkeys(Status, EventKind.MOVED_ON),
        **dict.fromkeys(_RECEIVED, EventKind.RECEIVED),
        **dict.fromkeys(_ASKS, EventKind.ASKED),
        **dict.fromkeys(_CLOSED, EventKind.CLOSED),
        Status.COMPLETED: EventKind.RESULT_READY,
    }
)


def event_kind(before: Standing | None, after: Standing) -> EventKind:
    """What the change from `before` to `after` is; `before` is None for a dossier not known until then."""
    if before is None:
        return _FIRST[after.status]
    return next(kind for kind, fits in _RULES if fits(before, after))


def went_back(before: Status | None, stage: Stage) -> bool:
    """Whether `stage` is earlier than that of `before`."""
    return before is not None and _STEP[STAGE_OF[before]] > _STEP[stage]


def kind_now(
    queued: EventKind, before: Status | None, now: Standing, *, due_before: datetime | None, at: datetime
) -> EventKind | None:
    """What a notice queued as `queued` is about as the dossier stands `now`; None when nothing of it is true any more.

    `before` is the status before the present one, `due_before` the date that a new one took the place of, or for what
    the clock brings the day it is about.
    """
    if queued is EventKind.SUPPLEMENT_OVERDUE:
        return queued if now.status is Status.SUPPLEMENT_REQUIRED else None
    if queued in OF_THE_CLOCK or queued is EventKind.NEW_DUE_DATE:
        return queued if _still(queued, now, due_before, at) else None
    if queued is EventKind.INTERNAL or _FIRST[now.status] is queued:
        return queued
    if queued is EventKind.MOVED_ON and now.status in _RUNNING:
        return queued
    return event_kind(None if before in {None, now.status} else Standing(before), now)


def _still(queued: EventKind, now: Standing, due_before: datetime | None, at: datetime) -> bool:
    """Whether the due date is still what the notice was queued for. Days are compared, in Vietnam."""
    if now.status not in _RUNNING or now.due_at is None:
        return False
    due, today = civil_day(now.due_at), civil_day(at)
    same = due_before is not None and due == civil_day(due_before)
    match queued:
        case EventKind.DUE_TOMORROW:
            return same and today < due
        case EventKind.OVERDUE:
            return same and due < today
    return not same


def is_urgent(kind: EventKind, after: Standing, at: datetime) -> bool:
    """Whether the citizen must act today: then it waits neither for the morning nor for its turn in a digest."""
    return kind is EventKind.ASKED and after.due_at is not None and civil_day(after.due_at) <= civil_day(at)
