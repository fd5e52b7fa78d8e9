"""The parsers, each as a function of bytes that may raise `ServiceError` and nothing else, and what real input looks
like."""

import json
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
from telegram import Update

from channels.agency_api import cloud_events, payloads, table_files
from channels.conversation.auto_replies import alike, says_automatic
from channels.conversation.keywords import understood, yes_or_no
from channels.meta.page_events import of_page
from channels.meta.webhook import events
from channels.pictures import _read as picture_read
from channels.sms import infobip, kannel, speedsms, vonage_messages
from channels.sms.calls import fields, first, json_as, mended, our_id, pairs, text_of
from channels.sms.generic import ReceivedText
from channels.sms.numbers import is_mobile, sender_address
from channels.sms.plain import plain
from channels.sms.received import received
from channels.sms.segments import from_gsm7, segments
from channels.standard_webhooks import Verifier
from channels.telegram.updates import meaning
from channels.web.front_door import _forwarded_in
from channels.web.widget.script import Widget
from channels.zalo.bot import _Update as ZaloBotUpdate
from channels.zalo.events import read as read_zalo
from channels.zalo.signature import Verifier as ZaloVerifier
from domain.civil_time import utc_now
from domain.errors import ServiceError
from domain.vietnamese import clean, folded
from feedback_intake.numbers import number_in
from lookup import cells
from lookup.code_finder import find, read, words_besides
from lookup.receipt_tokens import Receipt, ReceiptKeys

CHANNELS = Path(__file__).parents[1] / "channels"
CHATS = CHANNELS / "conversation" / "chats"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One parser. `read` raises what no parser may raise; `seeds` are inputs to begin with.

    `seconds` of our own time are the most that one input may take.
    """

    read: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    largest: int = 10_000  # bytes; what is longer is refused before it is parsed, or may take longer
    seconds: float = 0.05


class Unfit(AssertionError):
    """A parser let something through that it must not."""


def storable(*texts: str | None) -> None:
    """What leaves a parser fits the store. Raises `Unfit`."""
    for text in texts:
        if text is not None:
            if "\x00" in text:
                raise Unfit("U+0000 came through")
            text.encode()


def same(one: object, other: object, what: str) -> None:
    """Raises `Unfit` for what differs."""
    if one != other:
        raise Unfit(what)


def words(data: bytes) -> str:
    """A text as it stands after our entry."""
    return clean(data.decode("utf-8", "replace"))


# --- what people type ---


def codes(data: bytes) -> None:
    """The code finder: the same in NFC and NFD, done once."""
    text = data.decode("utf-8", "surrogateescape")
    cleaned = clean(text)
    storable(cleaned)
    same(clean(cleaned), cleaned, "cleaning twice")
    reading = read(cleaned)
    found = find(cleaned)
    storable(reading.value, reading.rest, *reading.candidates, words_besides(cleaned, found))
    if text.isprintable() and unicodedata.is_normalized("NFC", text):
        decomposed = clean(unicodedata.normalize("NFD", text))
        same(read(decomposed).candidates, reading.candidates, "NFD reads otherwise")
    number_in(cleaned)


def keywords(data: bytes) -> None:
    """What a message asks for."""
    text = words(data)
    typed = understood(text)
    storable(typed.rest, folded(text), plain(text), alike(text))
    yes_or_no(text)
    says_automatic(text)
    segments(plain(text))


def phones(data: bytes) -> None:
    """Senders' numbers: one spelling, done once."""
    address = sender_address(data.decode("utf-8", "replace"))
    storable(address)
    same(sender_address(address), address, "reading a sender twice")
    if is_mobile(address) and not address.isascii():
        raise Unfit("a phone of other digits")


def receipts(data: bytes) -> None:
    """Receipt tokens, alone and within an address."""
    text = words(data)
    keys().read(text)
    keys().read(read(text).value)


# --- what gateways send ---


def kannel_calls(data: bytes) -> None:
    """A text and a delivery report of Kannel; forms and queries as all gateways send them."""
    given = fields(data)
    storable(clean(kannel._decoded(given)), sender_address(first(given, "from")), clean(first(given, "to")))
    our_id(first(given, "mid"))
    same({text_of(name) for name, _ in pairs(data)}, set(given), "a field was lost")
    storable(*(clean(mended(text_of(value))) for value in given.values()))
    from_gsm7(data)


