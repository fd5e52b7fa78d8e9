"""Kannel's calls as it makes them (recorded from Kannel 1.4.5), and ours to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import channels.provider_call
from channels.sms.kannel import KannelChannel, KannelSettings
from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import InDoubt, Malformed, TryLater, Unavailable, Undeliverable
from domain.message import DeliveryState, HandedOver, Incoming, MessageKind, Outgoing
from lookup.sealing import Seal
from notifications.outbox import Outbox
from notifications.reports import Reports
from tests.channels.edge import edge
from tests.channels.sms.stub_gateway import StubGateway, stub_gateway

Client = TestClient[web.Request, web.Application]
SECRET = "hook-secret-of-the-tests"
MO = f"/webhooks/kannel/{SECRET}/mo"
DLR = f"/webhooks/kannel/{SECRET}/dlr"
NOW = datetime(2026, 11, 10, 3, 0, 30, tzinfo=UTC)
PHONE = Contact(channel=ChannelName.SMS, address="+84901234567")


@dataclass
class Wire:
    """A Kannel channel between a client that plays smsbox and a stub that plays sendsms."""

    channel: KannelChannel
    client: Client
    gateway: StubGateway
    heard: list[Incoming] = field(default_factory=list)
    database_is_away: bool = False
    now: datetime = NOW

    async def get(self, query: str) -> int:
        """The status that smsbox gets for an MO by get-url."""
        return (await self.client.get(f"{MO}?{query}")).status

    async def texts(self) -> list[str]:
        return [incoming.text for incoming in self.heard]


Make = Callable[..., Awaitable[Wire]]


@pytest.fixture
async def make(seal: Seal, aiohttp_client: Callable[[web.Application], Awaitable[Client]]) -> AsyncIterator[Make]:
    """Makes a wire; without a database it takes no reports."""
    async with stub_gateway() as gateway, aiohttp.ClientSession() as http:

        async def made(database: Database | None = None, **changed: object) -> Wire:
            async def heard(incoming: Incoming) -> bool:
                if made_wire.database_is_away:
                    raise Unavailable("The message could not be recorded.")
                made_wire.heard.append(incoming)
                return True

            given_settings = KannelSettings(
                **{
                    "sendsms_url": gateway.url,
                    "username": "app",
                    "password": "p&w=d",
                    "sender": "8088",
                    "hook_secret": SECRET,
                    **changed,
                }  # type: ignore[arg-type]
            )
            channel = KannelChannel(
                given_settings,
                http=http,
                heard=heard,
                reports=Reports(database or Database(url="", pools={})),
                seal=seal,
                public_url="https://motma.example/",
                clock=lambda: made_wire.now,
            )
            client = await aiohttp_client(edge(channel.routes()))
            made_wire = Wire(channel=channel, client=client, gateway=gateway)
            return made_wire

        yield made


@pytest.fixture
async def wire(make: Make) -> Wire:
    return await make()


@pytest.fixture
async def reporting_wire(make: Make, database: Database) -> Wire:
    """A wire whose reports reach the store."""
    return await make(database)


# --- texts in ---


async def test_a_text_by_get_with_mo_recode(wire: Wire) -> None:
    query = (
        "from=%2B84901234567&to=8088&text=Tra+c%E1%BB%A9u&coding=0&charset=UTF-8&smsc=FAKE&ts=2026-11-22+07:04:26"
        "&id=29ee5404-6698-498c-b59d-86a00f96bce3"
    )
    assert await wire.get(query) == 200
    assert wire.heard == [
        Incoming(
            sender=PHONE,
            recipient="8088",
            text="Tra cứu",
            external_id="kannel:29ee5404-6698-498c-b59d-86a00f96bce3",
            received_at=NOW,
        )
    ]


async def test_a_text_by_get_in_percent_encoded_utf_16(wire: Wire) -> None:
    text = "%00T%00r%00a%00+%00c%1E%E9%00u"
    assert await wire.get(f"from=%2B84901234567&to=8088&text={text}&coding=2&charset=UTF-16BE&id=1") == 200
    assert await wire.get(f"from=%2B84901234567&to=8088&text={text}&coding=2&id=2") == 200
    assert await wire.texts() == ["Tra cứu", "Tra cứu"]


async def test_a_text_by_post_with_everything_in_the_query(wire: Wire) -> None:
    headers = {"Content-Type": 'text/plain; charset="UTF-8"', "X-Kannel-From": "+84901234567"}
    query = "from=%2B84901234567&to=8088&coding=0&charset=UTF-8&smsc=FAKE&id=2bf21c9c"
    response = await wire.client.post(f"{MO}?{query}", data="Tra cứu".encode(), headers=headers)
    assert response.status == 200
    assert await response.read() == b""
    assert [(i.text, i.external_id, i.recipient) for i in wire.heard] == [("Tra cứu", "kannel:2bf21c9c", "8088")]


async def test_a_text_by_post_with_everything_in_the_headers(wire: Wire) -> None:
    headers = {
        "Content-Type": 'text/plain; charset="UTF-16BE"',
        "X-Kannel-From": "+84901234567",
        "X-Kannel-To": "8088",
        "X-Kannel-Coding": "2",
    }
    response = await wire.client.post(MO, data="Tra cứu".encode("utf-16-be"), headers=headers)
    assert response.status == 200
    assert [(i.sender, i.recipient, i.text) for i in wire.heard] == [(PHONE, "8088", "Tra cứu")]


async def test_a_text_by_post_as_a_form(wire: Wire) -> None:
    form = {"from": "84901234567", "to": "8088", "text": "Tra cứu", "id": "9"}
    assert (await wire.client.post(MO, data=form)).status == 200
    assert await wire.texts() == ["Tra cứu"]


@pytest.mark.parametrize(
    ("text", "coding", "charset", "expected"),
    [
        ("%01%02%FF", "1", "8-BIT", ""),
        ("%00%11%1B%65", "0", "GSM", "@_€"),
        ("Tr%E0", "0", "ISO-8859-1", "Trà"),
        ("Tr%E0", "0", "UTF-8", "Trà"),
        ("Tr%E0", "0", "klingon", "Trà"),
        ("%00A%00B%D8", "2", "UCS-2", "AB\ufffd"),
        ("A%00B%0A", "0", "", "AB"),
        ("e%CC%82%CC%81", "0", "UTF-8", "ế"),
        ("%F0%9F%98%80", "0", "UTF-8", "😀"),
        ("%D8=%DE%00", "2", "UTF-16BE", "😀"),
        ("", "0", "UTF-8", ""),
    ],
)
async def test_every_encoding_becomes_clean_text(
    wire: Wire, text: str, coding: str, charset: str, expected: str
) -> None:
    assert await wire.get(f"from=84901234567&to=8088&text={text}&coding={coding}&charset={charset}&id=1") == 200
    assert await wire.texts() == [expected]


@pytest.mark.parametrize("sender", ["+84901234567", "%2B84901234567", "84901234567", "0084901234567", "0901234567"])
async def test_one_phone_is_one_sender_however_it_is_written(wire: Wire, sender: str) -> None:
    await wire.get(f"from={sender}&to=8088&text=a&id=1")
    assert wire.heard[0].sender == PHONE


async def test_without_an_id_the_same_words_in_the_same_minute_are_one_message(wire: Wire) -> None:
    for text, seconds in (("a", 0), ("a", 20), ("b", 0), ("a", 60)):
        wire.now = NOW + timedelta(seconds=seconds)
        await wire.get(f"from=84901234567&to=8088&text={text}")
    ids = [incoming.external_id for incoming in wire.heard]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert "901234567" not in ids[0]


@pytest.mark.parametrize("query", ["", "to=8088&text=a", "from=&text=a", "from=%00&text=a", "%ff=%ff&&==&a"])
async def test_a_text_from_nobody_is_refused_and_not_recorded(wire: Wire, query: str) -> None:
    assert await wire.get(query) == 400
    assert wire.heard == []


@pytest.mark.parametrize("path", ["/webhooks/kannel/wrong/mo", "/webhooks/kannel/%FF%00/mo", "/webhooks/kannel/é/dlr"])
async def test_who_does_not_know_the_secret_finds_nothing(wire: Wire, path: str) -> None:
    response = await wire.client.get(f"{path}?from=84901234567&text=a&type=1&mid=1")
    nowhere = await wire.client.get("/no/such/address")
    assert (response.status, await response.read()) == (nowhere.status, await nowhere.read())
    assert response.status == 404
    assert wire.heard == []


async def test_while_a_secret_is_replaced_both_are_good_and_ours_is_the_new_one(make: Make) -> None:
    wire = await make(hook_secret=f"brand-new-secret, {SECRET}")
    assert await wire.get("from=84901234567&to=8088&text=a&id=1") == 200
    assert (await wire.client.get("/webhooks/kannel/brand-new-secret/mo?from=84901234567&text=b&id=2")).status == 200
    await wire.channel.send(Outgoing(message_id=1, to=PHONE, text="a"))
    assert "/webhooks/kannel/brand-new-secret/dlr?" in wire.gateway.calls[0]["dlr-url"]


async def test_what_cannot_be_recorded_is_to_be_sent_again(wire: Wire) -> None:
    wire.database_is_away = True
    response = await wire.client.get(f"{MO}?from=84901234567&to=8088&text=a&id=1")
    assert response.status == 503
    assert int(response.headers["Retry-After"]) >= 1


async def test_a_body_over_the_limit_is_refused(wire: Wire) -> None:
    response = await wire.client.post(f"{MO}?from=84901234567", data=b"a" * 16_385)
    assert response.status == 413
    assert wire.heard == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["from", "to", "text", "coding", "charset", "id", "type", "mid"]), st.binary(max_size=60)
    ),
    st.booleans(),
    st.sampled_from([MO, DLR]),
)
async def test_no_call_whatever_its_bytes_gets_a_5xx(
    reporting_wire: Wire, fields: dict[str, bytes], post: bool, path: str
) -> None:
    query = "&".join(f"{name}={quote(value)}" for name, value in fields.items())
    if post:
        response = await reporting_wire.client.post(f"{path}?{query}", data=fields.get("text", b"\xff"))
    else:
        response = await reporting_wire.client.get(f"{path}?{query}")
    assert response.status in {200, 400}
    for incoming in reporting_wire.heard:
        assert "\x00" not in incoming.text + incoming.external_id + incoming.sender.address
        (incoming.text + incoming.external_id + incoming.recipient).encode()


# --- reports ---


async def _queued(database: Database, seal: Seal) -> int:
    async with database.transaction(Role.WORKER) as connection:
        queued = await Outbox(seal).queue(
            connection, PHONE, "text", kind=MessageKind.REPLY, expires_in=timedelta(hours=1)
        )
    assert queued is not None
    return queued


async def _state(database: Database, message_id: int) -> DeliveryState:
    async with database.connection(Role.WORKER) as connection:
        return DeliveryState(await connection.fetchval("SELECT state FROM message WHERE id = $1", message_id))


async def test_delivered_may_come_before_accepted(reporting_wire: Wire, database: Database, seal: Seal) -> None:
    mid = await _queued(database, seal)
    for kind, reply, state in (
        ("4", "", DeliveryState.ON_ITS_WAY),
        ("1", "", DeliveryState.DELIVERED),
        ("8", "ACK%2F", DeliveryState.DELIVERED),
        ("2", "NACK%2F8", DeliveryState.DELIVERED),
    ):
        response = await reporting_wire.client.get(f"{DLR}?mid={mid}&type={kind}&id=0ad8863c&reply={reply}")
        assert response.status == 200
        assert await _state(database, mid) is state
    async with database.connection(Role.WORKER) as connection:
        words = await connection.fetch(
            "SELECT provider_word FROM delivery_report WHERE message_id = $1 ORDER BY id", mid
        )
    assert [row["provider_word"] for row in words] == ["4", "1", "8 ACK/", "2 NACK/8"]


@pytest.mark.parametrize("kind", ["2", "16"])
async def test_a_message_refused_by_the_network_has_failed(
    reporting_wire: Wire, database: Database, seal: Seal, kind: str
) -> None:
    mid = await _queued(database, seal)
    await reporting_wire.client.get(f"{DLR}?mid={mid}&type={kind}&id=")
    assert await _state(database, mid) is DeliveryState.FAILED


@pytest.mark.parametrize("mid", ["999999", "-1", "0", "abc", "", "9" * 30, "9223372036854775808", "٣"])
async def test_a_report_about_a_message_we_do_not_know_is_taken_and_creates_nothing(
    reporting_wire: Wire, database: Database, mid: str
) -> None:
    response = await reporting_wire.client.get(f"{DLR}?mid={quote(mid)}&type=1&id=1")
    assert response.status == 200
    async with database.connection(Role.WORKER) as connection:
        assert await connection.fetchval("SELECT count(*) FROM delivery_report") == 0


@pytest.mark.parametrize("kind", ["", "x", "-1", "99999999999999999999"])
async def test_a_report_that_reports_nothing_is_refused(reporting_wire: Wire, kind: str) -> None:
    assert (await reporting_wire.client.get(f"{DLR}?mid=1&type={kind}")).status == 400


# --- texts out ---


async def test_a_vietnamese_text_leaves_without_accents_in_gsm_7(wire: Wire) -> None:
    handed = await wire.channel.send(
        Outgoing(message_id=77, to=PHONE, text="Hồ sơ “H05” & phí 5€ + 10%: đúng hạn…", sender="8100")
    )
    assert handed == HandedOver(provider_id=None)
    call = wire.gateway.calls[0]
    assert (call["to"], call["from"], call["username"], call["password"]) == ("+84901234567", "8100", "app", "p&w=d")
    assert (call["text"], call["coding"], call["charset"]) == (
        'Ho so "H05" & phi 5€ + 10%: dung han...',
        "0",
        "UTF-8",
    )
    assert call["dlr-mask"] == "31"
    assert call["dlr-url"] == (f"https://motma.example/webhooks/kannel/{SECRET}/dlr?mid=77&type=%d&id=%F&reply=%A")


async def test_accents_are_sent_in_ucs_2_when_configured(make: Make) -> None:
    wire = await make(accented=True, hook_url="http://127.0.0.1:8080")
    await wire.channel.send(Outgoing(message_id=1, to=PHONE, text="Hồ sơ"))
    call = wire.gateway.calls[0]
    assert (call["text"], call["coding"], call["charset"], call["from"]) == ("Hồ sơ", "2", "UTF-8", "8088")
    assert urlsplit(call["dlr-url"]).netloc == "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("status", "body"),
    [(202, "0: Accepted for delivery"), (202, "3: Queued for later delivery"), (200, "0: Accepted for delivery")],
)
async def test_taken_is_taken(wire: Wire, status: int, body: str) -> None:
    wire.gateway.status, wire.gateway.body = status, body
    assert await wire.channel.send(Outgoing(message_id=1, to=PHONE, text="a")) == HandedOver(provider_id=None)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, "Empty receiver number not allowed, rejected", Undeliverable),
        (400, "Number(s) has/have been denied by white- and/or black-lists.", Undeliverable),
        (403, "Authorization failed for sendsms", TryLater),
        (404, "Unknown request.", TryLater),
        (302, "", TryLater),
        (429, "", TryLater),
        (500, "", TryLater),
        (503, "Temporal failure, try again later.", TryLater),
        (202, "", InDoubt),
        (200, "Sent.", InDoubt),
    ],
)
async def test_each_refusal_says_whether_to_try_again(
    wire: Wire, status: int, body: str, error: type[Exception]
) -> None:
    wire.gateway.status, wire.gateway.body = status, body
    with pytest.raises(error):
        await wire.channel.send(Outgoing(message_id=1, to=PHONE, text="a"))
    assert len(wire.gateway.calls) == 1


async def test_the_gateways_own_wish_when_to_come_again_is_kept(wire: Wire) -> None:
    wire.gateway.status, wire.gateway.headers = 503, {"Retry-After": "30"}
    with pytest.raises(TryLater) as refusal:
        await wire.channel.send(Outgoing(message_id=1, to=PHONE, text="a"))
    assert refusal.value.after == timedelta(seconds=30)


async def test_a_connection_that_breaks_before_the_answer_leaves_a_doubt_and_one_message(wire: Wire) -> None:
    """aiohttp would repeat the GET by itself: the gateway would send the text twice."""
    wire.gateway.breaks_off = True
    with pytest.raises(InDoubt):
        await wire.channel.send(Outgoing(message_id=1, to=PHONE, text="a"))
    assert len(wire.gateway.calls) == 1


async def test_a_gateway_that_never_answers_leaves_a_doubt(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels.provider_call, "CALL_LIMIT", 0.2)
    wire.gateway.hangs = True
    with pytest.raises(InDoubt):
        await wire.channel.send(Outgoing(message_id=1, to=PHONE, text="a"))
    assert len(wire.gateway.calls) == 1


async def test_no_connection_is_no_doubt(make: Make) -> None:
    wire = await make(sendsms_url="http://127.0.0.1:9/cgi-bin/sendsms")
    with pytest.raises(TryLater):
        await wire.channel.send(Outgoing(message_id=1, to=PHONE, text="a"))


@pytest.mark.parametrize(
    "changed", [{"hook_secret": None}, {"hook_secret": " , "}, {"hook_secret": "a/b%d"}, {"sendsms_url": None}]
)
async def test_incomplete_settings_do_not_open_the_channel(make: Make, changed: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        await make(**changed)


def test_passwords_do_not_show_in_settings() -> None:
    shown = repr(KannelSettings(password="p&w=d", hook_secret=SECRET))
    assert "p&w=d" not in shown
    assert SECRET not in shown
