"""What we write, and what each answer of the Bot API means."""

import asyncio
from datetime import timedelta

import pytest

import channels.provider_call
from channels.telegram.opening import TELEGRAM
from domain.contact import Contact
from domain.errors import Gone, InDoubt, ServiceError, TryLater, Undeliverable
from domain.message import Choice, HandedOver, Outgoing
from tests.channels.telegram.bot_api import TOKEN, Fault, Refusal
from tests.channels.telegram.conftest import Make, Wire
from tests.channels.telegram.people import Person


def to(person: Person, text: str = "Hồ sơ <b>H05</b> & phí _5_", choices: tuple[Choice, ...] = ()) -> Outgoing:
    contact = Contact(channel=TELEGRAM, address=str(person.user_id))
    return Outgoing(message_id=7, to=contact, text=text, choices=choices)


@pytest.fixture
async def an(wire: Wire) -> Person:
    """Somebody who has written to the bot."""
    person = Person(wire.api)
    await person.says("a")
    return person


async def test_a_text_arrives_as_it_is_with_its_buttons(wire: Wire, an: Person) -> None:
    handed = await wire.channel.send(to(an, choices=(Choice(label="Thôi", says="BO H05"),)))
    message = await an.receives()
    assert message["text"] == "Hồ sơ <b>H05</b> & phí _5_"
    assert an.buttons() == ["Thôi"]
    assert handed == HandedOver(provider_id=str(message["message_id"]))
    _, call = wire.api.calls[-1]
    assert call["link_preview_options"] == {"is_disabled": True}
    assert "parse_mode" not in call


async def test_a_long_text_arrives_whole_with_the_buttons_at_its_end(wire: Wire, an: Person) -> None:
    lines = [f"{number}. Hồ sơ" for number in range(1000)]
    await wire.channel.send(to(an, "\n".join(lines), (Choice(label="Thôi", says="BO"),)))
    messages = wire.api.messages[an.user_id]
    assert "\n".join(message["text"] for message in messages).split("\n") == lines
    assert ["reply_markup" in message for message in messages] == [False, False, True]


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (Refusal(403, "Forbidden: bot was blocked by the user"), Gone),
        (Refusal(403, "Forbidden: user is deactivated"), Gone),
        (Refusal(403, "Forbidden: bot can't initiate conversation with a user"), Gone),
        (Refusal(400, "Bad Request: chat not found"), Undeliverable),
        (
            Refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1),
            Undeliverable,
        ),
        (Refusal(400, "Bad Request: message is too long"), Undeliverable),
        (Refusal(401, "Unauthorized"), TryLater),
        (Refusal(404, "Not Found"), TryLater),
        (Refusal(409, "Conflict: terminated by other setWebhook"), TryLater),
        (Refusal(429, "Too Many Requests: retry after 7", retry_after=7), TryLater),
        (Refusal(429, "Too Many Requests"), TryLater),
        (Refusal(500, "Internal Server Error: restart"), TryLater),
        (Refusal(502, "Bad Gateway"), TryLater),
    ],
)
async def test_each_refusal_says_whether_to_try_again(
    wire: Wire, an: Person, refusal: Refusal, error: type[ServiceError]
) -> None:
    wire.api.faults["sendMessage"].append(Fault(refusal=refusal))
    with pytest.raises(error) as raised:
        await wire.channel.send(to(an))
    assert type(raised.value) in {error, *error.__subclasses__()}
    assert isinstance(raised.value, Gone) == (error is Gone)
    assert TOKEN not in raised.value.message
    assert len(wire.api.calls) == 1


@pytest.mark.parametrize("status", [302, 400, 403, 404, 413, 502, 503])
async def test_a_page_of_something_in_between_says_nothing_about_the_person(
    wire: Wire, an: Person, status: int
) -> None:
    wire.api.faults["sendMessage"].append(Fault(html=status))
    with pytest.raises(TryLater):
        await wire.channel.send(to(an))


async def test_a_wait_that_telegram_names_is_kept_and_holds_for_the_whole_chat(wire: Wire, an: Person) -> None:
    wire.api.faults["sendMessage"].append(Fault(refusal=Refusal(429, "Too Many Requests", retry_after=30)))
    for _ in range(2):
        with pytest.raises(TryLater) as refusal:
            await wire.channel.send(to(an))
        assert refusal.value.after is not None
        assert timedelta(seconds=29) < refusal.value.after <= timedelta(seconds=30)
    assert wire.api.statuses == [429]
    other = Person(wire.api, 5_550_002)
    await other.says("a")
    await wire.channel.send(to(other))


async def test_an_answer_that_was_lost_leaves_a_doubt_and_one_message(wire: Wire, an: Person) -> None:
    wire.api.faults["sendMessage"].append(Fault(taken=True))
    with pytest.raises(InDoubt):
        await wire.channel.send(to(an))
    assert len(wire.api.messages[an.user_id]) == 1


async def test_a_server_that_does_not_answer_leaves_a_doubt(
    wire: Wire, an: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels.provider_call, "CALL_LIMIT", 0.2)
    released = asyncio.Event()
    wire.api.faults["sendMessage"].append(Fault(waits=released))
    with pytest.raises(InDoubt):
        await wire.channel.send(to(an))
    released.set()


async def test_a_success_that_cannot_be_read_leaves_a_doubt(wire: Wire, an: Person) -> None:
    wire.api.faults["sendMessage"].append(Fault(html=200))
    with pytest.raises(InDoubt):
        await wire.channel.send(to(an))


async def test_no_connection_is_no_doubt(make: Make) -> None:
    wire = await make(api_url="http://127.0.0.1:9")
    with pytest.raises(TryLater):
        await wire.channel.send(to(Person(wire.api)))


async def test_a_message_of_which_a_part_arrived_is_in_doubt(wire: Wire, an: Person) -> None:
    wire.api.faults["sendMessage"] += [Fault(), Fault(refusal=Refusal(429, "Too Many Requests", retry_after=1))]
    with pytest.raises(InDoubt):
        await wire.channel.send(to(an, "Hồ sơ\n" * 1000))


@pytest.mark.parametrize("address", ["-1001234567890", "@motma", "", "٣"])
async def test_nobody_but_people_is_written_to(wire: Wire, address: str) -> None:
    with pytest.raises(Undeliverable):
        await wire.channel.send(Outgoing(message_id=7, to=Contact(channel=TELEGRAM, address=address), text="a"))
    assert wire.api.calls == []
