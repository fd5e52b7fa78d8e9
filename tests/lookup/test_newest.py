"""The rules of what a history amounts to: stories, and that the order of arrival never shows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.status import Status
from lookup.changes import Outcome
from lookup.newest import (
    Arrival,
    Course,
    Decision,
    Known,
    PutOff,
    Step,
    advance,
    all_newer,
    decide,
    entries,
    kept_off,
    replay,
)

START = datetime(2026, 11, 2, 1, tzinfo=UTC)


def hour(n: float) -> datetime:
    return START + timedelta(hours=n)


class Shelf:
    """One dossier, stored as `lookup.ingest` stores it but in memory."""

    def __init__(self) -> None:
        self.known: Known | None = None
        self.history: dict[bytes, Step] = {}

    def put(self, arrivals: Sequence[Arrival]) -> Decision:
        """Store one batch."""
        candidates = entries(self.known, arrivals)
        fresh = {c.key for c in candidates if c.key not in self.history}
        self.history |= {c.key: c.step for c in candidates if c.key in fresh}
        simple = self.known is None or (all_newer(self.known, candidates) and len(fresh) == len(candidates))
        decision = decide(
            self.known,
            arrivals,
            candidates,
            fresh=fresh,
            history=None if simple else list(self.history.items()),
            now=hour(1),
        )
        if decision.correction:
            self.history[f"correction {len(self.history)}".encode()] = decision.correction.step
        facts_at, digest = (self.known.facts_at, self.known.facts_digest) if self.known else (None, None)
        if decision.facts:
            facts_at, digest = decision.facts.step.at, decision.facts.digest
        self.known = Known(decision.course, facts_at, digest)
        return decision


def event(position: int, name: str, at: float, status: Status, due: float | None = None) -> Arrival:
    step = Step(hour(at), status, due_at=None if due is None else hour(due))
    return Arrival(position, name.encode(), name, step)


def facts(position: int, at: float, status: Status, *, digest: int, due: float | None = None) -> Arrival:
    step = Step(hour(at), status, from_facts=True, due_at=None if due is None else hour(due))
    name = f"facts:{status:d}:{at}"
    return Arrival(position, name.encode(), name, step, digest=digest)


def test_a_newer_event_moves_the_dossier_on() -> None:
    before = Course(Status.ACCEPTED, hour(0), due_at=hour(100))
    after = advance(before, Step(hour(2), Status.PROCESSING))
    assert after == Course(Status.PROCESSING, hour(2), due_at=hour(100))


def test_facts_take_a_due_date_away_and_an_event_does_not() -> None:
    before = Course(Status.ACCEPTED, hour(0), due_at=hour(100))
    assert advance(before, Step(hour(1), Status.PROCESSING)).due_at == hour(100)
    assert advance(before, Step(hour(1), Status.PROCESSING, from_facts=True)).due_at is None


def test_a_date_that_an_apology_put_off_means_the_new_one_whenever_it_is_said_again() -> None:
    known = Known(Course(Status.PROCESSING, hour(1), due_at=hour(240)), put_off=PutOff(hour(100), hour(240)))
    repeated = Course(Status.PROCESSING, hour(2), due_at=hour(98))  # the same day at another time of it
    assert kept_off(repeated, known).due_at == hour(240)
    assert kept_off(repeated._replace(due_at=hour(170)), known).due_at == hour(170)
    assert kept_off(repeated._replace(due_at=None), known).due_at is None
    assert kept_off(repeated, known._replace(put_off=None)).due_at == hour(98)


@pytest.mark.parametrize("late", [False, True])
def test_what_an_apology_put_off_is_no_news_from_its_sender_in_any_order(late: bool) -> None:
    course = Course(Status.PROCESSING, hour(3), due_at=hour(240))
    known = Known(course, put_off=PutOff(hour(100), hour(240)))
    arrival = event(0, "e", 2 if late else 4, Status.PROCESSING, due=100)
    history = [(b"first", Step(hour(3), Status.PROCESSING, due_at=hour(100))), (b"e", arrival.step)] if late else None
    decision = decide(known, [arrival], [arrival], fresh={b"e"}, history=history, now=hour(5))
    assert decision.course.due_at == hour(240)


def test_a_dossier_reopened_after_its_end_is_not_finished() -> None:
    finished = advance(None, Step(hour(5), Status.COMPLETED))
    assert finished.finished_at == hour(5)
    assert advance(finished, Step(hour(6), Status.PROCESSING)).finished_at is None


def test_handing_over_keeps_the_end_of_processing() -> None:
    finished = advance(None, Step(hour(5), Status.COMPLETED))
    handed_over = advance(finished, Step(hour(30), Status.DELIVERED))
    assert (handed_over.finished_at, handed_over.delivered_at) == (hour(5), hour(30))


def test_a_stated_end_wins_over_the_time_of_the_status() -> None:
    stated = advance(None, Step(hour(5), Status.COMPLETED, from_facts=True, finished_at=hour(4)))
    assert stated.finished_at == hour(4)


def test_what_is_asked_lasts_as_long_as_the_status() -> None:
    asked = advance(None, Step(hour(1), Status.SUPPLEMENT_REQUIRED, asked="Bản sao khai sinh"))
    assert advance(asked, Step(hour(2), Status.SUPPLEMENT_REQUIRED)).asked == "Bản sao khai sinh"
    assert advance(asked, Step(hour(2), Status.PROCESSING)).asked is None


def test_at_one_instant_the_later_status_is_the_one_of_higher_rank() -> None:
    shelf = Shelf()
    shelf.put([event(0, "b", 1, Status.PROCESSING)])
    decision = shelf.put([event(0, "a", 1, Status.ACCEPTED)])
    assert decision.course.status is Status.PROCESSING
    assert not decision.changed
    assert not decision.told


def test_a_late_event_is_stored_and_tells_nobody() -> None:
    shelf = Shelf()
    shelf.put([event(0, "b", 5, Status.PROCESSING)])
    decision = shelf.put([event(0, "a", 1, Status.ACCEPTED)])
    assert decision.outcomes == {0: Outcome.STORED}
    assert not decision.told
    assert len(shelf.history) == 2


def test_the_same_event_twice_is_a_duplicate_and_another_under_its_id_is_refused() -> None:
    shelf = Shelf()
    assert shelf.put([event(0, "a", 1, Status.ACCEPTED), event(1, "a", 1, Status.ACCEPTED)]).outcomes == {
        0: Outcome.STORED,
        1: Outcome.DUPLICATE,
    }
    decision = shelf.put([event(0, "a", 1, Status.ACCEPTED), event(1, "a", 9, Status.COMPLETED)])
    assert decision.outcomes == {0: Outcome.DUPLICATE, 1: Outcome.REJECTED}
    assert decision.course.status is Status.ACCEPTED
    assert not decision.told


def test_another_event_under_the_id_of_one_in_the_same_batch_is_refused() -> None:
    decision = Shelf().put([event(0, "a", 1, Status.ACCEPTED), event(1, "a", 9, Status.COMPLETED)])
    assert decision.outcomes == {0: Outcome.STORED, 1: Outcome.REJECTED}
    assert decision.course.status is Status.ACCEPTED


def test_of_several_newer_changes_all_are_told_in_order() -> None:
    shelf = Shelf()
    shelf.put([event(0, "a", 1, Status.ACCEPTED)])
    decision = shelf.put([event(0, "c", 7, Status.COMPLETED), event(1, "b", 3, Status.PROCESSING)])
    assert [arrival.event_id for arrival in decision.told] == ["b", "c"]


def test_a_change_said_by_two_events_is_told_once() -> None:
    decision = Shelf().put([event(0, "a", 1, Status.ACCEPTED), event(1, "b", 1, Status.ACCEPTED)])
    assert len(decision.told) == 1


def test_an_old_dossier_being_loaded_is_no_news() -> None:
    assert not Shelf().put([facts(0, -30, Status.ACCEPTED, digest=1)]).told
    assert Shelf().put([facts(0, -20, Status.ACCEPTED, digest=1)]).told


def test_the_same_facts_twice_are_a_duplicate() -> None:
    shelf = Shelf()
    assert shelf.put([facts(0, 1, Status.ACCEPTED, digest=1), facts(1, 1, Status.ACCEPTED, digest=1)]).outcomes == {
        0: Outcome.STORED,
        1: Outcome.DUPLICATE,
    }
    decision = shelf.put([facts(0, 1, Status.ACCEPTED, digest=1)])
    assert decision.outcomes == {0: Outcome.DUPLICATE}
    assert not decision.changed


def test_a_correction_of_facts_counts_and_the_correction_of_the_correction_too() -> None:
    shelf = Shelf()
    shelf.put([facts(0, 1, Status.ACCEPTED, digest=1, due=50)])
    wrong = shelf.put([facts(0, 1, Status.ACCEPTED, digest=2, due=40)])
    assert wrong.correction is not None
    assert wrong.course.due_at == hour(40)
    assert not wrong.told
    back = shelf.put([facts(0, 1, Status.ACCEPTED, digest=1, due=50)])
    assert back.outcomes == {0: Outcome.STORED}
    assert back.course.due_at == hour(50)


def test_a_correction_outlives_a_late_event() -> None:
    shelf = Shelf()
    shelf.put([facts(0, 1, Status.ACCEPTED, digest=1, due=50)])
    shelf.put([facts(0, 1, Status.ACCEPTED, digest=2, due=40)])
    assert shelf.put([event(0, "a", 0, Status.SUBMITTED)]).course.due_at == hour(40)


def test_older_facts_change_nothing_but_the_history() -> None:
    shelf = Shelf()
    shelf.put([facts(0, 5, Status.PROCESSING, digest=2)])
    decision = shelf.put([facts(0, 1, Status.ACCEPTED, digest=1)])
    assert decision.facts is None
    assert decision.outcomes == {0: Outcome.STORED}
    assert shelf.put([facts(0, 1, Status.ACCEPTED, digest=1)]).outcomes == {0: Outcome.DUPLICATE}


def test_facts_older_than_the_status_but_newer_than_ours_are_taken() -> None:
    shelf = Shelf()
    shelf.put([event(0, "a", 9, Status.COMPLETED)])
    decision = shelf.put([facts(0, 5, Status.PROCESSING, digest=1, due=50)])
    assert decision.facts is not None
    assert decision.course == Course(Status.COMPLETED, hour(9), due_at=hour(50), finished_at=hour(9))
    assert not decision.told


def test_a_quiet_change_is_stored_and_not_told() -> None:
    quiet = event(0, "a", 1, Status.ACCEPTED)._replace(notify=False)
    decision = Shelf().put([quiet])
    assert decision.outcomes == {0: Outcome.STORED}
    assert not decision.told


hours = st.integers(0, 4).map(hour)
maybe_hours = st.none() | hours
statuses = st.sampled_from(
    [
        Status.SUBMITTED,
        Status.ACCEPTED,
        Status.PROCESSING,
        Status.SUPPLEMENT_REQUIRED,
        Status.COMPLETED,
        Status.DELIVERED,
    ]
)
texts = st.none() | st.sampled_from(["giấy khai sinh", "lệ phí"])
events = st.builds(Step, hours, statuses, st.just(False), maybe_hours, st.none(), st.none(), texts)
stated = st.builds(Step, hours, statuses, st.just(True), maybe_hours, maybe_hours, maybe_hours, texts)


@st.composite
def told_twice(draw: st.DrawFn) -> tuple[list[list[Arrival]], list[list[Arrival]]]:
    """One set of changes arriving in two ways: in another order, in other batches, some of them again.

    Statements of facts differ in instant or status: about one and the same, the order of arrival is all there is.
    """
    steps = draw(st.lists(events, max_size=6)) + draw(
        st.lists(stated, max_size=4, unique_by=lambda step: (step.at, step.status))
    )
    changes = []
    for n, step in enumerate(steps):
        name = f"facts:{step.at}:{step.status}" if step.from_facts else f"event {n}"
        changes.append(Arrival(0, name.encode(), name, step, digest=n if step.from_facts else None))
    if not changes:
        changes = [event(0, "only", 0, Status.SUBMITTED)]
    ways = []
    for _ in range(2):
        sent = draw(st.permutations(changes + draw(st.lists(st.sampled_from(changes), max_size=3))))
        cuts = sorted(draw(st.sets(st.integers(1, len(sent)), max_size=4)) | {len(sent)})
        batches = [sent[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]
        ways.append([[a._replace(position=n) for n, a in enumerate(batch)] for batch in batches if batch])
    return ways[0], ways[1]


@given(told_twice())
def test_the_order_of_arrival_never_shows(ways: tuple[list[list[Arrival]], list[list[Arrival]]]) -> None:
    first, second = Shelf(), Shelf()
    for shelf, batches in ((first, ways[0]), (second, ways[1])):
        for batch in batches:
            shelf.put(batch)
    assert first.history == second.history
    assert first.known == second.known


@given(told_twice())
def test_a_row_is_what_its_history_amounts_to(ways: tuple[list[list[Arrival]], list[list[Arrival]]]) -> None:
    shelf = Shelf()
    told: set[str] = set()
    for batch in ways[0]:
        told |= {arrival.event_id for arrival in shelf.put(batch).told}
    assert shelf.known is not None
    assert shelf.known.course == replay(shelf.history.values())
    assert len(told) <= len(shelf.history)


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_its_place_in_a_course(status: Status) -> None:
    course = advance(None, Step(hour(1), status))
    assert (course.status, course.status_at) == (status, hour(1))
    assert (course.finished_at is not None) == (status is Status.COMPLETED)
    assert (course.delivered_at is not None) == (status is Status.DELIVERED)
