"""What somebody looked up is not told again."""

from database.pool import Role
from domain.contact import ChannelName, Contact
from domain.status import Status
from tests.channels.story import CODE, PHONE, STRANGER, Citizen, Line, Office

SEEN = "SELECT contact_digest, version FROM shown"
LONG_KNOWN = "UPDATE dossier SET recorded_at = now() - interval '1 hour'"


async def seen(line: Line) -> dict[bytes, int]:
    """The versions shown, by contact."""
    async with line.core.database.connection(Role.WORKER) as connection:
        return {row[0]: row[1] for row in await connection.fetch(SEEN)}


async def long_known(line: Line) -> None:
    """What was said of dossiers is an hour old."""
    agency = line.office.tenant.agency_id
    async with line.core.database.tenant(agency, test=False) as connection:
        await connection.execute(LONG_KNOWN)


async def test_the_holder_who_asked_has_seen_the_dossier(line: Line, office: Office, citizen: Citizen) -> None:
    await office.files()
    await long_known(line)
    await citizen.says(CODE)
    await citizen.hears()
    assert await seen(line) == {line.core.seal.contact(Contact(channel=ChannelName.SMS, address=PHONE)): 1}


async def test_who_saw_its_stage_alone_has_not_seen_the_dossier(line: Line, office: Office) -> None:
    await office.files()
    await long_known(line)
    stranger = line.citizen(STRANGER)
    await stranger.says(CODE)
    await stranger.hears()
    assert await seen(line) == {}


async def test_a_change_that_may_have_come_while_the_answer_was_made_is_not_taken_as_seen(
    line: Line, office: Office, citizen: Citizen
) -> None:
    await office.files()
    await office.moves(to=Status.COMPLETED)
    await citizen.hears()
    await citizen.says(CODE)
    await citizen.hears()
    assert await seen(line) == {}