def json_of_gateways(data: bytes) -> None:
    """Texts and reports as JSON: Infobip, Vonage, SpeedSMS."""
    for shape in (infobip.ReportedMessages, speedsms.Report, vonage_messages.Call):
        try:
            json_as(shape, data)
        except ServiceError:
            continue
    for text in json_as(infobip.ReceivedTexts, data).results:
        heard = received(
            "infobip",
            sender=text.sender or "",
            recipient=text.recipient or "",
            text=text.text or "",
            message_id=text.message_id or "",
            at=utc_now(),
        )
        storable(heard.text, heard.recipient, heard.external_id, heard.sender.address)


def signed_texts(data: bytes) -> None:
    """The generic webhook: the signature's headers, and the body."""
    head, _, body = data.partition(b"\n\n")
    lines = (line.partition(b":") for line in head.split(b"\n"))
    headers = {text_of(name).lower(): text_of(value) for name, _, value in lines}
    try:
        Verifier((b"key",)).message_id(headers, body)
    except ServiceError:
        pass
    else:
        raise Unfit("a forged call is taken for genuine")
    try:
        told = msgspec.json.decode(body, type=ReceivedText)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    storable(clean(told.text), clean(told.id), clean(told.recipient), sender_address(told.sender))


# --- what platforms send ---


def zalo(data: bytes) -> None:
    """Events of an Official Account, and updates of a bot."""
    try:
        ZaloVerifier("1", (b"key",)).signed_at({}, data, now=utc_now())
    except ServiceError:
        pass
    else:
        raise Unfit("a forged call is taken for genuine")
    with suppress(ValueError, RecursionError):
        msgspec.json.decode(data, type=ZaloBotUpdate)
    event = read_zalo(data)
    storable(event.name, event.person, event.account, event.text, event.url, event.tracking_id, *event.message_ids)


def telegram(data: bytes) -> None:
    """Updates. What python-telegram-bot raises at forms it does not know is caught by the channel."""
    try:
        update = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    try:
        said = meaning(Update.de_json(update))
    except Exception:
        return
    storable(said.chat, said.text)


def meta(data: bytes) -> None:
    """Calls of Messenger and WhatsApp."""
    try:
        call = json.loads(data)
    except (ValueError, RecursionError):
        return
    found = [*events(call), *of_page("1", call)]
    for event in found:
        storable(getattr(event, "text", ""), getattr(event, "person", ""), getattr(event, "account", ""))


# --- what agencies send ---

_DOSSIERS = payloads.Shape(payloads.DossierPayload)
_EVENTS = payloads.Shape(payloads.EventPayload)


def agencies(data: bytes) -> None:
    """Dossiers and events as JSON, one and many, and CloudEvents."""
    for one in (_DOSSIERS.one, _EVENTS.one, cloud_events.structured):
        try:
            one(data)
        except ServiceError:
            continue
    raws = payloads.elements(data)
    _DOSSIERS.many(data)
    _DOSSIERS.each(raws)
    cloud_events.batched(raws)


def tables(data: bytes) -> None:
    """Files of comma-separated values and of JSON lines."""
    for reader in (table_files._csv, table_files._json_lines):
        for row in reader(BytesIO(data), Path(__file__)).rows:
            for cell in row.cells:
                cells.guarded(cell)


# --- what browsers send ---


def pictures(data: bytes) -> None:
    """Photographs that may show a slip."""
    storable(picture_read(data))


def doors(data: bytes) -> None:
    """Heads of requests that may be answered before the framework hears of them; origins a widget is shown on."""
    if data.endswith(b"\r\n\r\n"):  # else it is nothing for this door
        _forwarded_in(data)
    try:
        Widget(data.decode("utf-8", "replace"))
    except ValueError:
        return


# --- what real input looks like ---


def payload_files(folder: str) -> Iterable[bytes]:
    """The recorded payloads of a channel; of a file with many, each."""
    for file in sorted((CHANNELS / folder / "payloads").glob("*.json")):
        yield file.read_bytes()


def lines_of_chats() -> Iterable[bytes]:
    """Everything people say in the chats of the tests."""
    for file in sorted(CHATS.glob("*.txt")):
        yield from (line.strip("> ").encode() for line in file.read_text().splitlines() if line.strip())


def gateways_json() -> Iterable[bytes]:
    """The recorded calls of gateways."""
    recorded = json.loads((CHANNELS / "sms" / "payloads" / "infobip.json").read_bytes())
    yield from (json.dumps(recorded[name]).encode() for name in ("texts", "reports"))
    yield b'{"message_uuid":"aaaa-bbbb","to":"84588888888","from":"84901234567","channel":"sms","text":"HS"}'
    yield b'{"type":"report","tranId":"12","phone":"84901234567","status":0}'


