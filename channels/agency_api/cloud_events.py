"""CloudEvents 1.0 about changes of status: structured, batched and binary, each read as one event of ours.

Mapping: `source` and `id` together are the event's id; `subject` is the dossier code, where `data` names none; `time`
is when it happened, where `data` names no `at`; `data` is an event without `id`. `type` is not looked at, and neither
are extension attributes. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from channels.agency_api.payloads import EVENTS, MAX_ITEM, EventPayload, Unreadable, unreadable
from channels.json_bodies import decoded, refuse_repeated_members
from domain.errors import Invalid, Malformed, ServiceError, TooLarge

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
_JSON = "application/json"
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time")


class CloudEvent(Struct):
    """The attributes we look at; others are the sender's own."""

    specversion: Literal["1.0"]
    id: Annotated[str, Meta(min_length=1, max_length=200)]
    source: Annotated[str, Meta(min_length=1, max_length=300)]
    type: Annotated[str, Meta(min_length=1, max_length=300)]
    subject: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType | None = UNSET
    time: Annotated[datetime, Meta(tz=True)] | UnsetType | None = UNSET
    datacontenttype: str | UnsetType | None = UNSET
    data: dict[str, Any] | UnsetType | None = UNSET
    data_base64: str | UnsetType | None = UNSET


_structured = msgspec.json.Decoder(CloudEvent)
_data = msgspec.json.Decoder(dict[str, Any])


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether the attributes stand in headers and the body is the data."""
    return "ce-specversion" in headers or "ce-id" in headers


def structured(raw: bytes) -> tuple[EventPayload, str]:
    """One event in structured mode, and the id its sender uses. Raises `Malformed`, `Invalid`, `TooLarge`."""
    if len(raw) > MAX_ITEM:
        raise TooLarge(f"One item may have {MAX_ITEM} bytes at most.")
    event = decoded(_structured.decode, raw)
    refuse_repeated_members(raw)
    data = event.data
    if event.data_base64:
        try:
            data = decoded(_data.decode, base64.b64decode(event.data_base64, validate=True))
        except binascii.Error:
            raise Invalid("This is not base64.", field="data_base64") from None
    content_type = (event.datacontenttype or _JSON).partition(";")[0].strip().lower()
    if content_type != _JSON and not content_type.endswith("+json"):
        raise Invalid("The data must be JSON.", field="datacontenttype")
    return _event(event, data or {}), event.id


def batched(raws: list[bytes]) -> tuple[list[EventPayload | Unreadable], list[str]]:
    """The events of a batch, and the ids their senders use."""
    events: list[EventPayload | Unreadable] = []
    names: list[str] = []
    for raw in raws:
        try:
            event, name = structured(raw)
        except ServiceError as error:
            events.append(unreadable(raw, error))
            names.append("")
        else:
            events.append(event)
            names.append(name)
    return events, names


def binary(headers: Mapping[str, str], body: bytes) -> tuple[EventPayload, str]:
    """One event in binary mode, and the id its sender uses. Raises `Malformed`, `Invalid`, `TooLarge`."""
    if len(body) > MAX_ITEM:
        raise TooLarge(f"One item may have {MAX_ITEM} bytes at most.")
    attributes: dict[str, Any] = {}
    for name in _ATTRIBUTES:
        if (value := headers.get(f"ce-{name}")) is not None:
            try:
                attributes[name] = unquote(value, errors="strict")
            except UnicodeDecodeError:
                raise Malformed("A header is not percent-encoded UTF-8.") from None
    envelope = decoded(_structured.decode, msgspec.json.encode(attributes))
    data = decoded(_data.decode, body)
    refuse_repeated_members(body)
    return _event(envelope, data), envelope.id


def attributes_said(headers: Mapping[str, str]) -> bytes:
    """Everything the headers say of an event, for telling one request from another."""
    said = sorted((name.lower(), value) for name, value in headers.items() if name.lower().startswith("ce-"))
    return "".join(f"{name}: {value}\n" for name, value in said).encode("utf-8", "surrogateescape")


def _event(envelope: CloudEvent, data: dict[str, Any]) -> EventPayload:
    members = dict(data)
    if members.pop("id", envelope.id) != envelope.id:
        raise Invalid("The id in the data is not the id of the CloudEvent.", field="data.id")
    if envelope.subject and members.setdefault("code", envelope.subject) != envelope.subject:
        raise Invalid("The code in the data is not the subject of the CloudEvent.", field="data.code")
    if envelope.time:
        members.setdefault("at", envelope.time)
    members["id"] = stored_id(envelope.source, envelope.id)
    return EVENTS.one(msgspec.json.encode(members))


def stored_id(source: str, event_id: str) -> str:
    """The id under which the history keeps a CloudEvent: source and id, or their digest when they are long."""
    whole = f"{source}#{event_id}"
    return whole if len(whole) <= 200 else f"cloudevent:{hashlib.sha256(whole.encode()).hexdigest()}"
