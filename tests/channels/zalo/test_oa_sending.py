"""Messages to people who know the Official Account: free words inside the window, a template outside, refusals."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from structlog.testing import capture_logs

import channels.provider_call
from channels.zalo.oa import ZaloChannel, ZaloSettings
from channels.zalo.refusals import AccountRefused, Meaning, Refusal
from database.pool import Database
from domain.civil_time import CIVIL_ZONE
from domain.errors import Gone, InDoubt, Invalid, Malformed, ServiceError, TryLater, Undeliverable
from domain.language import Language
from domain.message import Choice, HandedOver, Incoming, Outgoing
from lookup.sealing import Seal
from notifications.reports import Reports
from tests.channels.zalo.stand_in import (
    APP_ID,
    APP_SECRET,
    FIRST_REFRESH_TOKEN,
    OA_SECRET,
    TEMPLATE_ID,
    ZaloStandIn,
)
from tests.channels.zalo.wire import CODE, PERSON

FACTS = {
    "code": CODE,
    "status": "Đã có kết quả",
    "next": "Xin mang giấy hẹn đến bộ phận một cửa để nhận kết quả.",
    "asked": "",
    "due": "20/11/2026",
    "office": "Trung tâm Phục vụ hành chính công tỉnh Bắc Ninh",
    "phone": "0222 3822 016",
}
TEMPLATE = f"{TEMPLATE_ID} ma_ho_so=code trang_thai=status don_vi=office"
CHOICES = (Choice(label="Xem chi tiết", says=CODE), Choice(label="Ngừng báo", says=f"BO {CODE}"))

MakeChannel = Callable[..., ZaloChannel]


@pytest.fixture
def make_channel(zalo: ZaloStandIn, http: aiohttp.ClientSession, database: Database, seal: Seal) -> MakeChannel:
    """Makes a channel that sends to the stand-in."""

    async def heard(incoming: Incoming) -> bool:
        raise AssertionError(incoming)

    def made(**changed: object) -> ZaloChannel:
        values: dict[str, object] = {
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "oa_secret": OA_SECRET,
            "refresh_token": FIRST_REFRESH_TOKEN,
            "api_url": zalo.url,
            "template": TEMPLATE,
        }
        return ZaloChannel(
            ZaloSettings(**(values | changed)),  # type: ignore[arg-type]
            http=http,
            heard=heard,
            reports=Reports(database),
            seal=seal,
            database=database,
            public_url="https://motma.example",
        )

    return made


@pytest.fixture
def channel(make_channel: MakeChannel, zalo: ZaloStandIn) -> ZaloChannel:
    """The channel; the person wrote a moment ago."""
    zalo.person(PERSON.address).last_heard = zalo.clock()
    return make_channel()


def ago(**time_ago: float) -> datetime:
    return datetime.now(UTC) - timedelta(**time_ago)


def a_reply(text: str = "Hồ sơ đang xử lý.", **members: object) -> Outgoing:
    """What answers a person's message."""
    given: dict[str, object] = {"message_id": 41, "to": PERSON, "text": text, "last_heard": ago(seconds=1)}
    return Outgoing(**(given | members))  # type: ignore[arg-type]


def a_notice(heard: datetime | None, **members: object) -> Outgoing:
    """What tells of a change."""
    return a_reply("Hồ sơ có thay đổi.", facts=FACTS, last_heard=heard, choices=CHOICES, **members)


# --- free words ---


async def test_an_answer_goes_to_the_chat_with_its_buttons(channel: ZaloChannel, zalo: ZaloStandIn) -> None:
    handed = await channel.send(a_reply(choices=CHOICES))
    path, body = zalo.calls[-1]
    assert path == "/v3.0/oa/message/cs"
    assert body == {
        "recipient": {"user_id": PERSON.address},
        "message": {
            "text": "Hồ sơ đang xử lý.",
            "attachment": {
                "type": "template",
                "payload": {
                    "buttons": [
                        {"title": "Xem chi tiết", "type": "oa.query.show", "payload": CODE},
                        {"title": "Ngừng báo", "type": "oa.query.show", "payload": f"BO {CODE}"},
                    ]
                },
            },
        },
    }
    assert handed == HandedOver(provider_id=zalo.sent[0].msg_id)


async def test_without_choices_there_are_no_buttons_and_they_can_be_switched_off(
    channel: ZaloChannel, make_channel: MakeChannel, zalo: ZaloStandIn
) -> None:
    await channel.send(a_reply())
    await make_channel(buttons=False).send(a_reply(choices=CHOICES))
    assert [call[1]["message"] for call in zalo.calls] == [{"text": "Hồ sơ đang xử lý."}] * 2


async def test_no_more_buttons_than_zalo_takes_and_no_longer_labels(channel: ZaloChannel, zalo: ZaloStandIn) -> None:
    await channel.send(a_reply(choices=tuple(Choice(label="n" * 120, says=f"BO {n}") for n in range(9))))
    assert [len(button["title"]) for button in zalo.sent[0].buttons] == [100] * 5


