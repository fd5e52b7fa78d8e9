"""Receipts by the API: whose, as what, with which secret, and void when their office says so."""

from datetime import UTC, datetime
from io import BytesIO
from zipfile import ZipFile

import pytest

from channels.agency_api.admission import items_per_key
from lookup.api_keys import KeyKind, Scope
from lookup.desk import LookupDesk
from lookup.dossiers import DossierReader, ProvenReader
from lookup.receipt_tokens import Receipt, Validity
from tests.channels.agency_api.conftest import RECEIPT_KEYS, Agency, Open, Reply, Stage, dossier
from tests.channels.receipts.optics import opened, page_text, rasterised, read

CODE = "H05.16-261102-0001"
PLACE = "/api/v1/receipts"


@pytest.fixture
async def printing(agency: Agency) -> Agency:
    """Three dossiers are stored."""
    await agency.post("/api/v1/dossiers", [dossier(n) for n in (1, 2, 3)])
    return agency


def desk(stage: Stage) -> LookupDesk:
    return LookupDesk(
        DossierReader(stage.database),
        ProvenReader(stage.database, stage.seal),
        stage.registry,
        lambda: datetime.now(UTC),
        receipts=RECEIPT_KEYS,
        validity=Validity(),
    )


def receipts_in(said: Reply, ending: str) -> list[Receipt]:
    """What the receipts' tokens in a picture or a page say."""
    image = opened(said.body) if ending == "png" else rasterised(said.body, 203)
    tokens = [text.partition("/r/")[2] for text in read(image) if "/r/" in text]
    found = [RECEIPT_KEYS.read(token) for token in tokens]
    return [receipt for receipt in found if receipt]


def token_in(said: Reply) -> str:
    return next(text for text in read(rasterised(said.body, 203)) if "/r/" in text).partition("/r/")[2]


@pytest.mark.parametrize(
    ("made_as", "content_type", "begins"),
    [
        ("pdf", "application/pdf", b"%PDF-"),
        ("thermal", "application/pdf", b"%PDF-"),
        ("png", "image/png", b"\x89PNG"),
        ("svg", "image/svg+xml", b"<svg"),
    ],
)
async def test_a_receipt_is_made_in_every_form(
    printing: Agency, made_as: str, content_type: str, begins: bytes
) -> None:
    said = await printing.post(PLACE, {"code": "h05.16-261102-0001", "format": made_as})
    assert (said.status, said.headers["Content-Type"]) == (200, content_type)
    assert said.body.startswith(begins)
    ending = "pdf" if made_as == "thermal" else made_as
    assert said.headers["Content-Disposition"] == f'attachment; filename="{CODE}.{ending}"'
    assert said.headers["Cache-Control"] == "no-store"
    if made_as != "svg":
        assert [receipt.code for receipt in receipts_in(said, ending)] == [CODE]


async def test_what_is_printed_opens_the_dossier_until_it_is_revoked(stage: Stage, printing: Agency) -> None:
    token = token_in(await printing.post(PLACE, {"code": CODE}))
    answer = await desk(stage).with_receipt(token)
    assert answer is not None
    assert answer.proven is not None
    void = await printing.send("DELETE", f"{PLACE}/{CODE}")
    assert (void.status, void.json["code"]) == (200, CODE)
    assert await desk(stage).with_receipt(token) is None
    again = token_in(await printing.post(PLACE, {"code": CODE}))
    assert await desk(stage).with_receipt(again) is not None


async def test_a_secret_is_printed_only_if_it_opens_the_dossier(stage: Stage, printing: Agency) -> None:
    with_it = await printing.post(PLACE, {"code": CODE, "secret": "246810"})
    assert "246810" in page_text(with_it.body)
    without = await printing.post(PLACE, {"code": CODE})
    assert "Mã tra cứu" not in page_text(without.body)
    wrong = await printing.post(PLACE, {"code": CODE, "secret": "246811"})
    assert wrong.error == (422, "invalid", "secret")


async def test_a_new_secret_is_made_when_asked(stage: Stage, printing: Agency) -> None:
    said = await printing.post(PLACE, {"code": CODE, "new_secret": True})
    secret = page_text(said.body).partition("Mã tra cứu ")[2].split()[0]
    assert len(secret) == 8
    answer = await desk(stage).with_proof(CODE, secret)
    assert answer is not None
    assert await desk(stage).with_proof(CODE, "246810") is not None
    both = await printing.post(PLACE, {"code": CODE, "new_secret": True, "secret": "246810"})
    assert both.error == (422, "invalid", "new_secret")