def forms() -> Iterable[bytes]:
    """Forms and queries of gateways."""
    recorded = json.loads((CHANNELS / "sms" / "payloads" / "esms_receipts.json").read_bytes())
    yield from (one["query"].encode() for one in recorded["receipts"])
    yield b"from=%2B84901234567&to=8088&text=%1E%DD&coding=2&charset=UTF-16BE&id=1"
    yield b"mid=12&type=8&id=aabb&reply=ACK%2F"


def sheets() -> Iterable[bytes]:
    """Files of agencies."""
    yield 'Mã hồ sơ;Tên;Trạng thái\nH05.16-261102-0001;"Nguyễn; An";2\n'.encode()
    yield b"code,status\nH05.16-261102-0001,2\n"
    yield b'{"code":"H05.16-261102-0001","status":2}\n'


def dossiers() -> Iterable[bytes]:
    """Items of the agencies' API."""
    dossier = {
        "code": "H05.16-261102-0001",
        "procedure": {"code": "1.005129"},
        "receiving_agency": "H05.16",
        "filing_channel": 1,
        "applicant": {"name": "Nguyễn Văn An", "phone": "0901234567"},
        "received_at": "2026-11-02T08:00:00+07:00",
        "status": 1,
        "status_at": "2026-11-02T08:00:00+07:00",
    }
    event = {"id": "a/1", "code": "H05.16-261102-0001", "status": 2, "at": "2026-11-02T09:00:00+07:00"}
    cloud = {"specversion": "1.0", "id": "1", "source": "/a", "type": "status", "data": event}
    for one in (dossier, event, cloud):
        yield json.dumps(one).encode()
        yield json.dumps([one, one]).encode()


def tokens() -> Iterable[bytes]:
    """Genuine receipts."""
    token = keys().issue(Receipt(code="H05.16-261102-0001", office="H05.16", issued_at=utc_now()))
    return token.encode(), f"https://motma.example/r/{token}".encode()


def drawn() -> Iterable[bytes]:
    """Small pictures of each kind, one with a QR code."""
    import qrcode  # noqa: PLC0415 - only here
    from PIL import Image  # noqa: PLC0415 - only here

    code = qrcode.make("H05.16-261102-0001", box_size=2).get_image().convert("L")
    for image, kind in ((code, "PNG"), (code, "JPEG"), (Image.new("L", (8, 8)), "WEBP")):
        into = BytesIO()
        image.save(into, kind)
        yield into.getvalue()


def heads() -> Iterable[bytes]:
    """Heads of plain look-ups."""
    yield b"Host: a\r\nUser-Agent: b\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n"
    yield b"https://a.gov.vn,https://b.gov.vn:8443"


def numbers() -> Iterable[bytes]:
    """Senders as gateways write them."""
    spelled = ("+84901234567", "0901 234 567", "0084901234567", "8088", "+8100", "VIETTEL", "84-90-123-45-67")
    return (one.encode() for one in spelled)


@cache
def keys() -> ReceiptKeys:
    """Keys of nobody."""
    return ReceiptKeys([b"f" * 32])


TARGETS: dict[str, Target] = {
    "agencies": Target(read=agencies, seeds=dossiers),
    "codes": Target(read=codes, seeds=lines_of_chats),
    "doors": Target(read=doors, seeds=heads),
    "gateways": Target(read=json_of_gateways, seeds=gateways_json),
    "kannel": Target(read=kannel_calls, seeds=forms),
    "keywords": Target(read=keywords, seeds=lines_of_chats),
    "meta": Target(read=meta, seeds=lambda: payload_files("meta")),
    "phones": Target(read=phones, seeds=numbers),
    # Read one at a time in a thread of their own; a few bytes may unpack to as many points as are allowed.
    "pictures": Target(read=pictures, seeds=drawn, seconds=1.0),
    "receipts": Target(read=receipts, seeds=tokens),
    "signed": Target(
        read=signed_texts, seeds=lambda: [b'webhook-id: a\n\n{"id":"1","from":"0901","to":"8","text":"x"}']
    ),
    "tables": Target(read=tables, seeds=sheets),
    "telegram": Target(read=telegram, seeds=lambda: payload_files("telegram")),
    "zalo": Target(read=zalo, seeds=lambda: payload_files("zalo")),
}