@pytest.mark.parametrize("code", [-201, -210, -233])
async def test_a_message_refused_for_its_buttons_goes_without_them(
    channel: ZaloChannel, zalo: ZaloStandIn, code: int
) -> None:
    zalo.fault("cs", code=code)
    await channel.send(a_reply(choices=CHOICES))
    assert [sent.buttons for sent in zalo.sent] == [[]]
    zalo.fault("cs", code=code)
    with pytest.raises(Undeliverable):
        await channel.send(a_reply())
    assert len(zalo.sent) == 1


async def test_a_text_longer_than_zalo_takes_is_cut_and_says_so(channel: ZaloChannel, zalo: ZaloStandIn) -> None:
    await channel.send(a_reply("ồ" * 2_001))
    await channel.send(a_reply("ồ" * 2_000))
    assert [(len(sent.text), sent.text[-1]) for sent in zalo.sent] == [(2_000, "…"), (2_000, "ồ")]


# --- the window ---


@pytest.mark.parametrize(
    ("heard", "window", "kind"),
    [
        ({"hours": 47}, 168.0, "cs"),
        ({"hours": 49}, 168.0, "cs"),
        ({"days": 6, "hours": 23}, 168.0, "cs"),
        ({"days": 7, "minutes": 1}, 168.0, "uid"),
        ({"hours": 47}, 48.0, "cs"),
        ({"hours": 49}, 48.0, "uid"),
        (None, 168.0, "uid"),
    ],
)
async def test_the_window_decides_between_words_and_template(
    make_channel: MakeChannel, zalo: ZaloStandIn, heard: dict[str, float] | None, window: float, kind: str
) -> None:
    last_heard = None if heard is None else ago(**heard)
    zalo.person(PERSON.address).last_heard = None if last_heard is None else last_heard.timestamp()
    await make_channel(window_hours=window).send(a_notice(last_heard))
    assert [sent.kind for sent in zalo.sent] == [kind]


async def test_a_template_carries_the_notices_parts_and_no_id_of_ours(channel: ZaloChannel, zalo: ZaloStandIn) -> None:
    handed = await channel.send(a_notice(ago(days=30)))
    assert zalo.calls[-1] == (
        "/v3.0/oa/message/template",
        {
            "user_id": PERSON.address,
            "template_id": TEMPLATE_ID,
            "template_data": {"ma_ho_so": CODE, "trang_thai": "Đã có kết quả", "don_vi": FACTS["office"]},
        },
    )
    assert handed == HandedOver(provider_id=zalo.sent[0].msg_id)


async def test_when_zalo_says_the_window_is_shut_its_word_counts(channel: ZaloChannel, zalo: ZaloStandIn) -> None:
    for code in (-230, -232):
        zalo.fault("cs", code=code)
        await channel.send(a_notice(ago(hours=1)))
    assert [sent.kind for sent in zalo.sent] == ["uid", "uid"]


async def test_an_answer_never_goes_as_a_template(channel: ZaloChannel, zalo: ZaloStandIn) -> None:
    zalo.fault("cs", code=-230)
    with pytest.raises(Undeliverable):
        await channel.send(a_reply())
    assert zalo.sent == []


async def test_outside_the_window_without_a_template_nothing_can_go(make_channel: MakeChannel) -> None:
    with pytest.raises(Undeliverable, match="MOTMA_ZALO_TEMPLATE"):
        await make_channel(template="").send(a_notice(ago(days=8)))


async def test_each_language_has_its_template(make_channel: MakeChannel, zalo: ZaloStandIn) -> None:
    channel = make_channel(template=TEMPLATE.replace(TEMPLATE_ID, "111111"), template_en=TEMPLATE)
    await channel.send(a_notice(None, language=Language.ENGLISH))
    assert zalo.calls[-1][1]["template_id"] == TEMPLATE_ID
    with pytest.raises(TryLater):
        await channel.send(a_notice(None))
    assert zalo.calls[-1][1]["template_id"] == "111111"


# --- refusals ---


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (-213, Gone),
        (-227, Undeliverable),
        (-244, Undeliverable),
        (-248, Undeliverable),
        (-32, TryLater),
        (-211, TryLater),
        (-218, TryLater),
        (-200, TryLater),
        (-224, AccountRefused),
        (-321, AccountRefused),
        (-9999, TryLater),
    ],
)
async def test_each_error_code_says_whether_to_try_again(
    channel: ZaloChannel, zalo: ZaloStandIn, code: int, error: type[Exception]
) -> None:
    zalo.fault("cs", code=code)
    with pytest.raises(error) as refusal:
        await channel.send(a_reply())
    assert type(refusal.value) is error
    assert str(code) in str(refusal.value)
    assert zalo.sent == []


def test_a_codes_wish_when_to_come_again() -> None:
    evening = datetime(2026, 11, 10, 22, 30, 10, tzinfo=CIVIL_ZONE)

    def after(code: int) -> timedelta | None:
        error = Refusal(code=code, words="").error(evening)
        assert isinstance(error, TryLater)
        return error.after

    assert after(-32) == timedelta(seconds=51)
    assert after(-211) == timedelta(hours=1)
    assert after(-144) == timedelta(hours=1, minutes=34, seconds=50)
    assert after(-234) == timedelta(hours=7, minutes=34, seconds=50)
    assert after(-200) is None


