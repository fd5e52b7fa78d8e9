"""A late dossier is apologised for once, by who may, with a date that its sender's next message does not take back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, datetime

import pytest

from database.pool import Database, Role
from domain.civil_time import CIVIL_ZONE
from domain.errors import ChangedMeanwhile, Invalid, NotFound
from domain.language import Language
from domain.status import Status
from lookup.changes import DossierFacts, Outcome, Tenant
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.apologies import APOLOGIES, Apology, State
from notifications.apology_policies import Policy, drop_policy, policies, set_policy
from notifications.callbacks.receivers import Receivers
from tests.notifications.calendar import PHONE, Calendar, calendar_of, local

DUE = local(20, 17)
MONDAY = local(23)
PROPOSED = date(2026, 12, 1)  # five working days after Monday, 23/11; the 24th is off
OFFICER = "officer:7"


@pytest.fixture
async def calendar(database: Database, database_url: str, seal: Seal) -> AsyncIterator[Calendar]:
    """An office whose officers confirm apologies."""
    registry = Registry(database)
    await registry.refresh()
    found = await calendar_of(database, database_url, seal, registry)
    yield found
    await found.owner.close()


def tenant_of(calendar: Calendar, code: str, *, test: bool = False) -> Tenant:
    """Another agency's system."""
    agency = calendar.registry.agency_by_code(code)
    assert agency is not None
    return Tenant(agency_id=agency.agency_id, agency_code=code, test=test, api_key_id="key")


async def late(calendar: Calendar, **more: object) -> tuple[str, Apology]:
    """A dossier overdue on Monday, and the draft of its apology."""
    code = await calendar.opens(DUE, **more)  # type: ignore[arg-type]
    await calendar.day(MONDAY)
    (draft,) = [one for one in await calendar.apologies.waiting(calendar.tenant) if one.code == code]
    return code, draft


async def has_policy(calendar: Calendar, policy: Policy, *, code: str = "H05.16", days: int = 5) -> None:
    """An operator sets it."""
    async with calendar.database.transaction(Role.OPERATOR) as operator:
        await set_policy(operator, tenant_of(calendar, code).agency_id, policy, days=days)


def counted(act: str, by: str) -> float:
    """How often that was done."""
    value: float = APOLOGIES.labels(act, by)._value.get()
    return value


async def test_what_is_overdue_has_a_draft_with_a_date_in_working_days(calendar: Calendar) -> None:
    before = counted("drafted", "automatic")
    code, draft = await late(calendar)
    assert (draft.state, draft.automatic) == (State.DRAFTED, False)
    assert (draft.due_at, draft.proposed_on) == (DUE, PROPOSED)
    assert counted("drafted", "automatic") == before + 1
    assert await calendar.told() == [("overdue", code)]
    assert [(act.act, act.actor) for act in await calendar.apologies.acts(calendar.tenant, draft.apology_id)] == [
        ("drafted", "automatic")
    ]
    assert (await calendar.row(code))["due_at"] == DUE


@pytest.mark.parametrize(
    "received_at", [datetime(2025, 6, 2, tzinfo=CIVIL_ZONE), datetime(2018, 1, 2, tzinfo=CIVIL_ZONE)]
)
async def test_where_the_law_of_its_day_asks_for_none_nothing_is_drafted(
    calendar: Calendar, received_at: datetime
) -> None:
    await calendar.opens(DUE, received_at=received_at)
    await calendar.day(MONDAY)
    assert await calendar.apologies.waiting(calendar.tenant) == []
    assert [event for event, _ in await calendar.told()] == ["overdue"]


