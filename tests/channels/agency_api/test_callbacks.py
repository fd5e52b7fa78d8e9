"""Receivers by API: made, seen by their own agency alone, given a new secret, deleted; every refusal clear."""

from typing import Any

import pytest

from lookup.api_keys import KeyKind, Scope
from tests.channels.agency_api.conftest import Agency, Stage

URL = "https://mot-cua.example.gov.vn/motma"
PATH = "/api/v1/callbacks"
UNKNOWN = f"{PATH}/cb_0123456789abcdef"


async def made(agency: Agency, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A receiver as its maker hears of it."""
    answer = await agency.post(PATH, {"url": URL, **more})
    assert answer.status == 201, answer.body
    return answer.json


async def test_a_receiver_is_made_and_its_secret_shown_once(stage: Stage, agency: Agency) -> None:
    receiver = await made(agency, statuses=[9, 5], description="Một cửa", email="truc@example.gov.vn")
    assert receiver["secret"].startswith("whsec_")
    shown = {name: value for name, value in receiver.items() if name != "secret"}
    assert (shown["state"], shown["statuses"], shown["description"]) == ("active", [5, 9], "Một cửa")
    assert (await agency.get(f"{PATH}/{receiver['id']}")).json == shown
    assert (await agency.get(PATH)).json == {"items": [shown]}
    kept = await stage.rows("SELECT * FROM callback_receiver")
    assert receiver["secret"] not in str(kept)
    assert "truc@example" not in str(kept)


async def test_another_agencys_receiver_is_not_there(stage: Stage, agency: Agency) -> None:
    receiver = await made(agency)
    path = f"{PATH}/{receiver['id']}"
    trial = await stage.agency(kind=KeyKind.TEST)
    for other in (await stage.agency("H26"), trial):
        assert (await other.get(PATH)).json == {"items": []}
        for answer in (
            await other.get(path),
            await other.send("DELETE", path),
            await other.post(f"{path}/secret"),
            await other.get(f"{path}/deliveries"),
            await other.post(f"{path}/replay", {}),
        ):
            absent = await other.get(UNKNOWN)
            assert answer.error == absent.error == (404, "not_found", "id")
            assert answer.body == absent.body
    above = await stage.agency("H05")
    assert (await above.get(path)).status == 200


async def test_the_same_address_is_taken_once(agency: Agency) -> None:
    receiver = await made(agency)
    assert (await agency.post(PATH, {"url": URL})).error == (422, "invalid", "url")
    assert (await agency.send("DELETE", f"{PATH}/{receiver['id']}")).status == 204
    assert (await agency.get(f"{PATH}/{receiver['id']}")).status == 404
    assert (await agency.send("DELETE", f"{PATH}/{receiver['id']}")).status == 404
    await made(agency)


async def test_an_agency_has_ten_receivers_at_most(agency: Agency) -> None:
    for n in range(10):
        await made(agency, url=f"{URL}/{n}")
    assert (await agency.post(PATH, {"url": URL})).error == (422, "invalid", "url")


async def test_a_new_secret_leaves_the_old_one_a_day(agency: Agency) -> None:
    receiver = await made(agency)
    assert receiver["old_secret_until"] is None
    renewed = (await agency.post(f"{PATH}/{receiver['id']}/secret")).json
    assert renewed["secret"] != receiver["secret"]
    again = (await agency.post(f"{PATH}/{receiver['id']}/secret")).json
    assert again["secret"] != renewed["secret"]
    assert again["old_secret_until"] == renewed["old_secret_until"] is not None


async def test_a_key_without_the_scope_is_refused(stage: Stage) -> None:
    narrow = await stage.agency(scopes=frozenset(Scope) - {Scope.CALLBACKS_MANAGE})
    for answer in (await narrow.get(PATH), await narrow.post(PATH, {"url": URL}), await narrow.get(UNKNOWN)):
        assert answer.error[:2] == (403, "forbidden")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "url"),
        ({"url": "http://example.gov.vn/"}, 422, "url"),
        ({"url": "https://10.0.0.1/"}, 422, "url"),
        ({"url": URL, "statuses": []}, 422, "statuses"),
        ({"url": URL, "statuses": [11]}, 422, "statuses[…]"),
        ({"url": URL, "statuses": [4, 4]}, 422, "statuses"),
        ({"url": URL, "email": "nobody"}, 422, "email"),
        ({"url": URL, "surprise": 1}, 422, None),
        (b'{"url": "https://a.vn/", "url": "https://b.vn/"}', 422, None),
        (b"[" * 60_000, 422, None),
        (b"\xff", 400, None),
        (b'{"url": "https://a.vn/\\u0000"}', 422, "url"),
        (b'{"url": "\\ud800"}', 400, None),
    ],
)
async def test_what_cannot_be_a_receiver_is_told(agency: Agency, body: object, status: int, field: str | None) -> None:
    answer = await agency.post(PATH, body)
    assert answer.status == status, answer.body
    if field is not None:
        assert answer.error[2] == field or str(answer.error[2]).startswith(field.partition("[")[0])


async def test_a_replay_says_from_where(agency: Agency) -> None:
    path = f"{PATH}/{(await made(agency))['id']}/replay"
    none = {"queued": 0, "cursor": None, "more": False}
    assert (await agency.post(path, {})).json == none
    assert (await agency.post(path, {"since": "2026-11-01T00:00:00+07:00"})).json == none
    for body, field in (
        ({"after": "chg_1"}, "after"),
        ({"after": "chg_" + "0" * 32}, "after"),
        ({"after": "chg_1", "since": "2026-11-01T00:00:00+07:00"}, "since"),
        ({"since": "2026-11-01"}, "since"),
        ({"since": "0001-01-01T00:00:00+07:00"}, "since"),
    ):
        assert (await agency.post(path, body)).error == (422, "invalid", field)


async def test_bad_queries_are_told(agency: Agency) -> None:
    path = f"{PATH}/{(await made(agency))['id']}/deliveries"
    assert (await agency.get(path)).json == {"items": [], "cursor": None, "more": False}
    for query, field in (("state=lost", "state"), ("cursor=chg_1", "cursor"), ("limit=0", "limit")):
        assert (await agency.get(f"{path}?{query}")).error == (422, "invalid", field)
    for wild in ("cb_%00", "%FF", "cb_0123456789ABCDEF", "..%2f"):
        assert (await agency.get(f"{PATH}/{wild}")).status == 404
