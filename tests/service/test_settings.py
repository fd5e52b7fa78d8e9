"""Settings: read once, refused with one clear line each."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.settings import Environment, Settings, SettingsError, address, faults, read

SAFE = {
    "MOTMA_ENV": "production",
    "MOTMA_SECRET_KEY": "k" * 40,
    "MOTMA_PUBLIC_URL": "https://motma.example",
}


def test_a_desk_needs_no_setting_at_all() -> None:
    settings = read(Settings, {})
    assert settings.development
    assert settings.listen == "127.0.0.1:8080"
    assert settings.database_url is None


def test_text_from_the_environment_becomes_what_the_field_says() -> None:
    settings = read(
        Settings, {"MOTMA_DATA_DIR": "/srv/motma", "MOTMA_SMS_SEGMENT_PRICE": "410", "MOTMA_ENV": "production"}
    )
    assert settings.data_dir == Path("/srv/motma")
    assert settings.sms_segment_price == 410
    assert settings.env is Environment.PRODUCTION


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read(Settings, {"MOTMA_LISTEN": ""}).listen == "127.0.0.1:8080"


def test_an_unreadable_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="MOTMA_SMS_SEGMENT_PRICE"):
        read(Settings, {"MOTMA_SMS_SEGMENT_PRICE": "cheap"})


def test_a_channels_settings_have_their_own_prefix() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Gateway:
        sendsms_url: str | None = None
        password: str | None = field(default=None, repr=False)

    found = read(Gateway, {"MOTMA_KANNEL_SENDSMS_URL": "http://127.0.0.1:13013"}, prefix="MOTMA_KANNEL_")
    assert found.sendsms_url == "http://127.0.0.1:13013"


@pytest.mark.parametrize(("listen", "expected"), [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:80", ("::1", 80))])
def test_an_address_is_host_and_port(listen: str, expected: tuple[str, int]) -> None:
    assert address(listen) == expected


@pytest.mark.parametrize("listen", ["8080", "localhost", ":8080", "localhost:http"])
def test_an_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        address(listen)


def test_safe_settings_may_run_in_production() -> None:
    assert faults(read(Settings, SAFE), {"MOTMA_KANNEL_HOOK_SECRET": "h" * 20}) == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"MOTMA_SECRET_KEY": ""}, "MOTMA_SECRET_KEY is missing"),
        ({"MOTMA_SECRET_KEY": "k" * 23}, "MOTMA_SECRET_KEY is too short"),
        ({"MOTMA_PUBLIC_URL": "http://motma.example"}, "MOTMA_PUBLIC_URL"),
        ({"MOTMA_PUBLIC_URL": ""}, "MOTMA_PUBLIC_URL"),
        ({"MOTMA_RECEIPT_KEYS": f"{'r' * 40},short"}, "MOTMA_RECEIPT_KEYS"),
    ],
)
def test_each_unsafe_setting_gets_one_line(changed: dict[str, str], named: str) -> None:
    found = faults(read(Settings, SAFE | changed), {})
    assert len(found) == 1
    assert found[0].startswith(named)


def test_a_short_hook_secret_is_refused_by_name() -> None:
    assert faults(read(Settings, SAFE), {"MOTMA_SMS_HOOK_SECRET": "short"}) == [
        "MOTMA_SMS_HOOK_SECRET is too short or well known: set 16 or more random characters."
    ]


def test_secrets_are_not_in_the_representation() -> None:
    shown = repr(read(Settings, {"MOTMA_SECRET_KEY": "k" * 40, "MOTMA_DATABASE_URL": "postgresql://u:pw@h/d"}))
    assert "kkkk" not in shown
    assert "pw" not in shown
