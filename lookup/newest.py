"""What a dossier's history says now: pure rules that give one answer whatever the order in which changes arrive.

The dossier row is a summary of its history. A change newer than all before it moves the summary on; anything else makes
the whole history be read again in time order, so that both ways end in the same row.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from domain.civil_time import civil_day
from domain.status import RANK_AT_ONE_INSTANT, Status
from lookup.changes import Outcome

# A dossier we first hear of in a status it has had for longer is an old one being loaded, and no news to anybody.
BACKFILL_AGE = timedelta(hours=24)

_UNDER_WAY = frozenset(
    {
        Status.SUBMITTED,
        Status.ACCEPTED,
        Status.PROCESSING,
        Status.SUPPLEMENT_REQUIRED,
        Status.PAYMENT_REQUIRED,
    }
)
# By number, because hashing an enum member costs more than all else here.
_RANK = tuple(RANK_AT_ONE_INSTANT[Status(n)] if n else -1 for n in range(len(Status) + 1))
_IS_UNDER_WAY = tuple(n in _UNDER_WAY for n in range(len(Status) + 1))
_NEVER = datetime.min.replace(tzinfo=UTC)


# Six of these are made for every item stored. As tuples they cost a quarter of what frozen dataclasses do.
class Step(NamedTuple):
    """One entry of the history: what an event, or a statement of all facts, says of a dossier at one instant."""

    at: datetime
    status: Status
    from_facts: bool = False
    due_at: datetime | None = None
    finished_at: datetime | None = None
    delivered_at: datetime | None = None
    asked: str | None = None


class Course(NamedTuple):
    """The summary of a history: the part of the dossier row that follows from it."""

    status: Status
    status_at: datetime
    due_at: datetime | None = None
    finished_at: datetime | None = None
    delivered_at: datetime | None = None
    asked: str | None = None


class PutOff(NamedTuple):
    """The due date that an apology replaced, and the one it gave (`notifications.apologies`)."""

    since: datetime
    to: datetime


class Known(NamedTuple):
    """A dossier as it stands before a batch. `facts_at` and `facts_digest` are None until facts came."""

    course: Course
    facts_at: datetime | None = None
    facts_digest: int | None = None
    put_off: PutOff | None = None


class Arrival(NamedTuple):
    """One item of a batch. `key` and `event_id` name its entry in the history; `digest` is None for an event."""

    position: int
    key: bytes
    event_id: str
    step: Step
    notify: bool = True
    digest: int | None = None


class Decision(NamedTuple):
    """What becomes of one dossier's arrivals. REJECTED: the event id was used before for another change."""

    outcomes: dict[int, Outcome]
    course: Course
    changed: bool  # whether the row is to be written
    facts: Arrival | None = None  # the facts to write over the row
    correction: Arrival | None = (
        None  # those facts, where the history holds an entry of their instant and status already
    )
    told: Sequence[Arrival] = ()  # news, oldest first


def instant(at: datetime, status: Status) -> tuple[datetime, int]:
    """The place of a change in time: at one instant the status of higher rank is the later."""
    return at, _RANK[status]


def _order(step: Step) -> tuple[datetime, int, bool, datetime, str]:
    """The place of a step among all, the same for every order of arrival.

    At one instant and status an event says more than facts do, and the later due date is the one that was put off to.
    """
    return step.at, _RANK[step.status], not step.from_facts, step.due_at or _NEVER, step.asked or ""


def advance(course: Course | None, step: Step) -> Course:
    """`course` after a step that comes after all before it.

    Facts state the due date as a whole, an event only mentions a new one. A dossier under way is neither finished nor
    handed over, whatever it was before (9 to 4 happens); else the first end since then counts, unless stated otherwise.
    """
    due_at, finished_at, delivered_at, asked = step.due_at, step.finished_at, step.delivered_at, step.asked
    if course is not None:
        if due_at is None and not step.from_facts:
            due_at = course.due_at
        if asked is None and course.status == step.status:
            asked = course.asked
        finished_at = finished_at or course.finished_at
        delivered_at = delivered_at or course.delivered_at
    if _IS_UNDER_WAY[step.status]:
        finished_at = delivered_at = None
    elif step.status == Status.COMPLETED:
        finished_at = finished_at or step.at
    elif step.status == Status.DELIVERED:
        delivered_at = delivered_at or step.at
    return Course(step.status, step.at, due_at, finished_at, delivered_at, asked)