async def test_an_officers_word_puts_the_date_off_and_tells_the_citizen(calendar: Calendar) -> None:
    before = counted("confirmed", "agency")
    code, draft = await late(calendar)
    version = (await calendar.row(code))["version"]
    given = await calendar.apologies.confirm(calendar.tenant, draft.apology_id, actor=OFFICER, reason="Thiếu bản đồ.")
    new_due_at = datetime(2026, 12, 1, 17, tzinfo=CIVIL_ZONE)
    assert (given.state, given.new_due_at, given.reason) == (State.CONFIRMED, new_due_at, "Thiếu bản đồ")
    row = await calendar.row(code)
    assert (row["due_at"], row["status"], row["version"]) == (new_due_at, Status.PROCESSING, version + 1)
    assert calendar.caches.expected[-1] == {code: version + 1}
    assert (await calendar.told())[-1] == ("new_due_date", code)
    told = await calendar.owner.fetchrow("SELECT kind, due_before FROM message ORDER BY id DESC LIMIT 1")
    assert (told["kind"], told["due_before"]) == ("status_changed", DUE)
    entry = await calendar.owner.fetchrow("SELECT * FROM dossier_event WHERE put_off_from IS NOT NULL")
    assert (entry["due_at"], entry["put_off_from"], entry["status"]) == (new_due_at, DUE, Status.PROCESSING)
    assert "20/11/2026 sang 01/12/2026. Lý do: Thiếu bản đồ." in entry["note"]
    acts = await calendar.apologies.acts(calendar.tenant, draft.apology_id)
    assert [(act.act, act.actor, act.due_on) for act in acts] == [
        ("drafted", "automatic", PROPOSED),
        ("confirmed", OFFICER, PROPOSED),
    ]
    assert counted("confirmed", "agency") == before + 1
    assert await calendar.apologies.waiting(calendar.tenant) == []


async def test_the_officer_may_choose_another_day_or_propose_one(calendar: Calendar) -> None:
    code, draft = await late(calendar)
    changed = await calendar.apologies.change(calendar.tenant, draft.apology_id, date(2026, 12, 3), actor="officer:1")
    assert (changed.state, changed.proposed_on) == (State.DRAFTED, date(2026, 12, 3))
    assert (await calendar.row(code))["due_at"] == DUE
    given = await calendar.apologies.confirm(
        calendar.tenant, draft.apology_id, actor=OFFICER, new_due_on=date(2026, 12, 4)
    )
    assert given.new_due_at == datetime(2026, 12, 4, 17, tzinfo=CIVIL_ZONE)
    acts = await calendar.apologies.acts(calendar.tenant, draft.apology_id)
    assert [(act.act, act.actor) for act in acts][1:] == [("changed", "officer:1"), ("confirmed", OFFICER)]


@pytest.mark.parametrize(
    "day", [date(2026, 11, 23), date(2026, 11, 20), date(2026, 11, 24), date(2026, 11, 28), date(2028, 1, 3)]
)
async def test_a_day_that_is_past_off_or_far_ahead_is_refused(calendar: Calendar, day: date) -> None:
    code, draft = await late(calendar)
    for act in (calendar.apologies.change, calendar.apologies.confirm):
        with pytest.raises(Invalid) as refused:
            await act(calendar.tenant, draft.apology_id, new_due_on=day, actor=OFFICER)
        assert refused.value.field == "new_due_on"
    assert (await calendar.row(code))["due_at"] == DUE


async def test_a_refusal_needs_a_reason_and_changes_nothing_else(calendar: Calendar) -> None:
    code, draft = await late(calendar)
    with pytest.raises(Invalid):
        await calendar.apologies.refuse(calendar.tenant, draft.apology_id, actor=OFFICER, reason=" . ")
    for _ in range(2):
        refused = await calendar.apologies.refuse(
            calendar.tenant, draft.apology_id, actor=OFFICER, reason="Đã có kết quả"
        )
    assert (refused.state, refused.reason, (await calendar.row(code))["due_at"]) == (
        State.REFUSED,
        "Đã có kết quả",
        DUE,
    )
    assert len(await calendar.apologies.acts(calendar.tenant, draft.apology_id)) == 2
    with pytest.raises(ChangedMeanwhile):
        await calendar.apologies.confirm(calendar.tenant, draft.apology_id, actor=OFFICER)
    await calendar.day(local(25))  # the same date again makes no other draft
    assert await calendar.apologies.waiting(calendar.tenant) == []


