"""Twilio's signatures, against vectors made by Twilio's own library, and what its scheme leaves open."""

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest

from tests.channels.sms.callers import (
    ACCOUNT,
    OLD_SECRET,
    PHONE,
    SECRET,
    open_twilio,
    recorded,
    signed_by_twilio,
    twilio_status,
    twilio_text,
)
from tests.channels.sms.calling import Around, Call
from tests.channels.sms.conftest import Serve

VECTORS = recorded("twilio_signatures.json")


def vector(case: dict[str, Any]) -> Call:
    headers = {"Content-Type": case["content_type"], "X-Twilio-Signature": case["signature"]}
    return Call("POST", case["path"], headers, case["body"].encode())


@pytest.mark.parametrize("case", [case for case in VECTORS["cases"] if "text" in case["name"]], ids=lambda c: c["name"])
async def test_what_twilios_library_signed_is_genuine(case: dict[str, Any], around: Around, serve: Serve) -> None:
    channel = open_twilio(
        around,
        f"{VECTORS['auth_token']},{VECTORS['old_auth_token']}",
        shared_key=VECTORS["shared_key"],
        signature_method="sha1,sha256",
    )
    line = await serve(channel)
    assert (await line.call(vector(case)))[0] == 200
    (heard,) = around.ear.heard
    assert heard.text == "Tra cứu & H05.16=261102+0001 😀"
    assert heard.external_id == "twilio:SM" + "a" * 32


@pytest.mark.parametrize(
    ("method", "accepted"),
    [("sha1", {"HMAC_SHA1"}), ("sha256", {"HMAC_SHA256"}), ("sha256,sha1", {"HMAC_SHA1", "HMAC_SHA256"})],
)
async def test_the_settings_choose_the_algorithm_and_not_the_call(
    method: str, accepted: set[str], around: Around, serve: Serve
) -> None:
    channel = open_twilio(around, VECTORS["auth_token"], shared_key=VECTORS["shared_key"], signature_method=method)
    line = await serve(channel)
    for case in VECTORS["cases"]:
        if case["name"] in {"a text", "a text, signed with a shared key"}:
            call = vector(case)
            named = {"X-Twilio-Webhooks-Signature-Settings": f"key=webhooks_sharedkey_1,algorithm={case['algorithm']}"}
            status, _ = await line.call(replace(call, headers={**call.headers, **named}))
            assert status == (200 if case["algorithm"] in accepted else 401)


async def test_the_address_is_ours_and_not_what_the_call_claims(around: Around, serve: Serve) -> None:
    """Behind a proxy Host says anything; a caller may put there what he has a signature for."""
    line = await serve(open_twilio(around))
    call = twilio_text()
    for name, value in (("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http")):
        assert await line.raw(replace(call, headers={**call.headers, name: value})) == 200
    signed_elsewhere = b"https://evil.example/webhooks/twilio"
    signature = base64.b64encode(hmac.new(SECRET.encode(), signed_elsewhere, "sha1").digest()).decode()
    forged = replace(call, headers={**call.headers, "X-Twilio-Signature": signature, "Host": "evil.example"})
    assert await line.raw(forged) == 401


@pytest.mark.parametrize(
    ("public_url", "signed_for"),
    [
        ("https://motma.example", "https://motma.example:443"),
        ("https://motma.example:443", "https://motma.example"),
        ("https://motma.example:8443", "https://motma.example"),
        ("https://motma.example/mot-ma/", "https://motma.example/mot-ma"),
        ("http://127.0.0.1:8080", "http://127.0.0.1"),
    ],
)
async def test_the_port_may_be_signed_or_not(
    public_url: str, signed_for: str, around: Around, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.channels.sms.callers.PUBLIC_URL", public_url.rstrip("/"))
    line = await serve(open_twilio(around))
    monkeypatch.setattr("tests.channels.sms.callers.PUBLIC_URL", signed_for)
    assert (await line.call(twilio_text()))[0] == 200


VICTIM = "+84900000001"
MOVED = {
    "a second sender": [("From", VICTIM), ("From", f"+{PHONE}")],
    "the true sender hidden in a name": [("From", VICTIM), (f"From+{PHONE}", "")],
    "the true sender hidden behind the false one": [("From", f"{VICTIM}From+{PHONE}")],
}


@pytest.mark.parametrize("moved", MOVED)
async def test_bytes_moved_between_fields_make_no_other_message(moved: str, around: Around, serve: Serve) -> None:
    """Whoever reads a signed call may cut it into other fields: the text of a message can hold 'From+84…'."""
    rest = [("MessageSid", f"SM{1:032x}"), ("AccountSid", ACCOUNT), ("To", "+84588888888"), ("NumMedia", "0")]
    forged = signed_by_twilio("/webhooks/twilio", [*rest, ("Body", "x"), *MOVED[moved], ("FromCity", "")])
    genuine = twilio_text(f"xFrom{VICTIM}")
    assert forged.headers["X-Twilio-Signature"] == genuine.headers["X-Twilio-Signature"]
    line = await serve(open_twilio(around))
    assert (await line.call(forged))[0] == 401
    assert around.ear.heard == []


@pytest.mark.parametrize("field", ["MessageSid", "AccountSid"])
@pytest.mark.parametrize("value", ["", "SM1", "AC" + "2" * 32, "SM" + "g" * 32])
async def test_a_call_about_another_account_or_no_message_is_not_for_us(
    field: str, value: str, around: Around, serve: Serve
) -> None:
    line = await serve(open_twilio(around))
    assert (await line.call(twilio_text("a", 1, SECRET, **{field: value})))[0] == 401


async def test_a_json_body_is_bound_by_its_digest(around: Around, serve: Serve) -> None:
    case = next(case for case in VECTORS["cases"] if case["content_type"] == "application/json")
    line = await serve(open_twilio(around, VECTORS["auth_token"]))
    call = vector(case)
    assert (await line.call(replace(call, body=call.body.replace(b"Tra", b"Xem"))))[0] == 401
    other = call.body.replace(b"Tra", b"Xem")
    path = f"/webhooks/twilio?bodySHA256={hashlib.sha256(other).hexdigest()}"
    assert (await line.call(replace(call, path=path, body=other)))[0] == 401
    assert (await line.call(replace(call, path="/webhooks/twilio")))[0] == 401
    assert (await line.call(replace(call, path="/webhooks/twilio?bodySHA256=zz")))[0] == 401
    assert around.ear.heard == []
    assert (await line.call(call))[0] == 200


async def test_the_answer_says_nothing_for_ours_go_by_the_api(around: Around, serve: Serve) -> None:
    line = await serve(open_twilio(around))
    answer = await line.answer(twilio_text())
    assert (answer.content_type, await answer.text()) == ("text/xml", "<Response/>")


@pytest.mark.parametrize(
    ("word", "text"), [("STOP", "STOP"), ("START", "TIEP TUC"), ("HELP", "huy het"), ("", "huy het")]
)
async def test_an_opt_out_that_twilio_keeps_is_kept_by_us_too(
    word: str, text: str, around: Around, serve: Serve
) -> None:
    line = await serve(open_twilio(around))
    assert (await line.call(twilio_text("huy het", OptOutType=word)))[0] == 200
    assert [heard.text for heard in around.ear.heard] == [text]


async def test_a_status_without_a_known_word_changes_nothing(around: Around, serve: Serve) -> None:
    line = await serve(open_twilio(around, f"{SECRET},{OLD_SECRET}"))
    assert (await line.call(twilio_status("receiving", 1)))[0] == 200
    assert around.ear.heard == []
