"""Parts of long messages: joined in any order, once, also when a process dies or a part never comes."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.sms.parts import GAP, Joiner, Part
from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Unavailable
from lookup.sealing import Seal
from tests.channels.sms.callers import open_vonage, vonage_text
from tests.channels.sms.calling import NOW, Around, Ear
from tests.channels.sms.conftest import Serve

SENDER = Contact(channel=ChannelName.SMS, address="+84901234567")
WORDS = ("Tra cứu hồ sơ ", "H05.16-261102", "-0001 giúp tôi")


def part(number: int, *, text: str | None = None, total: int = 3, reference: str = "108", salt: str = "") -> Part:
    return Part(
        sender=SENDER,
        recipient="8088",
        text=WORDS[number - 1] if text is None else text,
        provider_id=f"p{salt}{number}",
        received_at=NOW + timedelta(seconds=number),
        reference=reference,
        number=number,
        total=total,
    )


@pytest.fixture
async def joiner(stored: Around) -> Joiner:
    return Joiner("vonage", database=stored.database, seal=stored.seal, heard=stored.ear, patience=timedelta(0))


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))), ids=str)
async def test_parts_in_any_order_make_one_message(order: tuple[int, ...], joiner: Joiner, stored: Around) -> None:
    for number in order:
        assert stored.ear.heard == []
        await joiner.heard(part(number))
    (heard,) = stored.ear.heard
    assert heard.text == "Tra cứu hồ sơ H05.16-261102-0001 giúp tôi"
    assert (heard.sender, heard.recipient) == (SENDER, "8088")
    assert heard.external_id == "vonage:p1"
    assert heard.received_at == NOW + timedelta(seconds=1)


async def test_parts_sent_again_before_and_after_change_nothing(joiner: Joiner, stored: Around) -> None:
    for number in (2, 2, 1, 2, 3, 3, 1, 2):
        await joiner.heard(part(number))
    await joiner.join_waiting()
    assert len(stored.ear.heard) == 1


async def test_all_parts_at_once_over_several_processes_make_one_message(stored: Around) -> None:
    joiners = [Joiner("vonage", database=stored.database, seal=stored.seal, heard=stored.ear) for _ in range(3)]
    for round_number in range(10):
        reference = str(round_number)
        parts = [part(number, reference=reference, salt=f"{reference}-") for number in (1, 2, 3)]
        await asyncio.gather(*(joiner.heard(one) for joiner, one in zip(joiners, parts, strict=True)))
    assert len(stored.ear.heard) == 10
    assert {heard.text for heard in stored.ear.heard} == {"".join(WORDS)}


async def test_what_there_is_is_heard_when_the_rest_does_not_come(joiner: Joiner, stored: Around) -> None:
    await joiner.heard(part(2))
    await joiner.join_waiting()
    (heard,) = stored.ear.heard
    assert heard.text == f"{GAP}{WORDS[1]}{GAP}".strip()
    await joiner.join_waiting()
    assert len(stored.ear.heard) == 1


async def test_nothing_is_joined_before_its_time(stored: Around) -> None:
    joiner = Joiner("vonage", database=stored.database, seal=stored.seal, heard=stored.ear)
    await joiner.heard(part(1))
    await joiner.join_waiting()
    assert stored.ear.heard == []


async def test_a_process_that_dies_between_the_message_and_its_note_leaves_one_message(
    joiner: Joiner, stored: Around
) -> None:
    class Died(Exception):
        pass

    async def dies(incoming: object) -> bool:
        await stored.ear(incoming)  # type: ignore[arg-type]
        raise Died

    dying = Joiner("vonage", database=stored.database, seal=stored.seal, heard=dies)
    await joiner.heard(part(1))
    await joiner.heard(part(2))
    with pytest.raises(Died):
        await dying.heard(part(3))
    await joiner.join_waiting()  # finds them all there
    await joiner.heard(part(3))  # the gateway, never answered, sends it again
    assert [heard.text for heard in stored.ear.heard] == ["".join(WORDS)]


async def test_while_the_message_cannot_be_recorded_the_last_part_is_asked_for_again(
    joiner: Joiner, stored: Around
) -> None:
    await joiner.heard(part(1))
    await joiner.heard(part(2))
    stored.ear.database_is_away = True
    with pytest.raises(Unavailable):
        await joiner.heard(part(3))
    stored.ear.database_is_away = False
    await joiner.heard(part(3))
    assert [heard.text for heard in stored.ear.heard] == ["".join(WORDS)]


async def test_a_reference_used_again_makes_another_message(joiner: Joiner, stored: Around) -> None:
    for salt in ("a", "b"):
        for number in (3, 1, 2):
            await joiner.heard(part(number, salt=salt))
    assert [heard.external_id for heard in stored.ear.heard] == ["vonage:pa1", "vonage:pb1"]


async def test_parts_of_different_people_routes_and_lengths_do_not_mix(joiner: Joiner, stored: Around) -> None:
    stranger = Contact(channel=ChannelName.SMS, address="+84987654321")
    await joiner.heard(part(1, salt="a"))
    await joiner.heard(replace(part(2, salt="b"), sender=stranger))
    await joiner.heard(replace(part(3, salt="c"), recipient="8100"))
    await joiner.heard(part(2, salt="d", total=2))
    await joiner.heard(part(3, salt="e", reference="109"))
    assert stored.ear.heard == []


async def test_a_character_cut_in_half_is_whole_again(joiner: Joiner, stored: Around) -> None:
    await joiner.heard(part(2, text="\ude00b", total=2))
    await joiner.heard(part(1, text="a\ud83d", total=2))
    assert [heard.text for heard in stored.ear.heard] == ["a😀b"]


async def test_nothing_of_a_text_is_kept_in_clear_nor_after_it_was_joined(joiner: Joiner, database: Database) -> None:
    await joiner.heard(part(1))
    async with database.connection(Role.WORKER) as connection:
        row = await connection.fetchrow("SELECT sms_part::text AS all FROM sms_part")
        assert "hồ sơ" not in row["all"]
        assert "901234567" not in row["all"]
        await joiner.heard(part(2))
        await joiner.heard(part(3))
        assert await connection.fetchval("SELECT count(*) FROM sms_part WHERE text_sealed IS NOT NULL") == 0
        await connection.execute("UPDATE sms_part SET joined_at = joined_at - interval '36 days'")
        await joiner.forget_old()
        assert await connection.fetchval("SELECT count(*) FROM sms_part") == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=2, max_size=120), seed=st.integers(0, 999))
async def test_any_text_cut_anywhere_comes_back_whole(text: str, seed: int, seal: Seal, database: Database) -> None:
    dice, ear = random.Random(seed), Ear()
    units = text.encode("utf-16-be", "surrogatepass")
    cuts = sorted(dice.sample(range(2, len(units), 2), min(3, len(units) // 2 - 1)))
    pieces = [
        units[start:end].decode("utf-16-be", "surrogatepass")
        for start, end in zip([0, *cuts], [*cuts, len(units)], strict=True)
    ]
    joiner = Joiner("vonage", database=database, seal=seal, heard=ear)
    salt = str(dice.getrandbits(60))
    numbers = list(range(1, len(pieces) + 1))
    dice.shuffle(numbers)
    for number in numbers:
        one = part(1, text=pieces[number - 1], total=len(pieces), reference=salt, salt=f"{salt}-{number}-")
        await joiner.heard(replace(one, number=number))
    whole = Ear()
    other = Joiner("other", database=database, seal=seal, heard=whole)
    await other.heard(part(1, text=text, total=1, reference=salt, salt=f"{salt}whole"))
    assert [heard.text for heard in ear.heard] == [heard.text for heard in whole.heard]


async def test_vonages_parts_by_its_webhook(stored: Around, serve: Serve) -> None:
    line = await serve(open_vonage(stored))
    for number in (2, 3, 1, 2):
        call = vonage_text(
            WORDS[number - 1],
            number,
            way="form",
            concat="true",
            concat_ref="108",
            concat_total="3",
            concat_part=str(number),
        )
        assert (await line.call(call))[0] == 200
    assert [(heard.text, heard.external_id) for heard in stored.ear.heard] == [("".join(WORDS), f"vonage:{1:016X}")]