async def test_only_ones_own_dossiers_are_printed_or_revoked(stage: Stage, printing: Agency) -> None:
    for other in (await stage.agency("H26"), await stage.agency(kind=KeyKind.TEST)):
        for given in ({"code": CODE}, {"codes": [CODE]}):
            assert (await other.post(PLACE, given)).error == (404, "not_found", "code")
        assert (await other.send("DELETE", f"{PLACE}/{CODE}")).error == (404, "not_found", "code")
    unable = await stage.agency(scopes=frozenset(Scope) - {Scope.RECEIPTS_PRINT})
    assert (await unable.post(PLACE, {"code": CODE})).error[:2] == (403, "forbidden")


async def test_a_test_key_prints_specimens_that_open_nothing(stage: Stage, printing: Agency) -> None:
    """Also where a real dossier has the same code."""
    tester = await stage.agency(kind=KeyKind.TEST)
    await tester.post("/api/v1/dossiers", [dossier(1, applicant={"name": "Người Thử"})])
    said = await tester.post(PLACE, {"code": CODE})
    assert "BẢN THỬ, KHÔNG CÓ GIÁ TRỊ" in page_text(said.body)
    assert receipts_in(said, "pdf")[0].specimen
    assert await desk(stage).with_receipt(token_in(said)) is None


async def test_many_are_one_pdf_or_a_zip(stage: Stage, printing: Agency) -> None:
    codes = [f"H05.16-261102-000{n}" for n in (3, 1, 2)]
    pdf = await printing.post(PLACE, {"codes": codes, "format": "thermal", "language": "en"})
    for page, code in enumerate(codes):
        assert code in page_text(pdf.body, page).replace(" – ", "-")
    pictures = await printing.post(PLACE, {"codes": codes, "format": "png", "links": ["sms", "telegram"]})
    assert pictures.headers["Content-Type"] == "application/zip"
    assert pictures.headers["Content-Disposition"] == 'attachment; filename="receipts.zip"'
    with ZipFile(BytesIO(pictures.body)) as archive:
        assert archive.namelist() == [f"000{n}-{code}.png" for n, code in enumerate(codes, start=1)]
        assert f"SMSTO:8088:HS {codes[0]}" in read(opened(archive.read(f"0001-{codes[0]}.png")))


async def test_more_than_a_few_are_made_by_another_process(stage: Stage, printing: Agency) -> None:
    codes = [f"H05.16-261102-000{1 + n % 3}" for n in range(60)]
    said = await printing.post(PLACE, {"codes": codes, "format": "pdf"})
    assert said.status == 200
    assert "0001" in page_text(said.body, 57)
    too_many = await printing.post(PLACE, {"codes": [CODE] * 1001})
    assert too_many.error == (422, "invalid", "codes")


async def test_bad_requests_are_refused_by_field(printing: Agency) -> None:
    for given, expected in (
        ({}, (422, "invalid", "code")),
        ({"code": CODE, "codes": [CODE]}, (422, "invalid", "code")),
        ({"codes": []}, (422, "invalid", "codes")),
        ({"code": ""}, (422, "invalid", "code")),
        ({"code": "\0"}, (422, "malformed_code", "code")),
        ({"codes": [CODE, "..."]}, (422, "malformed_code", "codes[1]")),
        ({"codes": [CODE, "H05.16-261102-0009"]}, (404, "not_found", "codes[1]")),
        ({"code": CODE, "format": "docx"}, (422, "invalid", "format")),
        ({"code": CODE, "links": ["fax"]}, (422, "invalid", "links[0]")),
        ({"code": CODE, "language": "fr"}, (422, "invalid", "language")),
        ({"codes": [CODE], "secret": "246810"}, (422, "invalid", "codes")),
        ({"code": CODE, "more": 1}, (422, "invalid", "more")),
        ([], (422, "invalid", None)),
    ):
        assert (await printing.post(PLACE, given)).error == expected, given
    assert (await printing.send("DELETE", f"{PLACE}/%00")).error == (422, "malformed_code", "code")
    assert (await printing.send("DELETE", f"{PLACE}/x")).error == (404, "not_found", "code")


async def test_every_slip_counts_against_the_keys_limit(open_stage: Open) -> None:
    stage = await open_stage(items_per_key("1000/minute"))
    agency = await stage.agency()
    await agency.post("/api/v1/dossiers", [dossier(1)])
    said = await agency.post(PLACE, {"codes": [CODE] * 15, "format": "svg"})
    assert int(said.headers["RateLimit-Remaining"]) in range(980, 986)
