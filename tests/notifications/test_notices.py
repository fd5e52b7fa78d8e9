"""Under which name an office's notices leave."""

from database.pool import Database
from domain.status import Status
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.notices import Notices
from tests.notifications.conftest import OFFICE, Dispatch, Office, Phones


async def name_told(office: Office, dispatch: Dispatch, senders: dict[str, str]) -> str | None:
    registry = Registry(office.database)
    await registry.refresh()
    dispatch.notices = Notices(office.seal, registry, senders=senders)
    phones = Phones()
    await office.moves(await office.opens(), Status.PROCESSING)
    await dispatch.once(phones)
    return phones.told[0].sender


async def test_a_notice_has_the_name_of_its_office(office: Office, dispatch: Dispatch) -> None:
    assert await name_told(office, dispatch, {OFFICE: "SNVBacNinh", "H05": "UBNDBacNinh"}) == "SNVBacNinh"


async def test_an_office_without_a_name_uses_that_of_the_one_above(office: Office, dispatch: Dispatch) -> None:
    assert await name_told(office, dispatch, {"H05": "UBNDBacNinh", "H01": "Other"}) == "UBNDBacNinh"


async def test_without_a_name_the_gateways_own_is_used(office: Office, dispatch: Dispatch) -> None:
    assert await name_told(office, dispatch, {"H01": "Other"}) is None


async def test_a_reply_comes_from_the_number_that_was_written_to_whatever_the_office_is_called(
    office: Office, dispatch: Dispatch, database: Database, seal: Seal
) -> None:
    registry = Registry(database)
    await registry.refresh()
    dispatch.notices = Notices(seal, registry, senders={OFFICE: "SNVBacNinh"})
    await office.answers("đáp")
    phones = Phones()
    await dispatch.once(phones)
    assert phones.told[0].sender is None