async def test_confirmed_twice_at_once_it_is_given_once(calendar: Calendar) -> None:
    code, draft = await late(calendar)
    both = await asyncio.gather(
        *(calendar.apologies.confirm(calendar.tenant, draft.apology_id, actor=OFFICER) for _ in range(2))
    )
    assert both[0] == both[1]
    assert [told for told in await calendar.told() if told[0] == "new_due_date"] == [("new_due_date", code)]
    with pytest.raises(ChangedMeanwhile):
        await calendar.apologies.confirm(calendar.tenant, draft.apology_id, actor=OFFICER, new_due_on=date(2026, 12, 4))
    with pytest.raises(ChangedMeanwhile):
        await calendar.apologies.refuse(calendar.tenant, draft.apology_id, actor=OFFICER, reason="x")


async def test_where_the_agency_says_so_it_goes_out_by_itself_and_is_all_that_is_told(calendar: Calendar) -> None:
    await has_policy(calendar, Policy.AUTOMATIC, days=2)
    before = counted("confirmed", "automatic")
    code = await calendar.opens(DUE)
    await calendar.day(MONDAY)
    assert (await calendar.row(code))["due_at"] == datetime(2026, 11, 26, 17, tzinfo=CIVIL_ZONE)
    assert await calendar.told() == [("new_due_date", code)]
    assert counted("confirmed", "automatic") == before + 1
    await calendar.day(local(25))
    await calendar.day(local(27))
    assert (await calendar.told())[1:] == [("due_tomorrow", code), ("overdue", code)]  # by the new date, and no other


async def test_an_automatic_apology_nobody_gave_in_time_has_a_date_of_today(calendar: Calendar) -> None:
    code, draft = await late(calendar)
    await calendar.owner.execute("UPDATE apology SET automatic = true")
    await calendar.day(local(10, month=12))
    assert draft.proposed_on < date(2026, 12, 10)
    assert (await calendar.row(code))["due_at"] == datetime(2026, 12, 17, 17, tzinfo=CIVIL_ZONE)


async def test_the_nearest_agencys_policy_counts(calendar: Calendar) -> None:
    await has_policy(calendar, Policy.AUTOMATIC, code="H05")
    await has_policy(calendar, Policy.NONE)
    await calendar.opens(DUE)
    await calendar.day(MONDAY)
    assert await calendar.owner.fetchval("SELECT count(*) FROM apology") == 0
    async with calendar.database.transaction(Role.OPERATOR) as operator:
        found = [(row["agency"], row["policy"], row["days"]) for row in await policies(operator)]
        assert found == [("H05", "automatic", 5), ("H05.16", "none", 5)]
        assert await drop_policy(operator, calendar.tenant.agency_id)
        assert not await drop_policy(operator, calendar.tenant.agency_id)
        with pytest.raises(Invalid):
            await set_policy(operator, calendar.tenant.agency_id, Policy.OFFICER, days=0)


async def test_what_the_sender_repeats_of_the_old_date_is_no_news_and_what_it_says_anew_counts(
    calendar: Calendar,
) -> None:
    code, draft = await late(calendar)
    given = await calendar.apologies.confirm(calendar.tenant, draft.apology_id, actor=OFFICER)
    queued = len(await calendar.told())

    def stated(at: datetime, due_at: datetime) -> DossierFacts:
        return DossierFacts(
            code=code,
            receiving_agency=calendar.tenant.agency_id,
            status=Status.PROCESSING,
            status_at=at,
            received_at=local(2),
            due_at=due_at,
            phone=PHONE,
        )

    # Newer, as old as the status that stands, and older than it; the same day at another time of it.
    for at, due_at in (
        (local(25), DUE),
        (local(25), DUE.replace(hour=9)),
        (local(25), DUE.replace(hour=10)),
        (local(3), DUE),
    ):
        (result,) = await calendar.sends(stated(at, due_at))
        assert result.outcome is Outcome.STORED
        assert (await calendar.row(code))["due_at"] == given.new_due_at
    assert "new_due_date" not in {event for event, _ in (await calendar.told())[queued:]}
    await calendar.sends(stated(local(26), local(10, 17, month=12)))
    assert (await calendar.row(code))["due_at"] == local(10, 17, month=12)
    assert (await calendar.told())[-1] == ("new_due_date", code)


