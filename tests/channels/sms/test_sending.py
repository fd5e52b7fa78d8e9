"""What leaves for each provider, and what each of its answers means: taken, never, later, or nobody knows."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

import channels.provider_call
from channels.channel import Examined
from domain.contact import ChannelName, Contact
from domain.errors import Gone, InDoubt, Malformed, ServiceError, TryLater, Undeliverable
from domain.message import HandedOver, Outgoing
from tests.channels.sms.callers import OUR_NUMBER, PUBLIC_URL, SECRET
from tests.channels.sms.calling import Around
from tests.channels.sms.providers import PROVIDERS, Provider, StandIn, provider, said, stand_in

everywhere = pytest.mark.parametrize("at", PROVIDERS, ids=str)
ERRORS = {"never": Undeliverable, "later": TryLater, "doubt": InDoubt}


def text(
    words: str = "Hồ sơ H05.16-261102-0001: đúng hạn", message_id: int = 17, sender: str | None = None
) -> Outgoing:
    to = Contact(channel=ChannelName.SMS, address="+84901234567")
    return Outgoing(message_id=message_id, to=to, text=words, sender=sender)


@pytest.fixture
async def standing(at: Provider, around: Around) -> AsyncIterator[StandIn]:
    async with stand_in(at) as standing:
        around.api_url = standing.url
        yield standing


@everywhere
async def test_a_text_leaves_as_documented(at: Provider, standing: StandIn, around: Around) -> None:
    gateway = at.opened(around)
    assert await gateway.send(text()) == HandedOver(provider_id=at.provider_id)
    (taken,) = standing.ledger
    assert (taken.to, taken.text) == (at.to, "Ho so H05.16-261102-0001: dung han")
    assert taken.sender.removeprefix("+") in {OUR_NUMBER, "MOTMA"}
    assert taken.unicode in {None, False}
    reference = taken.reference or taken.status_url or ""
    assert "17" in reference or at.caller.name == "speedsms"  # which has no place for it
    assert taken.status_url is None or taken.status_url.startswith(f"{PUBLIC_URL}/webhooks/")


@everywhere
async def test_accents_leave_where_they_are_paid_for(at: Provider, standing: StandIn, around: Around) -> None:
    await at.opened(around, accented=True).send(text("Hồ sơ"))
    (taken,) = standing.ledger
    assert taken.text == "Hồ sơ"
    assert taken.unicode in {None, True}


@everywhere
async def test_the_sender_is_ours_or_an_agencys_name_and_never_anothers_number(
    at: Provider, standing: StandIn, around: Around
) -> None:
    gateway = at.opened(around)
    for asked in (None, "8088", "+84999999999", "MOTMA", "UBNDBacNinh", f"+{OUR_NUMBER}"):
        await gateway.send(text(message_id=len(standing.ledger) + 1, sender=asked))
    default = standing.ledger[0].sender
    other = default if default == "MOTMA" else f"+{OUR_NUMBER}"
    assert [taken.sender for taken in standing.ledger] == [default] * 3 + ["MOTMA", "UBNDBacNinh", other]


@everywhere
@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [
        (429, {"Retry-After": "30"}, 30),
        (503, {"Retry-After": "7"}, 7),
        (500, {}, None),
        (502, {}, None),
        (401, {}, None),
        (402, {}, None),
        (403, {}, None),
        (302, {"Location": "http://127.0.0.1:9/"}, None),
    ],
)
async def test_a_provider_under_load_or_unwilling_is_asked_again_when_it_says(
    at: Provider, standing: StandIn, around: Around, status: int, headers: dict[str, str], after: int | None
) -> None:
    standing.status, standing.headers, standing.body = status, headers, "x"
    with pytest.raises(TryLater) as refusal:
        await at.opened(around).send(text())
    assert refusal.value.after == (None if after is None else timedelta(seconds=after))
    assert standing.calls == 1


@pytest.mark.parametrize(
    ("at", "meaning", "body"),
    [
        pytest.param(at, meaning, body, id=f"{at} {meaning} {said(body)}")
        for at in PROVIDERS
        for meaning, bodies in at.refusals.items()
        for body in bodies
    ],
)
async def test_a_refusal_in_an_answer_that_is_no_error_is_understood(
    at: Provider, standing: StandIn, around: Around, meaning: str, body: object
) -> None:
    standing.status, standing.body = at.status, body
    with pytest.raises(ERRORS[meaning]):
        await at.opened(around).send(text())


@everywhere
async def test_a_provider_that_takes_a_text_and_falls_silent_leaves_a_doubt(
    at: Provider, standing: StandIn, around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels.provider_call, "CALL_LIMIT", 0.2)
    standing.hangs = True
    with pytest.raises(InDoubt):
        await at.opened(around).send(text())
    assert (len(standing.ledger), standing.calls) == (1, 1)


@everywhere
async def test_a_connection_that_breaks_leaves_a_doubt_and_one_text(
    at: Provider, standing: StandIn, around: Around
) -> None:
    standing.breaks_off = True
    with pytest.raises(InDoubt):
        await at.opened(around).send(text())
    assert (len(standing.ledger), standing.calls) == (1, 1)


@everywhere
async def test_no_connection_is_no_doubt(at: Provider, around: Around) -> None:
    with pytest.raises(TryLater):
        await at.opened(around).send(text())


@everywhere
async def test_the_doctor_hears_from_the_provider(at: Provider, standing: StandIn, around: Around) -> None:
    gateway = at.opened(around)
    assert isinstance(gateway, Examined)
    assert await gateway.examine() == at.balance
    standing.status, standing.body = 401, "no"
    with pytest.raises(ServiceError, match="MOTMA_"):
        await gateway.examine()


@pytest.mark.parametrize("at", [provider("esms")], ids=str)
async def test_a_text_sent_again_after_a_doubt_arrives_once_where_the_provider_keeps_our_reference(
    at: Provider, standing: StandIn, around: Around
) -> None:
    gateway = at.opened(around)
    standing.breaks_off = True
    with pytest.raises(InDoubt):
        await gateway.send(text())
    standing.breaks_off = False
    assert await gateway.send(text()) == HandedOver(provider_id=None)
    assert len(standing.ledger) == 1


@pytest.mark.parametrize("at", [provider("twilio")], ids=str)
@pytest.mark.parametrize(
    ("code", "error"),
    [(21211, Undeliverable), (21610, Gone), (21611, TryLater), (20003, TryLater), (99999, Undeliverable)],
)
async def test_twilio_says_more_by_its_codes_than_by_the_status(
    at: Provider, standing: StandIn, around: Around, code: int, error: type[Exception]
) -> None:
    standing.status, standing.body = 400, {"code": code, "message": "…", "status": 400}
    with pytest.raises(error):
        await at.opened(around).send(text())


@pytest.mark.parametrize("at", [provider("twilio")], ids=str)
async def test_with_two_tokens_twilio_is_called_with_the_new_one(
    at: Provider, standing: StandIn, around: Around
) -> None:
    await at.opened(around, secret=f"{SECRET},old").send(text())
    assert len(standing.ledger) == 1


@pytest.mark.parametrize("at", [provider("twilio")], ids=str)
async def test_a_messaging_service_is_named_as_one(at: Provider, standing: StandIn, around: Around) -> None:
    service = "MG" + "2" * 32
    standing.status, standing.body = 201, {"sid": "SM1", "status": "accepted"}
    assert await at.opened(around, sender=service).send(text()) == HandedOver(provider_id="SM1")


@pytest.mark.parametrize("at", [provider("vonage")], ids=str)
async def test_a_text_of_which_a_part_left_is_not_sent_again(at: Provider, standing: StandIn, around: Around) -> None:
    parts = [{"status": "1"}, {"status": "0", "message-id": "0B2"}, {"status": "5"}]
    standing.body = {"message-count": "3", "messages": parts}
    assert await at.opened(around).send(text()) == HandedOver(provider_id="0B2")


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("twilio", "account_sid"),
        ("twilio", "sender"),
        ("vonage", "api_key"),
        ("vonage", "api_secret"),
        ("vonage", "sender"),
        ("vonage-messages", "api_secret"),
        ("infobip", "api_key"),
        ("infobip", "sender"),
        ("infobip", "hook_username"),
        ("esms", "api_key"),
        ("esms", "secret_key"),
        ("esms", "brandname"),
        ("speedsms", "token"),
    ],
)
async def test_incomplete_settings_name_what_is_missing(around: Around, name: str, missing: str) -> None:
    at = provider(name)
    with pytest.raises(Malformed, match=f"MOTMA_[A-Z]+_{missing.upper()}"):
        at.opened(around, **{missing: None})


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("vonage", {"signature_method": "md5"}),
        ("vonage", {"signature_method": "sha1"}),
        ("vonage", {"signature_method": ""}),
        ("twilio", {"signature_method": "md5"}),
        ("twilio", {"signature_method": "sha256"}),
        ("esms", {"secret": "a/b?c"}),
        ("speedsms", {"secret": "a b"}),
    ],
)
async def test_weak_or_impossible_settings_are_refused(around: Around, name: str, changed: dict[str, object]) -> None:
    with pytest.raises(Malformed, match="MOTMA_"):
        provider(name).opened(around, **changed)
