"""Whatever the order, the batches and the repetitions, the store ends in the same row and the same history."""

from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database.pool import Database
from domain.status import Status
from lookup.changes import Tenant
from lookup.ingest import DossierWriter
from lookup.sealing import Seal
from tests.lookup.sent import START, comparable, event, facts, held

# A change: (kind, fields). Its dossier is filled in when it is sent.
Sent = tuple[str, dict[str, Any]]

moments = st.integers(0, 3).map(lambda n: START + timedelta(hours=n))
statuses = st.sampled_from([Status.ACCEPTED, Status.PROCESSING, Status.SUPPLEMENT_REQUIRED, Status.COMPLETED])
due = st.none() | moments
said = {"due_at": due, "asked_of_applicant": st.none() | st.just("Bản sao khai sinh")}
events = st.fixed_dictionaries({"status": statuses, "at": moments, **said})
statements = st.fixed_dictionaries(
    {
        "status": statuses,
        "at": moments,
        **said,
        "finished_at": st.none() | moments,
        "reference": st.sampled_from(["BN-1", "BN-2"]),
        "phone": st.sampled_from([None, "+84901234567", "+84907654321"]),
        "extra": st.sampled_from([None, b'{"lodge": "post"}']),
    }
)


@st.composite
def two_ways(draw: st.DrawFn) -> tuple[list[list[Sent]], list[list[Sent]]]:
    """One set of changes in two orders, cut into batches in two ways, with some sent again.

    Statements of facts differ in time or status: of two about one and the same the later to arrive must win.
    """
    changes: list[Sent] = [
        ("event", {"event_id": f"e{n}", **fields})
        for n, fields in enumerate(draw(st.lists(events, min_size=1, max_size=5)))
    ]
    changes += [
        ("facts", fields)
        for fields in draw(st.lists(statements, max_size=3, unique_by=lambda f: (f["at"], f["status"])))
    ]
    ways = []
    for _ in range(2):
        sent = draw(st.permutations(changes + draw(st.lists(st.sampled_from(changes), max_size=3))))
        cuts = [*sorted(draw(st.sets(st.integers(1, len(sent)), max_size=3))), len(sent)]
        ways.append([sent[a:b] for a, b in zip([0, *cuts], cuts, strict=False) if b > a])
    return ways[0], ways[1]


_numbers = count(1)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(ways=two_ways())
async def test_every_order_ends_in_the_same_row(
    writer: DossierWriter,
    database: Database,
    tenant: Tenant,
    seal: Seal,
    ways: tuple[list[list[Sent]], list[list[Sent]]],
) -> None:
    ends = []
    for way in ways:
        code = f"H05.16-261102-{next(_numbers):06d}"
        for batch in way:
            await writer.store(
                tenant,
                [
                    event(code=code, **fields) if kind == "event" else facts(tenant, code=code, **fields)
                    for kind, fields in batch
                ],
            )
        found = await held(database, tenant, code)
        assert found is not None
        ends.append((comparable(found.row, seal), found.course, sorted(step["event_id"] for step in found.history)))
    assert ends[0] == ends[1]
