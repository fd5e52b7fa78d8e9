"""Providers as they call us: genuine calls made to order, and what in them proves who calls."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from channels.sms.esms import EsmsChannel, EsmsSettings
from channels.sms.infobip import InfobipChannel, InfobipSettings
from channels.sms.parts import Joiner
from channels.sms.speedsms import SpeedSmsChannel, SpeedSmsSettings
from channels.sms.twilio import TwilioChannel, TwilioSettings
from channels.sms.vonage import VonageChannel, VonageSettings
from channels.sms.vonage_messages import VonageMessagesChannel, VonageMessagesSettings
from domain.message import DeliveryState
from lookup.sealing import Seal
from tests.channels.sms.calling import NOW, Around, Call, Caller

PAYLOADS = Path(__file__).parent / "payloads"
PUBLIC_URL = "https://motma.example"
OUR_NUMBER = "84588888888"
PHONE = "84901234567"
SECRET, OLD_SECRET = "signature-secret-of-the-tests", "old-signature-secret-of-the-tests"
ACCOUNT = "AC" + "1" * 32
API_KEY = "abcd1234"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def recorded(name: str) -> Any:  # noqa: ANN401 - JSON
    """A file of tests/channels/sms/payloads."""
    return json.loads((PAYLOADS / name).read_text(encoding="utf-8"))


# --- Twilio ---


def open_twilio(around: Around, secret: str = SECRET, **changed: object) -> TwilioChannel:
    settings = TwilioSettings(
        **{
            "account_sid": ACCOUNT,
            "auth_token": secret,
            "sender": f"+{OUR_NUMBER},MOTMA",
            "api_url": around.api_url,
            **changed,
        }  # type: ignore[arg-type]
    )
    return TwilioChannel(
        settings,
        http=around.http,
        heard=around.ear,
        reports=around.reports,
        public_url=f"{PUBLIC_URL}/",
        clock=around.clock,
    )


def signed_by_twilio(path: str, pairs: list[tuple[str, str]], secret: str = SECRET) -> Call:
    covered = (PUBLIC_URL + path + "".join(n + v for n, v in sorted(pairs))).encode("utf-8", "surrogateescape")
    signature = base64.b64encode(hmac.new(secret.encode(), covered, "sha1").digest()).decode()
    body = urlencode(pairs, errors="surrogateescape").encode()
    return Call("POST", path, {**FORM, "X-Twilio-Signature": signature}, body)


def twilio_text(text: str = "Tra cứu", number: int = 1, secret: str = SECRET, **more: str) -> Call:
    pairs = {
        "MessageSid": f"SM{number:032x}",
        "AccountSid": ACCOUNT,
        "From": f"+{PHONE}",
        "To": f"+{OUR_NUMBER}",
        "Body": text,
        "NumMedia": "0",
        "FromCity": "",
        **more,
    }
    return signed_by_twilio("/webhooks/twilio", list(pairs.items()), secret)


def twilio_status(word: str, message_id: int, secret: str = SECRET) -> Call:
    pairs = [("MessageSid", f"SM{message_id:032x}"), ("AccountSid", ACCOUNT), ("MessageStatus", word)]
    return signed_by_twilio(f"/webhooks/twilio/status?mid={message_id}", pairs, secret)


# --- Vonage, SMS API ---


def open_vonage(around: Around, secret: str = SECRET, **changed: object) -> VonageChannel:
    settings = VonageSettings(
        **{
            "api_key": API_KEY,
            "api_secret": "api-secret",
            "signature_secret": secret,
            "sender": f"{OUR_NUMBER},MOTMA",
            "api_url": around.api_url,
            **changed,
        }  # type: ignore[arg-type]
    )
    return VonageChannel(
        settings,
        http=around.http,
        heard=around.ear,
        joiner=Joiner("vonage", database=around.database, seal=around.seal, heard=around.ear),
        reports=around.reports,
        public_url=PUBLIC_URL,
        clock=around.clock,
    )


def signed_by_vonage(path: str, given: Mapping[str, str], secret: str = SECRET, *, way: str = "json") -> Call:
    fields = {"timestamp": f"{NOW:%s}", "nonce": "n", "api-key": API_KEY, **given}
    fields = {name: value for name, value in fields.items() if value is not None}
    covered = "".join(f"&{n}={v.replace('&', '_').replace('=', '_')}" for n, v in sorted(fields.items()))
    fields["sig"] = hmac.new(secret.encode(), covered.encode("utf-8", "replace"), "sha256").hexdigest()
    if way == "get":
        return Call("GET", f"{path}?{urlencode(fields, quote_via=quote)}")
    if way == "form":
        return Call("POST", path, FORM, urlencode(fields).encode())
    return Call("POST", path, JSON, json.dumps(fields).encode())


def vonage_text(
    text: str = "Tra cứu", number: int = 1, secret: str = SECRET, *, way: str = "json", **more: str
) -> Call:
    fields = {
        "msisdn": PHONE,
        "to": OUR_NUMBER,
        "messageId": f"{number:016X}",
        "text": text,
        "type": "unicode",
        "keyword": "TRA",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return signed_by_vonage("/webhooks/vonage", fields, secret, way=way)


def vonage_status(word: str, message_id: int, secret: str = SECRET) -> Call:
    fields = {"messageId": f"D{message_id:015X}", "status": word, "err-code": "0", "client-ref": str(message_id)}
    return signed_by_vonage("/webhooks/vonage/status", fields, secret)


# --- Vonage, Messages API ---


def open_vonage_messages(around: Around, secret: str = SECRET, **changed: object) -> VonageMessagesChannel:
    settings = VonageMessagesSettings(
        **{
            "api_key": API_KEY,
            "api_secret": "api-secret",
            "signature_secret": secret,
            "sender": f"{OUR_NUMBER},MOTMA",
            "api_url": around.api_url,
            **changed,
        }  # type: ignore[arg-type]
    )
    return VonageMessagesChannel(
        settings,
        http=around.http,
        heard=around.ear,
        reports=around.reports,
        public_url=PUBLIC_URL,
        clock=around.clock,
    )


def token(body: bytes, secret: str = SECRET, header: Mapping[str, Any] | None = None, **changed: object) -> str:
    """A token as Vonage makes it; a claim changed to None is left out."""
    claims = {
        "iat": int(NOW.timestamp()),
        "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5",
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "api_key": API_KEY,
        "application_id": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
        **changed,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    parts = ({"alg": "HS256", "typ": "JWT"} if header is None else header, claims)
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.new(secret.encode(), signed, "sha256").digest()).rstrip(b"=")
    return b".".join((signed, signature)).decode()


def with_token(body: bytes, secret: str = SECRET, **changed: Any) -> Call:  # noqa: ANN401 - claims
    header = {**JSON, "Authorization": f"Bearer {token(body, secret, **changed)}"}
    return Call("POST", "/webhooks/vonage/messages", header, body)


def vonage_messages_text(text: str = "Tra cứu", number: int = 1, secret: str = SECRET, **more: object) -> Call:
    fields = {
        "channel": "sms",
        "message_uuid": f"aaaaaaaa-bbbb-cccc-dddd-{number:012}",
        "from": PHONE,
        "to": OUR_NUMBER,
        "text": text,
        "sms": {"num_messages": "1"},
        **more,
    }
    return with_token(json.dumps(fields).encode(), secret)


def vonage_messages_status(word: str, message_id: int, secret: str = SECRET) -> Call:
    fields = {
        "message_uuid": f"bbbbbbbb-bbbb-cccc-dddd-{message_id:012}",
        "channel": "sms",
        "status": word,
        "client_ref": str(message_id),
    }
    return with_token(json.dumps(fields).encode(), secret)


# --- Infobip ---


def open_infobip(around: Around, secret: str = SECRET, **changed: object) -> InfobipChannel:
    settings = InfobipSettings(
        **{
            "api_key": "api-key",
            "sender": f"{OUR_NUMBER},MOTMA",
            "hook_username": "infobip",
            "hook_password": secret,
            "api_url": around.api_url,
            **changed,
        }  # type: ignore[arg-type]
    )
    return InfobipChannel(settings, http=around.http, heard=around.ear, reports=around.reports, clock=around.clock)


def from_infobip(path: str, results: list[dict[str, Any]], secret: str = SECRET) -> Call:
    who = base64.b64encode(f"infobip:{secret}".encode()).decode()
    body = json.dumps({"results": results, "messageCount": len(results), "pendingMessageCount": 0}).encode()
    return Call("POST", path, {**JSON, "Authorization": f"Basic {who}"}, body)


def infobip_text(text: str = "Tra cứu", number: int = 1, secret: str = SECRET, **more: object) -> Call:
    result = {
        "messageId": str(817790313235066447 + number),
        "from": PHONE,
        "to": OUR_NUMBER,
        "text": text,
        "cleanText": text,
        "keyword": "TRA",
        "receivedAt": "2026-11-10T03:00:00.000+0000",
        "smsCount": 1,
        "price": {"pricePerMessage": 0, "currency": "EUR"},
        "callbackData": None,
        **more,
    }
    return from_infobip("/webhooks/infobip/mo", [result], secret)


INFOBIP_GROUPS = {"PENDING": 1, "UNDELIVERABLE": 2, "DELIVERED": 3, "EXPIRED": 4, "REJECTED": 5}


def infobip_status(word: str, message_id: int, secret: str = SECRET) -> Call:
    result = {
        "messageId": f"i{message_id}",
        "callbackData": str(message_id),
        "status": {"groupId": INFOBIP_GROUPS[word.partition("_")[0]], "id": 1, "name": word},
        "error": {"groupId": 0, "name": "NO_ERROR", "permanent": False},
    }
    return from_infobip("/webhooks/infobip/reports", [result], secret)


# --- eSMS ---


def open_esms(around: Around, secret: str = SECRET, **changed: object) -> EsmsChannel:
    settings = EsmsSettings(
        **{
            "api_key": "api-key",
            "secret_key": "secret-key",
            "brandname": "MOTMA",
            "hook_secret": secret,
            "api_url": around.api_url,
            **changed,
        }  # type: ignore[arg-type]
    )
    return EsmsChannel(settings, http=around.http, reports=around.reports, seal=around.seal, public_url=PUBLIC_URL)


ESMS_COUNTS = {"5 arrived": (5, 0, 1), "5 failed": (5, 1, 0), "5 unclear": (5, 0, 0), "4": (4, 0, 0), "7": (7, 0, 0)}


def esms_status(word: str, message_id: int, secret: str = SECRET, *, reference: str | None = None) -> Call:
    """`reference` is what we gave eSMS; unless given, what the seal of the tests makes of the id."""
    status, failed, succeeded = ESMS_COUNTS[word]
    digest = Seal.from_secret(b"t" * 32).digest("esms", str(message_id)).hex()[:16]
    query = {
        "SMSID": f"dc712784-9c5f-4c69-b9a8-ea69d56adc9a{message_id}",
        "SendFailed": str(failed),
        "SendStatus": str(status),
        "SendSuccess": str(succeeded),
        "TotalPrice": "0.0000",
        "TotalReceiver": "1",
        "TotalSent": "1",
        "RequestId": f"{message_id}-{digest}" if reference is None else reference,
        "TypeId": "2",
        "telcoid": "1",
        "phonenumber": f"0{PHONE[2:]}",
        "switchsmsid": "",
    }
    return Call("GET", f"/webhooks/esms/{secret}?{urlencode(query)}")


# --- SpeedSMS ---


def open_speedsms(around: Around, secret: str = SECRET, **changed: object) -> SpeedSmsChannel:
    settings = SpeedSmsSettings(
        **{
            "token": "token-of-the-tests",
            "sender": "MOTMA",
            "hook_secret": secret,
            "api_url": around.api_url,
            "rate": None,
            **changed,
        }  # type: ignore[arg-type]
    )
    return SpeedSmsChannel(settings, http=around.http, reports=around.reports)


def speedsms_status(word: str, message_id: int, secret: str = SECRET) -> Call:
    body = {"type": "report", "tranId": message_id, "phone": PHONE, "status": int(word)}
    return Call("POST", f"/webhooks/speedsms/{secret}", JSON, json.dumps(body).encode())


HANDED_OVER, ON_ITS_WAY, EXPIRED, FAILED, DELIVERED = (
    DeliveryState.HANDED_OVER,
    DeliveryState.ON_ITS_WAY,
    DeliveryState.EXPIRED,
    DeliveryState.FAILED,
    DeliveryState.DELIVERED,
)
TWILIO = Caller(
    "twilio",
    open_twilio,
    twilio_text,
    twilio_status,
    {
        "queued": HANDED_OVER,
        "sent": ON_ITS_WAY,
        "undelivered": FAILED,
        "failed": FAILED,
        "delivered": DELIVERED,
        "read": DELIVERED,
    },
    proof="X-Twilio-Signature",
)
VONAGE = Caller(
    "vonage",
    open_vonage,
    vonage_text,
    vonage_status,
    {
        "unknown": HANDED_OVER,
        "accepted": ON_ITS_WAY,
        "buffered": ON_ITS_WAY,
        "expired": EXPIRED,
        "rejected": FAILED,
        "delivered": DELIVERED,
    },
    proof="sig",
)
VONAGE_MESSAGES = Caller(
    "vonage-messages",
    open_vonage_messages,
    vonage_messages_text,
    vonage_messages_status,
    {"submitted": ON_ITS_WAY, "rejected": FAILED, "undeliverable": FAILED, "delivered": DELIVERED, "read": DELIVERED},
    proof="Authorization",
)
INFOBIP = Caller(
    "infobip",
    open_infobip,
    infobip_text,
    infobip_status,
    {
        "PENDING_ENROUTE": ON_ITS_WAY,
        "DELIVERED_TO_OPERATOR": ON_ITS_WAY,
        "EXPIRED_EXPIRED": EXPIRED,
        "UNDELIVERABLE_NOT_DELIVERED": FAILED,
        "REJECTED_NETWORK": FAILED,
        "DELIVERED_TO_HANDSET": DELIVERED,
    },
    proof="Authorization",
    covers_body=False,
)
ESMS = Caller(
    "esms",
    open_esms,
    None,
    esms_status,
    {"7": ON_ITS_WAY, "5 unclear": ON_ITS_WAY, "4": FAILED, "5 failed": FAILED, "5 arrived": DELIVERED},
    covers_body=False,
    refusal=404,
)
SPEEDSMS = Caller(
    "speedsms",
    open_speedsms,
    None,
    speedsms_status,
    {"1": ON_ITS_WAY, "63": ON_ITS_WAY, "64": FAILED, "0": DELIVERED},
    covers_body=False,
    refusal=404,
)
CALLERS = (TWILIO, VONAGE, VONAGE_MESSAGES, INFOBIP, ESMS, SPEEDSMS)
TEXTING = tuple(caller for caller in CALLERS if caller.text is not None)


def altered(call: Call, proof: str, value: str) -> Call:
    """The call with another proof: a header, or a field of its JSON."""
    if proof in call.headers:
        return replace(call, headers={**call.headers, proof: value})
    return replace(call, body=json.dumps({**json.loads(call.body), proof: value}, ensure_ascii=False).encode())


def proof_of(call: Call, proof: str) -> str:
    """The proof of a call as it stands there."""
    return call.headers[proof] if proof in call.headers else str(json.loads(call.body)[proof])
