"""ZNS: templates to the Zalo account of a phone number."""

from collections.abc import Callable

import aiohttp
import pytest

from channels.channel import Examined, Gateway
from channels.zalo.zns import ZNS, ZnsGateway, ZnsSettings, message_of, tracking_id
from database.pool import Database
from domain.contact import Contact
from domain.errors import Gone, InDoubt, Malformed, TryLater, Undeliverable
from domain.message import HandedOver, Outgoing
from lookup.sealing import Seal
from tests.channels.zalo.stand_in import APP_ID, APP_SECRET, FIRST_REFRESH_TOKEN, TEMPLATE_ID, ZaloStandIn
from tests.channels.zalo.test_oa_sending import FACTS, TEMPLATE
from tests.channels.zalo.wire import CODE

PHONE = Contact(channel=ZNS, address="+84901234567")
MakeGateway = Callable[..., ZnsGateway]


@pytest.fixture
def make_gateway(zalo: ZaloStandIn, http: aiohttp.ClientSession, database: Database, seal: Seal) -> MakeGateway:
    """Makes a gateway that sends to the stand-in."""

    def made(**changed: object) -> ZnsGateway:
        values: dict[str, object] = {
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "refresh_token": FIRST_REFRESH_TOKEN,
            "api_url": zalo.url,
            "zns_template": TEMPLATE,
        }
        given = ZnsSettings(**(values | changed))  # type: ignore[arg-type]
        return ZnsGateway(given, http=http, database=database, seal=seal)

    return made


@pytest.fixture
def gateway(make_gateway: MakeGateway) -> ZnsGateway:
    return make_gateway()


def a_notice(to: Contact = PHONE, facts: dict[str, str] | None = None) -> Outgoing:
    return Outgoing(message_id=41, to=to, text="Hồ sơ có thay đổi.", facts=FACTS if facts is None else facts)


def test_it_is_a_gateway_the_doctor_can_ask(gateway: ZnsGateway) -> None:
    assert isinstance(gateway, Gateway)
    assert isinstance(gateway, Examined)
    assert gateway.reaches == "zns"
    assert list(gateway.routes()) == []


async def test_a_notice_goes_to_the_phone_under_our_own_id(gateway: ZnsGateway, zalo: ZaloStandIn) -> None:
    handed = await gateway.send(a_notice())
    assert zalo.calls[-1] == (
        "/message/template",
        {
            "phone": "84901234567",
            "template_id": TEMPLATE_ID,
            "template_data": {"ma_ho_so": CODE, "trang_thai": "Đã có kết quả", "don_vi": FACTS["office"]},
            "tracking_id": "motma41",
        },
    )
    assert handed == HandedOver(provider_id=zalo.sent[0].msg_id)


async def test_in_development_it_goes_to_administrators_only(make_gateway: MakeGateway, zalo: ZaloStandIn) -> None:
    await make_gateway(zns_development=True).send(a_notice())
    assert zalo.sent[0].mode == "development"


async def test_what_is_no_notice_or_no_vietnamese_phone_cannot_go(gateway: ZnsGateway, zalo: ZaloStandIn) -> None:
    for message in (a_notice(facts={}), a_notice(Contact(channel=ZNS, address="+4915112345678"))):
        with pytest.raises(Undeliverable):
            await gateway.send(message)
    assert zalo.calls == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (-108, Undeliverable),
        (-114, Undeliverable),
        (-118, Undeliverable),
        (-119, Undeliverable),
        (-1121, Undeliverable),
        (-139, Gone),
        (-141, Gone),
        (-100, TryLater),
        (-133, TryLater),
        (-144, TryLater),
        (-147, TryLater),
        (-115, TryLater),
        (-131, TryLater),
    ],
)
async def test_each_error_code_says_whether_to_try_again(
    gateway: ZnsGateway, zalo: ZaloStandIn, code: int, error: type[Exception]
) -> None:
    zalo.fault("phone", code=code)
    with pytest.raises(error) as refusal:
        await gateway.send(a_notice())
    assert isinstance(refusal.value, Gone) is (error is Gone)
    assert zalo.sent == []


async def test_a_call_that_broke_off_is_in_doubt(gateway: ZnsGateway, zalo: ZaloStandIn) -> None:
    zalo.fault("phone", reset=True)
    with pytest.raises(InDoubt):
        await gateway.send(a_notice())
    assert len(zalo.sent) == 1


async def test_an_expired_token_is_renewed_once_for_both_gateways(
    gateway: ZnsGateway, make_gateway: MakeGateway, zalo: ZaloStandIn
) -> None:
    await gateway.send(a_notice())
    await make_gateway().send(a_notice())
    assert zalo.renewals == 1


async def test_the_doctor_hears_template_price_and_what_is_left_today(gateway: ZnsGateway) -> None:
    assert await gateway.examine() == (
        "template 356722: 560 đồng in the chat, ? by phone; 499 of 500 messages left today"
    )


def test_without_a_template_it_does_not_open(make_gateway: MakeGateway) -> None:
    for template in (None, "", "356722 x"):
        with pytest.raises(Malformed, match="MOTMA_ZALO_ZNS_TEMPLATE"):
            make_gateway(zns_template=template)
    with pytest.raises(Malformed, match="MOTMA_ZALO_APP_SECRET"):
        make_gateway(app_secret="")


def test_our_tracking_id_is_read_back_and_no_other_is() -> None:
    assert message_of(tracking_id(2**63 - 1)) == 2**63 - 1
    for other in ("", "motma", "motma-1", "41", "xmotma1", "motma١", "motma" + "9" * 20):
        assert message_of(other) is None
