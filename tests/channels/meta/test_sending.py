"""What we write on Messenger and WhatsApp, and what each answer of the Graph API means."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

import channels.provider_call
from channels.meta.events import MESSENGER, WHATSAPP
from channels.meta.messenger import MessengerChannel
from channels.meta.whatsapp import WhatsAppChannel
from domain.contact import ChannelName, Contact
from domain.errors import Gone, InDoubt, Malformed, ServiceError, TryLater, Undeliverable
from domain.language import Language
from domain.message import Choice, Outgoing
from tests.channels.meta.conftest import NOW, Make, Wire
from tests.channels.meta.graph_api import PAGE_TOKEN, WHATSAPP_TOKEN, Fault
from tests.channels.meta.people import NumberPerson, PagePerson

FACTS = {
    "code": "H05.16-261102-0001",
    "status": "Đang giải quyết",
    "due": "",
    "next": "Xin chờ\ntin tiếp theo",
    "office": "UBND phường Sông Bằng",
    "phone": "",
}
LATELY = NOW - timedelta(hours=1)
CHOICES = (
    Choice(label="Xem chi tiết", says="H05.16-261102-0001"),
    Choice(label="Thôi báo", says="BO H05.16-261102-0001"),
)


def message(
    channel: ChannelName,
    address: str,
    text: str = "Hồ sơ đang giải quyết",
    *,
    choices: tuple[Choice, ...] = (),
    facts: Mapping[str, str] | None = None,
    last_heard: datetime | None = LATELY,
    language: Language = Language.VIETNAMESE,
) -> Outgoing:
    to = Contact(channel=channel, address=address)
    return Outgoing(
        message_id=77, to=to, text=text, choices=choices, facts=facts or {}, last_heard=last_heard, language=language
    )


@pytest.fixture
async def on_messenger(wire: Wire) -> PagePerson:
    """Somebody who has just written to the page."""
    person = PagePerson(wire.api)
    person.silent_for(60)
    return person


@pytest.fixture
async def on_whatsapp(wire: Wire) -> NumberPerson:
    """Somebody who has just written to the number."""
    person = NumberPerson(wire.api)
    person.silent_for(60)
    return person


# --- words ---


async def test_an_answer_on_messenger_with_its_quick_replies(wire: Wire, on_messenger: PagePerson) -> None:
    handed = await wire.messenger.send(message(MESSENGER, on_messenger.address, choices=CHOICES))
    shown = await on_messenger.receives()
    assert shown["text"] == "Hồ sơ đang giải quyết"
    assert on_messenger.buttons() == ["Xem chi tiết", "Thôi báo"]
    assert shown["metadata"] == "77"
    assert handed.provider_id is not None
    assert handed.provider_id not in shown["mid"]
    assert wire.api.calls[0][1]["messaging_type"] == "RESPONSE"


async def test_a_notice_within_the_day_is_an_update(wire: Wire, on_messenger: PagePerson) -> None:
    await wire.messenger.send(message(MESSENGER, on_messenger.address, facts=FACTS, choices=CHOICES))
    assert wire.api.calls[0][1]["messaging_type"] == "UPDATE"
    assert await on_messenger.hears() == "Hồ sơ đang giải quyết"


async def test_an_answer_on_whatsapp_with_its_buttons_and_our_number(wire: Wire, on_whatsapp: NumberPerson) -> None:
    await wire.whatsapp.send(message(WHATSAPP, "+84901234567", choices=CHOICES))
    assert await on_whatsapp.hears() == "Hồ sơ đang giải quyết"
    assert on_whatsapp.buttons() == ["Xem chi tiết", "Thôi báo"]
    assert wire.api.calls[0][1]["biz_opaque_callback_data"] == "77"


async def test_who_keeps_the_number_is_answered_by_the_scoped_id(wire: Wire) -> None:
    person = NumberPerson(wire.api, address="VN.13491208655302741918")
    person.silent_for(60)
    await wire.whatsapp.send(message(WHATSAPP, person.address))
    assert await person.hears() == "Hồ sơ đang giải quyết"
    assert "to" not in wire.api.calls[0][1]


async def test_more_choices_than_buttons_become_a_list(wire: Wire, on_whatsapp: NumberPerson) -> None:
    stars = tuple(Choice(label=str(number), says=f"DANH GIA {number}") for number in range(1, 13))
    await wire.whatsapp.send(message(WHATSAPP, "+84901234567", choices=stars[:5]))
    shown = await on_whatsapp.receives()
    assert shown["type"] == "list"
    assert shown["action"]["button"] == "Xin chọn"
    assert on_whatsapp.buttons() == ["1", "2", "3", "4", "5"]
    await wire.whatsapp.send(message(WHATSAPP, "+84901234567", choices=stars, language=Language.ENGLISH))
    assert (await on_whatsapp.receives())["action"]["button"] == "Choose"
    assert len(on_whatsapp.buttons()) == 10


async def test_labels_are_cut_where_they_are_too_long_and_never_alike(
    wire: Wire, on_whatsapp: NumberPerson, on_messenger: PagePerson
) -> None:
    choices = (
        Choice(label="Xem chi tiết hồ sơ thứ nhất", says="a"),
        Choice(label="Xem chi tiết hồ sơ thứ hai", says="b"),
        Choice(label="Thôi", says="c"),
    )
    await wire.whatsapp.send(message(WHATSAPP, "+84901234567", choices=choices))
    assert on_whatsapp.buttons() == ["Xem chi tiết hồ sơ…", "Thôi"]
    await wire.messenger.send(message(MESSENGER, on_messenger.address, choices=choices * 5))
    assert len(on_messenger.buttons()) == 13


async def test_long_texts_arrive_whole_with_the_buttons_at_their_end(
    wire: Wire, on_whatsapp: NumberPerson, on_messenger: PagePerson
) -> None:
    lines = [f"{number}. Hồ sơ" for number in range(400)]
    await wire.messenger.send(message(MESSENGER, on_messenger.address, "\n".join(lines), choices=CHOICES))
    shown = wire.api.messages[on_messenger.address]
    assert "\n".join(part["text"] for part in shown).split("\n") == lines
    assert ["quick_replies" in part for part in shown] == [False, False, True]
    await wire.whatsapp.send(message(WHATSAPP, "+84901234567", "\n".join(lines), choices=CHOICES))
    texts = [
        part["body"]["text"] if part["type"] == "button" else part["body"] for part in wire.api.messages["84901234567"]
    ]
    assert "\n".join(texts).split("\n") == lines
    assert [part["type"] for part in wire.api.messages["84901234567"]][-1] == "button"


# --- after a day ---


@pytest.mark.parametrize("last_heard", [None, NOW - timedelta(hours=24), NOW - timedelta(days=30)])
async def test_after_a_day_a_notice_goes_as_a_template(wire: Wire, last_heard: datetime | None) -> None:
    wire.api.templates = {"ho_so_thay_doi": 4, "thay_doi": 2}
    notice = message(WHATSAPP, "+84901234567", facts=FACTS, choices=CHOICES, last_heard=last_heard)
    await wire.whatsapp.send(notice)
    shown = wire.api.messages["84901234567"][0]
    assert (shown["type"], shown["name"], shown["language"]) == ("template", "ho_so_thay_doi", {"code": "vi"})
    texts = [one["text"] for one in shown["components"][0]["parameters"]]
    assert texts == ["H05.16-261102-0001", "Đang giải quyết", "Xin chờ tin tiếp theo", "UBND phường Sông Bằng"]
    pressed = [one["parameters"][0]["payload"] for one in shown["components"][1:]]
    assert pressed == ["H05.16-261102-0001", "BO H05.16-261102-0001"]
    await wire.messenger.send(message(MESSENGER, "6701", facts=FACTS, choices=CHOICES, last_heard=last_heard))
    template = wire.api.messages["6701"][0]["template"]
    assert template["components"][1]["parameters"][1] == {"type": "POSTBACK", "payload": "BO H05.16-261102-0001"}
    assert wire.api.calls[-1][1]["messaging_type"] == "UTILITY"


async def test_the_template_speaks_the_persons_language_where_it_can(wire: Wire, make: Make) -> None:
    notice = message(WHATSAPP, "+84901234567", facts=FACTS, choices=CHOICES, last_heard=None, language=Language.ENGLISH)
    wire.api.templates = {"ho_so_thay_doi": 4, "only_vi": 1}
    await wire.whatsapp.send(notice)
    await (await make(whatsapp_template="only_vi ma=code")).whatsapp.send(notice)
    shown = wire.api.messages["84901234567"]
    assert [one["language"]["code"] for one in shown] == ["en", "vi"]
    assert shown[1]["components"][0]["parameters"] == [
        {"type": "text", "parameter_name": "ma", "text": "H05.16-261102-0001"}
    ]


async def test_without_a_template_a_notice_after_a_day_cannot_go(make: Make) -> None:
    wire = await make(whatsapp_template="", page_template="")
    for sender, channel, address in _both(wire):
        with pytest.raises(Undeliverable, match="was not heard of for a day, and no MOTMA_META_"):
            await sender.send(message(channel, address, facts=FACTS, last_heard=None))
    assert wire.api.calls == []


async def test_where_metas_clock_differs_its_word_counts(wire: Wire) -> None:
    wire.api.templates = {"ho_so_thay_doi": 4, "thay_doi": 2}
    for sender, channel, address in _both(wire):
        await sender.send(message(channel, address, facts=FACTS, choices=CHOICES))
        with pytest.raises(Undeliverable):
            await sender.send(message(channel, address))
    kinds = [one.get("messaging_type") or one["type"] for _, one in wire.api.calls]
    assert kinds == ["UPDATE", "UTILITY", "RESPONSE", "interactive", "template", "text"]


# --- refusals ---


def _both(wire: Wire) -> list[tuple[MessengerChannel | WhatsAppChannel, ChannelName, str]]:
    return [(wire.messenger, MESSENGER, "6701"), (wire.whatsapp, WHATSAPP, "+84901234567")]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(code=551, subcode=1545041), Gone),
        (Fault(code=200, subcode=1545041, status=403), Gone),
        (Fault(code=10, subcode=2018108, status=403), Gone),
        (Fault(code=10, subcode=2018278, status=403), Undeliverable),
        (Fault(code=131047), Undeliverable),
        (Fault(code=100, subcode=2018001), Undeliverable),
        (Fault(code=131026), Undeliverable),
        (Fault(code=131030), Undeliverable),
        (Fault(code=131049), Undeliverable),
        (Fault(code=190, subcode=463, status=401), TryLater),
        (Fault(code=190, status=400), TryLater),
        (Fault(code=0, status=401), TryLater),
        (Fault(code=10, status=403), TryLater),
        (Fault(code=10, subcode=1893063, status=403), TryLater),
        (Fault(code=200, subcode=2018028, status=403), TryLater),
        (Fault(code=368, status=403), TryLater),
        (Fault(code=131042), TryLater),
        (Fault(code=132001, status=404), TryLater),
        (Fault(code=4, status=403), TryLater),
        (Fault(code=613), TryLater),
        (Fault(code=130429, status=429), TryLater),
        (Fault(code=131056, status=400), TryLater),
        (Fault(code=2, status=500), TryLater),
        (Fault(code=131000, status=500), TryLater),
        (Fault(code=999, status=400), Undeliverable),
        (Fault(code=999, status=400, transient=True), TryLater),
        (Fault(code=999, status=503), TryLater),
        (Fault(html=400), TryLater),
        (Fault(html=403), TryLater),
        (Fault(html=502), TryLater),
        (Fault(html=200), InDoubt),
        (Fault(taken=True), InDoubt),
    ],
)
async def test_each_refusal_says_whether_to_try_again(wire: Wire, fault: Fault, error: type[ServiceError]) -> None:
    for sender, channel, address in _both(wire):
        wire.api.heard = {"6701": 9e9, "84901234567": 9e9}
        wire.api.faults.append(fault)
        with pytest.raises(error) as raised:
            await sender.send(message(channel, address))
        assert isinstance(raised.value, Gone) == (error is Gone)
        assert not {PAGE_TOKEN, WHATSAPP_TOKEN, address} & set(raised.value.message.split())
    assert len(wire.api.calls) == 2


async def test_waits_are_kept(wire: Wire) -> None:
    wire.api.faults.extend([Fault(code=131056), Fault(code=130429, status=429, retry_after="30")])
    for seconds in (10, 30):
        with pytest.raises(TryLater) as refusal:
            await wire.whatsapp.send(message(WHATSAPP, "+84901234567"))
        assert refusal.value.after == timedelta(seconds=seconds)


async def test_an_expired_token_is_named(make: Make) -> None:
    wire = await make(page_token="EAAG-expired", whatsapp_token="EAAG-expired")
    for sender, setting in ((wire.messenger, "MOTMA_META_PAGE_TOKEN"), (wire.whatsapp, "MOTMA_META_WHATSAPP_TOKEN")):
        with pytest.raises(TryLater, match=f"does not take {setting} any more .* make a new token"):
            await sender.examine()


async def test_a_server_that_does_not_answer_leaves_a_doubt(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels.provider_call, "CALL_LIMIT", 0.2)
    released = asyncio.Event()
    wire.api.faults.append(Fault(waits=released))
    with pytest.raises(InDoubt):
        await wire.whatsapp.send(message(WHATSAPP, "+84901234567"))
    released.set()


async def test_no_connection_is_no_doubt(make: Make) -> None:
    wire = await make(api_url="http://127.0.0.1:9/v25.0")
    for sender, channel, address in _both(wire):
        with pytest.raises(TryLater):
            await sender.send(message(channel, address))


async def test_a_message_of_which_a_part_arrived_is_in_doubt(wire: Wire, on_messenger: PagePerson) -> None:
    sending = asyncio.create_task(wire.messenger.send(message(MESSENGER, on_messenger.address, "Hồ sơ\n" * 500)))
    await on_messenger.receives()
    wire.api.faults.append(Fault(code=613))
    with pytest.raises(InDoubt):
        await sending


# --- the accounts ---


async def test_the_doctor_hears_who_we_are(wire: Wire) -> None:
    assert await wire.messenger.examine() == (
        "page Dịch vụ công Cao Bằng; after a day of silence: template thay_doi, approved"
    )
    assert await wire.whatsapp.examine() == (
        "+84 222 382 2016 Một Mã, CONNECTED, quality GREEN; after a day of silence: template ho_so_thay_doi, approved"
    )


async def test_the_doctor_hears_which_templates_meta_would_not_take(make: Make) -> None:
    wire = await make(whatsapp_template="ho_so_thay_doi/vi,en,fr code status +1")
    with pytest.raises(Malformed, match="MOTMA_META_WHATSAPP_TEMPLATE: ho_so_thay_doi in vi has 4 parameters, not 2"):
        await wire.whatsapp.examine()
    with pytest.raises(
        Malformed, match=r"vi has 2 buttons to answer with, not 1; .*; there is no ho_so_thay_doi in fr"
    ):
        await wire.whatsapp.examine()
    wire.api.listed[2]["status"] = "PAUSED"
    with pytest.raises(Malformed, match="ho_so_thay_doi in vi is PAUSED"):
        await wire.whatsapp.examine()
    wire.api.listed = ["?"]
    assert (await wire.whatsapp.examine()).endswith("template ho_so_thay_doi, not checked")
    wire = await make(whatsapp_account_id="", whatsapp_template="other/vi code")
    assert (await wire.whatsapp.examine()).endswith("template other, not checked")
    wire = await make(whatsapp_template="")
    assert (await wire.whatsapp.examine()).endswith("nothing: no MOTMA_META_WHATSAPP_TEMPLATE")


async def test_the_doctor_hears_which_events_do_not_come(wire: Wire) -> None:
    wire.api.subscribed = ["messages"]
    with pytest.raises(Malformed, match="messaging_postbacks, message_deliveries, messaging_referrals"):
        await wire.messenger.examine()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"app_secret": None}, "MOTMA_META_APP_SECRET"),
        ({"verify_token": None}, "MOTMA_META_VERIFY_TOKEN"),
        ({"verify_token": "short"}, "MOTMA_META_VERIFY_TOKEN"),
        ({"page_token": None, "whatsapp_token": None}, "MOTMA_META_PAGE_TOKEN"),
        ({"whatsapp_phone_id": ""}, "MOTMA_META_WHATSAPP_PHONE_ID"),
        ({"whatsapp_phone_id": "+84 222"}, "MOTMA_META_WHATSAPP_PHONE_ID"),
        ({"whatsapp_template": "ho_so"}, "MOTMA_META_WHATSAPP_TEMPLATE"),
        ({"whatsapp_template": "Hồ-sơ code"}, "MOTMA_META_WHATSAPP_TEMPLATE"),
        ({"whatsapp_template": "ho_so code name"}, "has no name"),
        ({"whatsapp_template": "ho_so code status=status"}, "named, or none"),
        ({"page_template": "ho_so code +9"}, "MOTMA_META_PAGE_TEMPLATE"),
    ],
)
async def test_settings_that_cannot_work_are_named(make: Make, changed: dict[str, object], named: str) -> None:
    with pytest.raises(Malformed, match=named):
        await make(**changed)