def test_every_code_of_the_documentation_has_one_meaning() -> None:
    known = [code for code in range(-2_000, 1) if Refusal(code=code, words="").meaning is not None]
    assert len(known) > 75
    assert Refusal(code=-220, words="").meaning is Meaning.TOKEN
    assert all(isinstance(Refusal(code=code, words="").error(datetime.now(UTC)), ServiceError) for code in known)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 500}, TryLater),
        ({"status": 429, "headers": {"Retry-After": "30"}}, TryLater),
        ({"status": 302}, TryLater),
        ({"status": 400}, Undeliverable),
        ({"body": "<html>"}, InDoubt),
        ({"body": "[]"}, InDoubt),
        ({"body": "{}"}, InDoubt),
        ({"body": "[" * 50_000}, InDoubt),
        ({"reset": True}, InDoubt),
    ],
)
async def test_what_http_says_counts_too(
    channel: ZaloChannel, zalo: ZaloStandIn, fault: dict[str, object], error: type[Exception]
) -> None:
    zalo.fault("cs", **fault)
    with pytest.raises(error):
        await channel.send(a_reply())


async def test_a_call_that_was_taken_and_never_answered_is_in_doubt_and_made_once(
    channel: ZaloChannel, zalo: ZaloStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    await channel.examine()
    monkeypatch.setattr(channels.provider_call, "CALL_LIMIT", 0.3)
    zalo.fault("cs", hangs=True)
    with pytest.raises(InDoubt):
        await channel.send(a_reply())
    assert len(zalo.sent) == 1


async def test_no_connection_is_no_doubt(make_channel: MakeChannel) -> None:
    with pytest.raises(TryLater):
        await make_channel(api_url="http://127.0.0.1:9").send(a_reply())


async def test_while_zalo_asks_for_patience_it_is_left_alone(channel: ZaloChannel, zalo: ZaloStandIn) -> None:
    """G33: the pause it named is kept by all that follows, and nothing knocks meanwhile."""
    zalo.fault("cs", status=429, headers={"Retry-After": "2"}, keeps=True)
    begun = time.monotonic()
    for _ in range(50):
        with pytest.raises(TryLater) as refusal:
            await channel.send(a_reply())
        assert refusal.value.after is not None
        elapsed = time.monotonic() - begun
        assert abs(refusal.value.after.total_seconds() + elapsed - 2) < 1
    assert len(zalo.calls) == 1
    zalo.heal()
    while not zalo.sent:
        assert len(zalo.calls) == 1
        with suppress(TryLater):
            await channel.send(a_reply())
    assert 1 <= time.monotonic() - begun <= 3.5


async def test_a_refused_account_is_logged_once_and_not_tried_for_every_message(
    channel: ZaloChannel, zalo: ZaloStandIn
) -> None:
    zalo.fault("cs", code=-321, keeps=True)
    with capture_logs() as logs:
        for _ in range(20):
            with pytest.raises(TryLater):
                await channel.send(a_reply())
    assert [(entry["event"], entry["code"]) for entry in logs if entry["log_level"] == "error"] == [
        ("Zalo refuses our account", -321)
    ]
    assert len(zalo.calls) == 1


async def test_an_expired_token_is_renewed_within_the_same_send(channel: ZaloChannel, zalo: ZaloStandIn) -> None:
    await channel.send(a_reply())
    zalo.fault("cs", status=401)
    with pytest.raises(TryLater):  # renewed a moment ago: it is not the token
        await channel.send(a_reply())
    assert zalo.renewals == 1


# --- for motma doctor ---


async def test_the_doctor_hears_what_the_account_may_do(channel: ZaloChannel) -> None:
    assert await channel.examine() == (
        "Official Account Trung tâm PVHCC, package Nâng cao; template 356722: 560 đồng in the chat, ? by phone"
    )


async def test_the_doctor_names_what_zalo_would_refuse(make_channel: MakeChannel, zalo: ZaloStandIn) -> None:
    zalo.longest = {"ma_ho_so": 20, "trang_thai": 30, "han_tra": 20}
    with pytest.raises(Invalid) as fault:
        await make_channel().examine()
    assert fault.value.message == (
        "MOTMA_ZALO_TEMPLATE: parameter don_vi is not in the template; parameter han_tra is not filled; "
        "parameter ma_ho_so takes 20 characters: write ma_ho_so=…:20."
    )
    zalo.verified = False
    with pytest.raises(Invalid, match="not verified"):
        await make_channel().examine()


@pytest.mark.parametrize("template", ["356722", "356722 a", "356722 a=nothing", "x a=code", "356722 a=code:9999"])
def test_a_template_that_cannot_be_read_stops_the_start(make_channel: MakeChannel, template: str) -> None:
    with pytest.raises(Malformed, match="MOTMA_ZALO_TEMPLATE"):
        make_channel(template=template)
