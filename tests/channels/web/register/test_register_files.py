"""The register as programs read it: data, feed, chain, checkpoints, maps for search engines."""

import csv
import io
import json
from datetime import timedelta
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest

from channels.web.register import files
from database.pool import Role
from domain.civil_time import civil_day, utc_now
from feedback_intake.chain import Verifier
from feedback_intake.checkpoints import Checkpoints, read_checkpoint
from feedback_intake.register import Publication
from tests.channels.web.register.conftest import URL, RegisterSite
from tests.feedback_intake.desk import HERE
from tests.feedback_intake.many_entries import fill
from tests.feedback_intake.test_register import ANSWER, EDITED, answered, filed, publish


async def test_data_follows_page_by_page_to_the_end(register: RegisterSite) -> None:
    await fill(register.core.database.url, 25)
    seen, path = [], "/cong-khai.json?most=10&kind=feedback"
    while path:
        page = json.loads(await register.reads(path))
        seen += [entry["id"] for entry in page["entries"]]
        following = urlsplit(page["next"] or "")
        path = f"{following.path}?{following.query}" if page["next"] else ""
    assert seen == [n for n in range(25, 0, -1) if n % 4]


async def test_one_entry_as_data(register: RegisterSite) -> None:
    await register.publishes()
    said = json.loads(await register.reads("/cong-khai/1.json"))
    assert (said["question"], said["answer"], said["name"], said["agency"]) == (EDITED, ANSWER, None, HERE)
    assert said["url"] == f"{URL}/cong-khai/1"
    assert not {"case_id", "number"} & said.keys()
    await register.reads("/cong-khai/2.json", status=404)


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+84", "-2+3", "＝cmd"])
async def test_a_spreadsheet_runs_nothing_of_what_people_wrote(register: RegisterSite, text: str) -> None:
    case_id = await answered(register.desk, (await filed(register.desk)).case_id)
    await publish(register.desk, case_id, Publication(question=text))
    body = await register.reads("/cong-khai.csv")
    (row,) = csv.DictReader(io.StringIO(body.removeprefix("\ufeff")))
    assert row["question"] == f"'{text}"


async def test_an_unknown_office_is_not_taken_for_all(register: RegisterSite) -> None:
    await register.publishes()
    for path in ("/cong-khai.json?agency=X1", "/cong-khai.csv?agency=X1", "/cong-khai/co-quan.csv?agency=X1"):
        await register.reads(path, status=404)


async def test_the_feed_holds_the_newest_and_survives_any_text(register: RegisterSite) -> None:
    case_id = await answered(register.desk, (await filed(register.desk)).case_id)
    await publish(register.desk, case_id, Publication(question="<b>Tôi & bạn</b> ]]> h\ufffeỏi\uffff"))
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ET.fromstring(await register.reads("/cong-khai.atom?q=ban"))  # noqa: S314 - our own
    (entry,) = feed.findall(f"{atom}entry")
    assert entry.findtext(f"{atom}title") == "<b>Tôi & bạn</b> ]]> hỏi"
    assert ET.fromstring(await register.reads("/cong-khai.atom?q=khac")).findall(f"{atom}entry") == []  # noqa: S314


async def test_figures_as_data(register: RegisterSite) -> None:
    await register.publishes()
    await register.counts()
    said = json.loads(await register.reads(f"/cong-khai/co-quan.json?agency={HERE}"))
    assert said["offices"][0]["answers_on_time"] == {"percent": 100.0, "of": 1}
    assert said["offices"][0]["content_with_feedback"] == {"percent": None, "of": 0}
    body = await register.reads("/cong-khai/co-quan.csv")
    rows = list(csv.DictReader(io.StringIO(body.removeprefix("\ufeff"))))
    assert rows[0]["answers_on_time_percent"] == "100.0"
    assert len(rows) > 5


async def test_chain_and_checkpoints_verify_as_they_are_served(register: RegisterSite) -> None:
    await register.publishes(2)
    lines = (await register.reads("/cong-khai/chain.ndjson")).encode().splitlines()
    found = Verifier().read(lines)
    assert (found.records, found.faults) == (2, ())
    assert len((await register.reads("/cong-khai/chain.ndjson?after=1")).splitlines()) == 1
    assert await register.reads("/cong-khai/checkpoints") == ""
    async with register.core.database.transaction(Role.WORKER) as connection:
        await Checkpoints(register.core.seal).turn(connection, today=civil_day(utc_now()) + timedelta(days=1))
    checkpoint = read_checkpoint((await register.reads("/cong-khai/checkpoints")).encode().splitlines()[0])
    assert checkpoint.genuine
    assert (checkpoint.n, checkpoint.digest) == (2, found.digest)
    assert checkpoint.digest in await register.reads("/cong-khai/kiem-chung")


async def test_a_long_register_has_maps_that_name_every_entry_once(
    register: RegisterSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(register.core.database.url, 25)
    one = await register.reads("/sitemap.xml")
    monkeypatch.setattr(files, "SITEMAP_LENGTH", 10)
    index = await register.reads("/sitemap.xml")
    maps = [part.split("</loc>")[0].removeprefix(URL) for part in index.split("<sitemap><loc>")[1:]]
    assert maps == ["/sitemap-0.xml", "/sitemap-1.xml", "/sitemap-2.xml"]
    whole = "".join([await register.reads(path) for path in maps])
    for n in range(1, 26):
        assert whole.count(f"<loc>{URL}/cong-khai/{n}</loc>") == one.count(f"<loc>{URL}/cong-khai/{n}</loc>") == 1