async def test_what_happened_before_the_apology_and_is_told_after_it_still_counts(calendar: Calendar) -> None:
    code, draft = await late(calendar)
    await calendar.apologies.confirm(calendar.tenant, draft.apology_id, actor=OFFICER)
    await calendar.moves(code, Status.COMPLETED, local(20, 16))
    row = await calendar.row(code)
    assert (row["status"], row["finished_at"]) == (Status.COMPLETED, local(20, 16))


async def test_a_draft_of_what_is_no_longer_late_is_neither_shown_nor_confirmed_and_lapses(calendar: Calendar) -> None:
    code, draft = await late(calendar)
    await calendar.moves(code, Status.COMPLETED, local(23, 9))
    assert await calendar.apologies.waiting(calendar.tenant) == []
    with pytest.raises(ChangedMeanwhile):
        await calendar.apologies.confirm(calendar.tenant, draft.apology_id, actor=OFFICER)
    await calendar.day(local(23, 10))
    lapsed = await calendar.apologies.get(calendar.tenant, draft.apology_id)
    assert lapsed.state is State.LAPSED
    assert [act.act for act in await calendar.apologies.acts(calendar.tenant, draft.apology_id)] == [
        "drafted",
        "lapsed",
    ]


async def test_only_the_agency_those_above_it_and_the_office_that_resolves_see_and_decide(calendar: Calendar) -> None:
    office = tenant_of(calendar, "H26")
    code, draft = await late(calendar, resolving_agency=office.agency_id)
    for reader in (calendar.tenant, tenant_of(calendar, "H05"), office):
        assert [one.code for one in await calendar.apologies.waiting(reader)] == [code]
    for stranger in (tenant_of(calendar, "H29"), tenant_of(calendar, "H05.16", test=True)):
        assert await calendar.apologies.waiting(stranger) == []
        with pytest.raises(NotFound):
            await calendar.apologies.get(stranger, draft.apology_id)
        with pytest.raises(NotFound):
            await calendar.apologies.confirm(stranger, draft.apology_id, actor="key:x")
    given = await calendar.apologies.confirm(office, draft.apology_id, actor="key:office")
    assert (await calendar.row(code))["due_at"] == given.new_due_at
    assert len(await calendar.apologies.acts(office, draft.apology_id)) == 2


async def test_drafts_are_listed_in_pages(calendar: Calendar) -> None:
    for n in range(5):
        await calendar.opens(local(20, 9, n))
    await calendar.day(MONDAY)
    first = await calendar.apologies.waiting(calendar.tenant, limit=3)
    rest = await calendar.apologies.waiting(calendar.tenant, after=first[-1].apology_id, limit=3)
    assert [one.code[-1] for one in (*first, *rest)] == ["1", "2", "3", "4", "5"]


async def test_whoever_is_called_back_about_changes_hears_of_the_new_date(calendar: Calendar, seal: Seal) -> None:
    await Receivers(calendar.database, seal).add(
        calendar.tenant, "https://a.example/h", statuses=None, description="", email=None
    )
    _, draft = await late(calendar)
    await calendar.apologies.confirm(calendar.tenant, draft.apology_id, actor=OFFICER)
    due = await calendar.owner.fetchval("SELECT due_at FROM callback_change ORDER BY id DESC LIMIT 1")
    assert due == datetime(2026, 12, 1, 17, tzinfo=CIVIL_ZONE)


@pytest.mark.parametrize("language", Language)
async def test_the_letter_says_who_why_and_until_when_and_names_nobody(calendar: Calendar, language: Language) -> None:
    _, draft = await late(calendar, applicant_name="Nguyễn Văn An")
    letter = calendar.apologies.letter(draft, language)
    vietnamese = language is Language.VIETNAMESE
    for part in (draft.code, "thứ Sáu, 20/11/2026" if vietnamese else "Friday, 20 November 2026"):
        assert part in letter
    assert ("thứ Ba, 01/12/2026" if vietnamese else "Tuesday, 1 December 2026") in letter
    assert "Nguyễn Văn An" not in letter
    assert "{" not in letter
