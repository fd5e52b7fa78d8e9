"""What a provider that reports was silent about for three days ends as such; nobody calls it delivered."""

from datetime import timedelta

from database.pool import Database, Role
from domain.message import DeliveryState
from domain.status import Status
from notifications.no_receipt import NoReceipt
from notifications.reports import Reports
from tests.notifications.conftest import Dispatch, Office, Phones

AGO = "UPDATE message SET handed_over_at = now() - $1::interval"


async def sent(office: Office, dispatch: Dispatch, ago: timedelta) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    await dispatch.once(Phones(name="line"))
    await office.owner.execute(AGO, ago)


async def looked(database: Database, *routes: str) -> None:
    async with database.connection(Role.OPERATOR) as connection:
        await NoReceipt(routes).end(connection)


async def test_silence_for_three_days_is_told_as_silence_and_a_late_receipt_still_counts(
    office: Office, database: Database, dispatch: Dispatch
) -> None:
    await sent(office, dispatch, timedelta(hours=73))
    await looked(database, "line")
    assert await office.states() == [DeliveryState.NO_RECEIPT]
    await Reports(database).report(route="line", state=DeliveryState.DELIVERED, provider_word="late", message_id=1)
    assert await office.states() == [DeliveryState.DELIVERED]


async def test_a_route_without_receipts_and_one_not_silent_for_long_are_left_as_they_are(
    office: Office, database: Database, dispatch: Dispatch
) -> None:
    await sent(office, dispatch, timedelta(hours=73))
    await looked(database, "other")
    assert await office.states() == [DeliveryState.HANDED_OVER]
    await office.owner.execute(AGO, timedelta(hours=71))
    await looked(database, "line")
    assert await office.states() == [DeliveryState.HANDED_OVER]
