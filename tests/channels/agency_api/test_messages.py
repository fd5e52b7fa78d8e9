"""What was sent about a dossier is told to its agency, and to nobody else."""

from uuid import uuid4

from domain.status import Status
from lookup.api_keys import KeyKind
from lookup.changes import Announcement, Standing
from notifications.outbox import Outbox
from tests.channels.agency_api.conftest import Agency, Stage, dossier

CODE = "H05.16-261102-0001"
MESSAGES = f"/api/v1/dossiers/{CODE}/messages"
HELD = "SELECT id, owner_agency, status_at FROM dossier"


async def announced(stage: Stage, agency: Agency, times: int = 1) -> None:
    await agency.post("/api/v1/dossiers", [dossier(1)])
    (held,) = await stage.rows(HELD)
    async with stage.database.tenant(held["owner_agency"], test=False) as connection:
        for _ in range(times):
            change = Announcement(
                dossier_id=held["id"],
                event_key=uuid4().bytes,
                owner_agency=held["owner_agency"],
                at=held["status_at"],
                newest=True,
                before=None,
                after=Standing(Status.PROCESSING),
            )
            await Outbox(stage.seal).announce(connection, [change])


async def test_each_message_is_told_with_its_life_and_half_its_contact(stage: Stage, agency: Agency) -> None:
    await announced(stage, agency)
    (said,) = (await agency.get(MESSAGES)).json["items"]
    assert (said["state"], said["channel"], said["contact"], said["attempts"]) == ("queued", "sms", "+84…67", 0)
    assert [step["what"] for step in said["timeline"]] == ["queued"]
    assert "next_try_at" in said


async def test_messages_are_walked_by_their_cursor(stage: Stage, agency: Agency) -> None:
    await announced(stage, agency, times=3)
    first = (await agency.get(f"{MESSAGES}?limit=2")).json
    rest = (await agency.get(f"{MESSAGES}?limit=2&cursor={first['cursor']}")).json
    assert (len(first["items"]), first["more"], len(rest["items"]), rest["more"]) == (2, True, 1, False)
    for cursor in "x", "9" * 20, "%C2%B2":
        assert (await agency.get(f"{MESSAGES}?cursor={cursor}")).error == (422, "invalid", "cursor")


async def test_a_foreign_dossier_and_one_that_is_not_there_look_the_same(stage: Stage, agency: Agency) -> None:
    await announced(stage, agency)
    foreign = await (await stage.agency("G01")).get(MESSAGES)
    absent = await (await stage.agency("G01")).get(MESSAGES.replace("0001", "0002"))
    assert (foreign.status, foreign.body) == (absent.status, absent.body)
    assert foreign.error == (404, "not_found", "code")


async def test_a_test_key_sees_no_message_of_the_live_dossier(stage: Stage, agency: Agency) -> None:
    await announced(stage, agency)
    test = await stage.agency(kind=KeyKind.TEST)
    assert (await test.get(MESSAGES)).status == 404
    await test.post("/api/v1/dossiers", [dossier(1)])
    assert (await test.get(MESSAGES)).json["items"] == []
