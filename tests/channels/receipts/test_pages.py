"""The pages behind a slip: opened by its QR, printed again, and told genuine from forged."""

import random
import re

import pytest

from channels.receipts.checking import Verdict, checked
from domain.language import Language
from lookup.receipt_tokens import Receipt, ReceiptKeys
from tests.channels.receipts.conftest import OTHER, Counter, OpenCounter
from tests.channels.receipts.sample_slips import CODE, ISSUED

APPLICANT = "N*** V** A*"


def altered(token: str) -> str:
    """One character of the signature is another."""
    at = len(token) - 20
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


async def test_the_qr_opens_the_dossier_without_typing_anything(counter: Counter) -> None:
    token = await counter.token()
    for place in (f"/r/{token}", f"/R/{token}", f"/r/{token.lower()}"):
        response = await counter.client.get(place)
        html = await response.text()
        assert response.status == 200
        assert CODE in html
        assert APPLICANT in html
        assert "data-proven" in html


async def test_nothing_of_it_is_kept_passed_on_or_indexed(counter: Counter) -> None:
    token = await counter.token()
    for place in (f"/r/{token}", f"/r/{token}/in", f"/r/{altered(token)}"):
        response = await counter.client.get(place)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in response.headers["X-Robots-Tag"]
        html = await response.text()
        assert not re.search(rf"[?&][^\"]*{token}", html), "never in a query"
        assert not re.search(r'(?:href|src|action)="(?:https?:)?//', html), "no other host"
        assert not re.search(r'type="password"|autocomplete="(?:one-time-code|cc-|current-password)', html)


async def test_whatever_is_wrong_with_a_token_the_page_is_the_same(counter: Counter) -> None:
    genuine = await counter.token()
    specimen = await counter.token(specimen=True)
    unknown = counter.core.receipts.issue(Receipt(code="H05.16-261102-9999", issued_at=ISSUED))
    foreign = ReceiptKeys([b"x" * 32]).issue(Receipt(code=CODE, issued_at=ISSUED))
    expired = counter.core.receipts.issue(Receipt(code=CODE, issued_at=ISSUED.replace(year=2023)))
    revoked = await counter.token(OTHER)
    await counter.receipts.revoke(counter.tenant, OTHER)
    tokens = (altered(genuine), specimen, unknown, foreign, expired, revoked, "x", "A" * 5000, "%00", "é", "..%2f")
    pages = set()
    for token in tokens:
        for place in (f"/r/{token}", f"/r/{token}/in"):
            response = await counter.client.get(place)
            assert response.status == 404, token
            pages.add(await response.text())
    assert len(pages) == 1
    assert "Không tìm thấy hồ sơ" in pages.pop()


async def test_the_access_log_holds_no_token(counter: Counter) -> None:
    token = await counter.token()
    await counter.client.get(f"/r/{token}")
    await counter.client.get(f"/r/{altered(token)}")
    await counter.client.get(f"/r/{token}/in")
    await counter.client.post("/kiem-tra", data={"receipt": token})
    logged = await counter.logged()
    assert [line["route"] for line in logged] == ["/r/{token}", "/r/{token}", "/r/{token}/in", "/kiem-tra"]
    assert token.encode() not in counter.duty.written
    assert CODE.encode() not in counter.duty.written


async def test_opening_counts_as_a_look_up(open_counter: OpenCounter) -> None:
    counter = await open_counter(limit="3/minute")
    token = await counter.token()
    statuses = [(await counter.client.get(f"/r/{altered(token)}")).status for _ in range(3)]
    assert statuses == [404] * 3
    refused = await counter.client.get(f"/r/{token}")
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert (await counter.client.get("/kiem-tra")).status == 200


async def test_the_slip_can_be_printed_again(counter: Counter) -> None:
    token = await counter.token()
    response = await counter.client.get(f"/r/{token}/in")
    html = await response.text()
    assert response.status == 200
    assert "<svg" in html
    assert f"{CODE};" in html
    assert "Nguyễn" not in html
    assert "style=" not in html, "the policy forbids it"


async def test_the_page_in_english(counter: Counter) -> None:
    token = await counter.token()
    html = await (await counter.client.get(f"/r/{token}?lang=en")).text()
    assert "Check this slip" in html
    assert f'href="/r/{token}?lang=vi"' in html
    html = await (await counter.client.get("/kiem-tra")).text()  # by the cookie
    assert "Is this slip genuine?" in html


def shown(html: str) -> list[str]:
    """The verdicts a reader sees."""
    return [found[1] for found in re.finditer(r'data-verdict="(\w+)"( hidden)?', html) if not found[2]]


async def test_the_service_checks_where_a_browser_cannot(counter: Counter) -> None:
    slip = await counter.slip()
    token = slip.address.rpartition("/")[2]
    for pasted, verdict in {
        slip.address: "genuine",
        f"  {token.lower()}\n": "genuine",
        f"HTTPS://MOTMA.VN/R/{token}": "genuine",
        altered(token): "forged",
        slip.address[:-3]: "forged",
        await counter.token(specimen=True): "specimen",
        CODE: "unreadable",
        "<script>": "unreadable",
        "": "unreadable",
        "x" * 3000: "unreadable",
    }.items():
        response = await counter.client.post("/kiem-tra", data={"receipt": pasted})
        html = await response.text()
        assert (response.status, shown(html)) == (200, [verdict]), pasted
        assert response.headers["Cache-Control"] == "no-store"
        assert ('<dd translate="no">' + CODE in html) is (verdict in {"genuine", "specimen"})
    html = await (await counter.client.post("/kiem-tra", data={"receipt": token})).text()
    for said in ("02/11/2026", "20/11/2026", "(H05.16)", f'href="/r/{token}"'):
        assert said in html
    assert shown(await (await counter.client.get("/kiem-tra")).text()) == []


async def test_a_receipt_says_who_received_it_even_if_we_know_the_office_no_more(counter: Counter) -> None:
    token = counter.core.receipts.issue(Receipt(code="Z99-261102-1", office="Z99", issued_at=ISSUED))
    result = checked(token, counter.core.receipts, counter.core.registry, Language.VIETNAMESE)
    assert (result.verdict, result.office, result.due) == (Verdict.GENUINE, "Z99", "")


async def test_the_names_of_offices_can_be_taken_along(counter: Counter) -> None:
    response = await counter.client.get("/kiem-tra/co-quan.json")
    names = await response.json()
    agency = counter.core.registry.agency_by_code("H05.16")
    assert agency is not None
    assert names["H05.16"] == [agency.name, agency.name_en]


async def test_random_and_altered_tokens_open_nothing(counter: Counter) -> None:
    """A slice of guarantee G43; the whole of it is `./run faults --only G43`."""
    genuine, chance = await counter.token(), random.Random(43)
    for _ in range(100):
        at, bit = chance.randrange(len(genuine)), 1 << chance.randrange(7)
        changed = genuine[:at] + chr(ord(genuine[at]) ^ bit) + genuine[at + 1 :]
        guessed = "".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=len(genuine)))
        for token in (changed, guessed):
            assert await counter.core.desk.with_receipt(token) is None


@pytest.mark.parametrize("body", [b"receipt=%00%ff", b"receipt=" + b"A" * 5000, b"x" * 100, b""])
async def test_bad_forms_are_refused_in_words(counter: Counter, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await counter.client.post("/kiem-tra", data=body, headers=headers)
    assert response.status in {200, 400, 413}
    assert "<h1>" in await response.text()
