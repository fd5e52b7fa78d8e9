"""The table of channels: what has its secret is open, and only that."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from cache.limits import Limits
from cache.redis_connection import open_redis
from channels.channel import Gateway, Surroundings, Tended
from channels.open_channels import ReadSettings, hook_secrets, manners, open_channels
from channels.sms.kannel import KannelChannel
from channels.sms.routing import RoutedSender
from database.pool import Database
from domain.contact import ChannelName
from domain.errors import Malformed
from domain.message import Incoming
from lookup.sealing import Seal
from notifications.reports import Reports
from service.settings import read

KANNEL = {
    "MOTMA_KANNEL_SENDSMS_URL": "http://127.0.0.1:13013/cgi-bin/sendsms",
    "MOTMA_KANNEL_USERNAME": "app",
    "MOTMA_KANNEL_PASSWORD": "secret-of-kannel",
    "MOTMA_KANNEL_SENDER": "8088",
    "MOTMA_KANNEL_HOOK_SECRET": "hook-secret-of-the-tests",
    "MOTMA_KANNEL_RATE": "10",
    "MOTMA_KANNEL_ACCENTED": "true",
}
GENERIC = {"MOTMA_SMS_HOOK_SECRET": "whsec_YSBrZXkgb2YgdGhlIHRlc3RzLCAzMiBieXRlcyBvayE="}


@pytest.fixture
async def around(seal: Seal) -> AsyncIterator[Surroundings]:
    async def heard(incoming: Incoming) -> bool:
        raise AssertionError(incoming)

    async with aiohttp.ClientSession() as http:
        yield Surroundings(
            http=http,
            heard=heard,
            reports=Reports(Database(url="", pools={})),
            seal=seal,
            database=Database(url="", pools={}),
            public_url="https://motma.example",
        )


def reading(environment: Mapping[str, str]) -> ReadSettings:
    """Reads from an environment of its own, as the service does from the real one."""

    def read_one(kind: type, prefix: str) -> Any:  # noqa: ANN401 - an instance of `kind`
        return read(kind, environment, prefix=prefix)

    return read_one


async def test_without_secrets_only_our_own_page_is_open(around: Surroundings) -> None:
    opened = open_channels(reading({"MOTMA_KANNEL_SENDSMS_URL": "http://127.0.0.1:1"}), around)
    assert [channel.name for channel in opened.channels] == ["web"]
    assert list(opened.routes()) == []
    assert set(opened.senders()) == {ChannelName.WEB}


async def test_kannel_opens_with_its_settings_and_sends(around: Surroundings) -> None:
    opened = open_channels(reading(KANNEL), around)
    sender = opened.senders()[ChannelName.SMS]
    assert isinstance(sender, KannelChannel)
    assert isinstance(sender, Gateway)
    assert sender.rate == 10
    assert {route.path for route in opened.routes() if hasattr(route, "path")} == {
        "/webhooks/kannel/{secret}/mo",
        "/webhooks/kannel/{secret}/dlr",
    }


SEVERAL = {
    **KANNEL,
    "MOTMA_ESMS_API_KEY": "key",
    "MOTMA_ESMS_SECRET_KEY": "secret",
    "MOTMA_ESMS_BRANDNAME": "MOTMA",
    "MOTMA_ESMS_HOOK_SECRET": "hook-secret-of-the-tests",
    "MOTMA_VONAGE_API_KEY": "key",
    "MOTMA_VONAGE_API_SECRET": "secret",
    "MOTMA_VONAGE_SIGNATURE_SECRET": "signature-secret",
    "MOTMA_VONAGE_SENDER": "84588888888",
    "MOTMA_SHORTCODE_USER": "gateway",
    "MOTMA_SHORTCODE_PASSWORD": "password-of-the-tests",
}


async def test_all_sms_gateways_send_as_one_and_are_counted(around: Surroundings, redis_url: str) -> None:
    async with open_redis(redis_url) as redis:
        counting = replace(around, limits=Limits(redis, around.seal))
        for environment, name in ((KANNEL, "kannel"), (SEVERAL, "sms")):
            sender = open_channels(reading(environment), counting).senders()[ChannelName.SMS]
            assert isinstance(sender, RoutedSender)
            assert sender.name == name
        with pytest.raises(Malformed, match="MOTMA_SMS_ROUTES"):
            open_channels(reading({**SEVERAL, "MOTMA_SMS_ROUTES": "twilio"}), counting).senders()


@pytest.mark.parametrize(("send_by", "sends"), [("sms", {"vonage"}), ("messages", {"vonage-messages"})])
async def test_an_account_with_two_apis_hears_by_both_and_sends_by_one(
    around: Surroundings, send_by: str, sends: set[str]
) -> None:
    opened = open_channels(reading({**SEVERAL, "MOTMA_VONAGE_SEND_BY": send_by}), around)
    vonage = [channel for channel in opened.channels if channel.name.startswith("vonage")]
    assert [channel.name for channel in vonage] == ["vonage", "vonage-messages"]
    assert {channel.name for channel in vonage if isinstance(channel, Gateway)} == sends
    assert isinstance(vonage[0], Tended)


def test_who_may_be_answered_by_text_is_for_the_operator_to_widen() -> None:
    usual = manners(reading({}))[ChannelName.SMS].may_be_answered
    wider = manners(reading({"MOTMA_SMS_PREFIXES": "+8210"}))[ChannelName.SMS].may_be_answered
    assert [usual(number) for number in ("+84901234567", "+821012345678", "8088")] == [True, False, False]
    assert [wider(number) for number in ("+84901234567", "+821012345678", "8088")] == [True, True, False]


async def test_the_generic_webhook_only_receives(around: Surroundings) -> None:
    opened = open_channels(reading(GENERIC), around)
    assert [channel.name for channel in opened.channels] == ["web", "sms"]
    assert ChannelName.SMS not in opened.senders()


async def test_a_channel_with_half_its_settings_stops_the_start(around: Surroundings) -> None:
    with pytest.raises(Malformed, match="MOTMA_KANNEL_SENDSMS_URL"):
        open_channels(reading({"MOTMA_KANNEL_HOOK_SECRET": "hook-secret-of-the-tests"}), around)


def test_every_secret_is_known_by_its_name_in_the_environment() -> None:
    secrets = hook_secrets(reading(KANNEL))
    assert secrets["MOTMA_KANNEL_HOOK_SECRET"] == KANNEL["MOTMA_KANNEL_HOOK_SECRET"]
    assert secrets["MOTMA_SMS_HOOK_SECRET"] is None
    assert secrets["MOTMA_TELEGRAM_TOKEN"] is None
