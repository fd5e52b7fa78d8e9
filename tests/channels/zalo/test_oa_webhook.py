"""The webhook of an Official Account: Zalo's events as documented, and what is recorded of them."""

import json
from datetime import timedelta

import pytest

from domain.message import Incoming, IncomingKind
from tests.channels.zalo.stand_in import OA_ID
from tests.channels.zalo.wire import CODE, NOW, PERSON, STAMP, Wire, payload


async def test_words_are_recorded_as_documented(wire: Wire) -> None:
    assert await wire.event("user_send_text") == Incoming(
        sender=PERSON,
        recipient=OA_ID,
        text=f"Tra cứu {CODE}",
        external_id="zalo:96d3cdf3af150460909",
        received_at=NOW - timedelta(seconds=1),
    )


@pytest.mark.parametrize("kind", ["sticker", "file", "location", "audio"])
async def test_what_has_no_words_is_answered_with_help(wire: Wire, kind: str) -> None:
    heard = await wire.event(f"user_send_{kind}")
    assert (heard.kind, heard.text, heard.sender) == (IncomingKind.TEXT, "", PERSON)


async def test_a_shared_link_is_what_it_leads_to(wire: Wire) -> None:
    assert (await wire.event("user_send_link")).text == "https://motma.example/r/abc"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("follow", IncomingKind.JOINED),
        ("user_click_chatnow", IncomingKind.JOINED),
        ("unfollow", IncomingKind.LEFT),
        ("user_withdraw", IncomingKind.LEFT),
    ],
)
async def test_who_comes_and_who_goes(wire: Wire, name: str, kind: IncomingKind) -> None:
    heard = await wire.event(name)
    assert (heard.kind, heard.sender, heard.recipient, heard.text) == (kind, PERSON, OA_ID, "")
    assert heard.external_id == f"zalo:{name}:{PERSON.address}:1794279630.000"


@pytest.mark.parametrize("name", ["user_submit_info", "oa_send_text", "user_send_group_text", "change_template_status"])
async def test_what_is_none_of_our_business_is_acknowledged_and_not_recorded(wire: Wire, name: str) -> None:
    """A phone shared by a form was typed into it: Zalo does not vouch for it, and we did not ask."""
    assert await wire.post(payload(name)) == 200
    assert wire.heard == []


async def test_ids_beyond_two_to_the_53_keep_every_digit_also_as_numbers(wire: Wire) -> None:
    body = payload("user_send_text").replace(b'"246845883529197922"', b"246845883529197923")
    assert await wire.post(body) == 200
    assert wire.heard[0].sender.address == "246845883529197923"


async def test_vietnamese_in_nfd_is_recorded_in_nfc(wire: Wire) -> None:
    body = json.dumps(json.loads(payload("user_send_text")) | {"message": {"msg_id": "1", "text": "Tra cứu"}}).encode()
    assert await wire.post(body) == 200
    assert wire.heard[0].text == "Tra cứu"


async def test_every_wrong_shape_of_a_genuine_event_is_acknowledged(wire: Wire) -> None:
    for body in (
        b'{"timestamp":"%s"}' % STAMP.encode(),
        b'{"timestamp":"%s","event_name":"user_send_text"}' % STAMP.encode(),
        b'{"timestamp":"%s","event_name":"user_send_text","sender":[]}' % STAMP.encode(),
        b'{"timestamp":"%s","event_name":7}' % STAMP.encode(),
        b'{"timestamp":"%s","event_name":"follow","follower":null}' % STAMP.encode(),
    ):
        assert await wire.post(body) == 200
    assert wire.heard == []


async def test_attachments_of_a_shape_we_do_not_know_do_not_lose_the_words(wire: Wire) -> None:
    event = json.loads(payload("user_send_text"))
    for strange in ("text", {"a": 1}, [1], [{"payload": "x"}], [{"payload": {"url": 7}}], None):
        event["message"] |= {"attachments": strange}
        assert await wire.post(json.dumps(event).encode()) == 200
    assert [heard.text for heard in wire.heard] == [f"Tra cứu {CODE}"] * 6


async def test_words_that_no_text_may_hold_do_not_make_the_call_fail(wire: Wire) -> None:
    for strange in (rb"\ud800", rb"\u0000", rb"a\u0000b", "😀".encode(), rb"\ud83d\ude00"):
        body = payload("user_send_text").replace("Tra cứu H05.16-261102-0001".encode(), strange)
        assert await wire.post(body) == 200
    assert [heard.text for heard in wire.heard] == ["?", "", "ab", "😀", "😀"]