def replay(steps: Iterable[Step]) -> Course:
    """The course a whole history gives. `steps` in order of recording, at least one.

    Of several statements of facts about one instant and status the last recorded counts: it corrects the others.
    """
    stated: dict[tuple[datetime, int], Step] = {}
    events = []
    for step in steps:
        if step.from_facts:
            stated[instant(step.at, step.status)] = step
        else:
            events.append(step)
    course = None
    for step in sorted((*stated.values(), *events), key=_order):
        course = advance(course, step)
    assert course is not None  # noqa: S101  # a dossier without history does not exist
    return course


def kept_off(course: Course, known: Known | None) -> Course:
    """`course` with the date of an apology where its sender still says the one that was replaced.

    A system that does not know of the apology repeats the old date with every statement of facts: that is no news. Any
    other date is the sender's own, and counts.
    """
    if known is None or known.put_off is None or course.due_at is None:
        return course
    if civil_day(course.due_at) != civil_day(known.put_off.since):
        return course
    return course._replace(due_at=known.put_off.to)


def entries(known: Known | None, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """The arrivals that may be new to the history: of one event id the first, of one statement of facts the last.

    None for facts that are the ones we hold.
    """
    held = known.facts_digest if known is not None else None
    if len(arrivals) == 1:
        digest = arrivals[0].digest
        return arrivals if digest is None or digest != held else ()
    chosen: dict[bytes, Arrival] = {}
    for arrival in arrivals:
        before = chosen.setdefault(arrival.key, arrival)
        if arrival.digest != before.digest:
            chosen[arrival.key] = arrival
    return [arrival for arrival in chosen.values() if arrival.digest is None or arrival.digest != held]


def all_newer(known: Known, candidates: Iterable[Arrival]) -> bool:
    """Whether every candidate comes after what is known, so that the history need not be read again."""
    status, status_at = known.course[:2]
    for candidate in candidates:
        at = candidate.step.at
        if at < status_at or (at == status_at and _RANK[candidate.step.status] <= _RANK[status]):
            return False
    return True


def decide(
    known: Known | None,
    arrivals: Sequence[Arrival],
    candidates: Sequence[Arrival],
    *,
    fresh: Collection[bytes],
    history: Sequence[tuple[bytes, Step]] | None,
    now: datetime,
) -> Decision:
    """What becomes of the `arrivals` of one dossier, in the order in which they were sent.

    `candidates` are `entries(known, arrivals)`, and `fresh` the keys of those that the history did not hold before.
    `history` is all of it by key, in order of recording, fresh ones included; None is allowed when every candidate is
    fresh and `all_newer` than `known`.
    """
    if len(arrivals) == 1 and candidates and history is None:
        return _simple(known, arrivals[0], now)
    stored = dict(history) if history is not None else {}
    facts = _newest_facts(known, candidates, stored)
    correction = facts if facts is not None and facts.key not in fresh else None
    course = known.course if known is not None else None
    if history is not None:
        steps = list(stored.values())
        course = replay([*steps, correction.step] if correction else steps)
    else:
        for candidate in sorted(candidates, key=lambda a: _order(a.step)):
            course = advance(course, candidate.step)
    assert course is not None  # noqa: S101  # an unknown dossier has a candidate
    course = kept_off(course, known)
    return Decision(
        outcomes=_outcomes(known, arrivals, candidates, fresh, stored, facts),
        course=course,
        changed=known is None or facts is not None or course != known.course,
        facts=facts,
        correction=correction,
        told=_news(known, candidates, fresh, now),
    )


def _simple(known: Known | None, arrival: Arrival, now: datetime) -> Decision:
    """`decide` for one arrival newer than all we know: nearly every time."""
    facts = arrival if arrival.digest is not None else None
    return Decision(
        outcomes={arrival.position: Outcome.STORED},
        course=kept_off(advance(known.course if known is not None else None, arrival.step), known),
        changed=True,
        facts=facts,
        told=(arrival,)
        if arrival.notify and not (known is None and facts and now - arrival.step.at > BACKFILL_AGE)
        else (),
    )


def _newest_facts(known: Known | None, candidates: Sequence[Arrival], stored: dict[bytes, Step]) -> Arrival | None:
    """The facts to write over the row: the newest of the batch, unless the row's own are newer.

    Facts about the very instant and status of those we hold are a correction of them: there the later arrival counts.
    """
    newest = None
    for candidate in candidates:
        if candidate.digest is not None and (newest is None or _at(candidate) > _at(newest)):
            newest = candidate
    if newest is None or known is None or known.facts_at is None or newest.step.at > known.facts_at:
        return newest
    if newest.step.at < known.facts_at:
        return None
    rivals = (s for s in stored.values() if s.from_facts and s.at == known.facts_at)
    return newest if all(_RANK[newest.step.status] >= _RANK[rival.status] for rival in rivals) else None


def _at(arrival: Arrival) -> tuple[datetime, int]:
    return instant(arrival.step.at, arrival.step.status)


def _outcomes(
    known: Known | None,
    arrivals: Sequence[Arrival],
    candidates: Sequence[Arrival],
    fresh: Collection[bytes],
    stored: dict[bytes, Step],
    facts: Arrival | None,
) -> dict[int, Outcome]:
    if len(arrivals) == len(candidates) and all(c.key in fresh for c in candidates):
        return dict.fromkeys((a.position for a in arrivals), Outcome.STORED)
    chosen = {c.key: c for c in candidates}
    held = known.facts_digest if known is not None else None
    outcomes = {}
    for arrival in arrivals:
        if arrival.digest is None:
            told = chosen[arrival.key].step if arrival.key in fresh else stored[arrival.key]
            outcomes[arrival.position] = _outcome_of_event(arrival, told)
        else:
            entry = chosen.get(arrival.key)
            kept = arrival.key in fresh or (facts is not None and entry is facts)
            outcomes[arrival.position] = _outcome_of_facts(arrival, entry, held, kept=kept)
    return outcomes


def _outcome_of_event(arrival: Arrival, told: Step) -> Outcome:
    """`told` is the entry that stands in the history under the arrival's key."""
    if told is arrival.step:
        return Outcome.STORED
    same = told.at == arrival.step.at and told.status == arrival.step.status
    return Outcome.DUPLICATE if same else Outcome.REJECTED


def _outcome_of_facts(arrival: Arrival, entry: Arrival | None, held: int | None, *, kept: bool) -> Outcome:
    """`entry` stands for the arrival's instant and status in this batch; `held` is the digest of the facts we have."""
    repeated = entry is None or arrival.digest == held or (entry is not arrival and arrival.digest == entry.digest)
    return Outcome.STORED if kept and not repeated else Outcome.DUPLICATE


def _news(
    known: Known | None, candidates: Sequence[Arrival], fresh: Collection[bytes], now: datetime
) -> tuple[Arrival, ...]:
    """What is newer than all that was known, each instant and status once."""
    if known is None and any(c.digest is not None and now - c.step.at > BACKFILL_AGE for c in candidates):
        return ()
    before = instant(known.course.status_at, known.course.status) if known is not None else (_NEVER, -1)
    news: dict[tuple[datetime, int], Arrival] = {}
    for candidate in sorted(candidates, key=lambda a: _order(a.step)) if len(candidates) > 1 else candidates:
        if candidate.key in fresh and _at(candidate) > before:
            news[_at(candidate)] = candidate
    return tuple(a for a in news.values() if a.notify)
