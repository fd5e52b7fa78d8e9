"""A slip's dossier in a news reader: its history, newest first, no person named, and nothing sent twice."""

from datetime import datetime
from xml.etree import ElementTree as ET

from channels.receipts.feed import CONTENT_TYPE, feed
from domain.language import Language
from lookup.disclosure import Level
from tests.channels.receipts.conftest import OTHER, Counter
from tests.channels.receipts.sample_slips import CODE
from tests.channels.web.sample_answers import SAMPLES

ATOM = "{http://www.w3.org/2005/Atom}"


async def test_the_history_is_a_feed_without_names(counter: Counter) -> None:
    token = await counter.token()
    response = await counter.client.get(f"/r/{token}/feed")
    body = await response.read()
    assert (response.status, response.content_type) == (200, CONTENT_TYPE)
    assert response.headers["Cache-Control"] == "private, max-age=900"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    root = ET.fromstring(body)  # noqa: S314 - our own
    assert root.tag == f"{ATOM}feed"
    assert root.findtext(f"{ATOM}title") == f"Hồ sơ {CODE}"
    entries = root.findall(f"{ATOM}entry")
    assert len(entries) >= 1
    times = [datetime.fromisoformat(entry.findtext(f"{ATOM}updated") or "") for entry in entries]
    assert times == sorted(times, reverse=True)
    assert root.findtext(f"{ATOM}updated") == entries[0].findtext(f"{ATOM}updated")
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == len(entries)
    assert token not in (root.findtext(f"{ATOM}id") or "")
    assert "N*** V** A*" not in body.decode()
    assert "Nguyễn" not in body.decode()
    for wanted in ("id", "title", "updated", "author"):  # RFC 4287 4.1.1
        assert root.find(ATOM + wanted) is not None


async def test_the_same_is_not_sent_twice(counter: Counter) -> None:
    token = await counter.token()
    first = await counter.client.get(f"/r/{token}/feed")
    again = await counter.client.get(f"/r/{token}/feed", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = await counter.client.get(f"/r/{token}/feed", headers={"If-None-Match": '"x"'})
    assert other.status == 200
    english = await counter.client.get(f"/r/{token}/feed?lang=en", headers={"If-None-Match": first.headers["ETag"]})
    assert english.status == 200
    assert f"Dossier {CODE}" in await english.text()


def test_a_dossier_that_was_finished_late_says_so_and_no_day_it_is_due() -> None:
    answer = SAMPLES["delivered_late"].answer(Level.PROVEN)
    body = feed(
        answer, Language.VIETNAMESE, url="https://x.example/f", page_url="https://x.example/", title="T"
    ).decode()
    assert "Hồ sơ xong trễ hẹn 1 ngày làm việc, chúng tôi xin lỗi." in body
    assert "17/11/2026)" not in body


async def test_a_slip_that_opens_nothing_has_no_feed(counter: Counter) -> None:
    revoked = await counter.token(OTHER)
    await counter.receipts.revoke(counter.tenant, OTHER)
    for token in (revoked, "x", "A" * 5000, "%00"):
        response = await counter.client.get(f"/r/{token}/feed")
        assert response.status == 404
        assert response.headers["Cache-Control"] == "no-store"


async def test_the_answer_leads_to_it(counter: Counter) -> None:
    token = await counter.token()
    html = await (await counter.client.get(f"/r/{token}")).text()
    assert '<link rel="alternate" type="application/atom+xml" title="Theo dõi bằng trình đọc tin (Atom)"' in html
    assert html.count(f'href="/r/{token}/feed?lang=vi"') == 2
