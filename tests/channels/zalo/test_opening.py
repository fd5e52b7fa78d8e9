"""Zalo in the table of channels: what is set is open, and nothing else."""

import os
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from channels.channel import Surroundings, Tended
from channels.open_channels import OpenChannels, hook_secrets, manners, open_channels
from channels.zalo.bot import ZALO_BOT
from channels.zalo.oa import ZALO, ZaloChannel
from channels.zalo.zns import ZNS
from database.pool import Database
from domain.errors import Malformed
from domain.message import Incoming
from lookup.sealing import Seal
from notifications.reports import Reports
from service.settings import SettingsError, read

ACCOUNT = {
    "MOTMA_ZALO_APP_ID": "2074138120372622546",
    "MOTMA_ZALO_APP_SECRET": "app-secret-of-the-tests",
    "MOTMA_ZALO_REFRESH_TOKEN": "refresh-token-of-the-tests",
}
OA = ACCOUNT | {"MOTMA_ZALO_OA_SECRET": "oa-secret-of-the-tests", "MOTMA_ZALO_WINDOW_HOURS": "48"}
BY_PHONE = ACCOUNT | {"MOTMA_ZALO_ZNS_TEMPLATE": "356722 ma_ho_so=code trang_thai=status"}
BOT = {"MOTMA_ZALO_BOT_TOKEN": "1:a", "MOTMA_ZALO_BOT_WEBHOOK_SECRET": "webhook-secret-of-the-tests"}


@pytest.fixture
def around(http: aiohttp.ClientSession, seal: Seal) -> Surroundings:
    async def heard(incoming: Incoming) -> bool:
        raise AssertionError(incoming)

    store = Database(url="", pools={})
    return Surroundings(
        http=http,
        heard=heard,
        reports=Reports(store),
        seal=seal,
        database=store,
        public_url="https://motma.example",
    )


def opened(environment: Mapping[str, str], around: Surroundings) -> OpenChannels:
    def read_one(kind: type, prefix: str) -> Any:  # noqa: ANN401 - an instance of `kind`
        return read(kind, environment, prefix=prefix)

    return open_channels(read_one, around)


def zalo_names(channels: OpenChannels) -> set[str]:
    return {channel.name for channel in channels.channels} & {"zalo", "zns", "zalo_bot"}


def routes(channels: OpenChannels) -> set[str]:
    return {route.path for route in channels.routes() if hasattr(route, "path") and "zalo" in route.path}


async def test_each_opens_by_its_own_secret(around: Surroundings) -> None:
    assert zalo_names(opened(ACCOUNT, around)) == set()
    assert zalo_names(opened(OA, around)) == {"zalo"}
    assert zalo_names(opened(BY_PHONE, around)) == {"zns"}
    assert zalo_names(opened(BOT, around)) == {"zalo_bot"}
    everything = opened(OA | BY_PHONE | BOT, around)
    assert zalo_names(everything) == {"zalo", "zns", "zalo_bot"}
    assert routes(everything) == {"/webhooks/zalo", "/webhooks/zalo-bot"}
    assert {ZALO, ZNS, ZALO_BOT} <= set(everything.senders())
    tended = {channel.name for channel in everything.channels if isinstance(channel, Tended)}
    assert {"zalo", "zns"} <= tended  # whose token dies of three months' silence


async def test_settings_reach_the_channel(around: Surroundings) -> None:
    channel = opened(OA | {"MOTMA_ZALO_RATE": "5", "MOTMA_ZALO_CONCURRENCY": "2"}, around).senders()[ZALO]
    assert isinstance(channel, ZaloChannel)
    assert (channel.rate, channel.concurrency, channel._window.days) == (5, 2, 2)


@pytest.mark.parametrize("missing", sorted(ACCOUNT))
async def test_half_the_settings_stop_the_start(around: Surroundings, missing: str) -> None:
    for environment in (OA, BY_PHONE):
        with pytest.raises(Malformed, match=missing):
            opened({name: value for name, value in environment.items() if name != missing}, around)
    with pytest.raises(Malformed, match="MOTMA_ZALO_BOT_TOKEN"):
        opened({"MOTMA_ZALO_BOT_WEBHOOK_SECRET": "webhook-secret-of-the-tests"}, around)
    with pytest.raises(SettingsError, match="MOTMA_ZALO_WINDOW_HOURS"):
        opened(OA | {"MOTMA_ZALO_WINDOW_HOURS": "two days"}, around)


def test_production_knows_the_secrets_by_their_names() -> None:
    secrets = hook_secrets(lambda kind, prefix: read(kind, OA | BOT, prefix=prefix))
    assert secrets["MOTMA_ZALO_OA_SECRET"] == OA["MOTMA_ZALO_OA_SECRET"]
    assert secrets["MOTMA_ZALO_BOT_WEBHOOK_SECRET"] == BOT["MOTMA_ZALO_BOT_WEBHOOK_SECRET"]
    assert "MOTMA_ZALO_ZNS_TEMPLATE" not in secrets


def test_how_one_talks_on_zalo() -> None:
    how = manners()
    assert how[ZALO].fits("ồ" * 2_000)
    assert not how[ZALO].fits("ồ" * 2_001)
    assert not how[ZALO].address_is_phone
    assert how[ZNS].address_is_phone


def test_no_test_of_ours_reads_the_real_environment() -> None:
    assert not any(name.startswith("MOTMA_ZALO") for name in os.environ)
