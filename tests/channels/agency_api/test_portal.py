"""The national portal's messages with every trap senders set: strings for everything, odd dates, odd statuses."""

from datetime import datetime
from typing import Any

import msgspec
import pytest

from channels.agency_api.portal_messages import doubtful, portal_time
from database.pool import Role
from domain.errors import Invalid
from domain.status import Status
from lookup.api_keys import Scope
from lookup.quarantine import map_status
from lookup.sender_words import map_kind
from tests.channels.agency_api.conftest import AGENCY_ID, Agency, Stage, dossier

SYNC = "/dvcqg/v1/DongBoHoSoMC"
PROGRESS = "/dvcqg/v1/CapNhatTienDoHoSoMC"
LOOK_UP = "/dvcqg/v1/TraCuuHoSo"
CODE = "H05.16-261102-0001"


def portal_dossier(**changes: object) -> dict[str, object]:
    """A dossier as a one-stop system sends it."""
    given: dict[str, object] = {
        "MaHoSo": CODE,
        "SoBienNhan": "BN-17",
        "MaTTHC": "1.005129",
        "TenTTHC": "Đăng ký khai sinh",
        "KenhThucHien": "2",
        "ChuHoSo": "Nguyễn Văn An",
        "LoaiDoiTuong": "1",
        "SoGiayToChuHoSo": "027090001234",
        "SoDienThoai": "0901234567",
        "Email": "",
        "NgayTiepNhan": "20261102080000",
        "NgayHenTra": "20261120170000",
        "NgayKetThucXuLy": "",
        "NgayTra": "",
        "TrangThaiHoSo": "2",
        "DanhSachLePhi": [],
    }
    return given | changes


def step(**changes: object) -> dict[str, object]:
    """A step as a one-stop system sends it."""
    given: dict[str, object] = {
        "MaHoSo": CODE,
        "NguoiXuLy": "Lê Thị Chi",
        "ChucDanh": "Chuyên viên",
        "ThoiDiemXuLy": "20261103091500",
        "PhongBanXuLy": "Phòng Tư pháp",
        "NoiDungXuLy": "Chuyển xử lý",
        "TrangThai": "4",
        "NgayBatDau": "",
        "NgayKetThucTheoQuyDinh": "",
    }
    return given | changes


def message(*data: object, updating: str = "False") -> dict[str, object]:
    """The data of one call."""
    return {"isUpdating": updating, "data": list(data)}


async def held(agency: Agency, code: str = CODE) -> dict[str, Any]:
    """What is held of a dossier."""
    return (await agency.get(f"/api/v1/dossiers/{code}")).json


async def test_a_sender_asks_syncs_and_reports_as_it_always_did(stage: Stage, agency: Agency) -> None:
    asked = await agency.post("/dvcqg/v1", {"service": "TraCuuHoSo", "mahoso": CODE})
    assert (asked.status, asked.json["error_code"], asked.json["result"]) == (200, "00", [])
    synced = await agency.post("/dvcqg/v1", {"service": "DongBoHoSoMC", **message(portal_dossier())})
    assert (synced.status, synced.json["error_code"]) == (200, "00")
    assert synced.json["result"] == {"stored": 1, "duplicate": 0, "rejected": 0, "quarantined": 0, "items": []}
    again = await agency.post(SYNC, message(portal_dossier(), updating="True"))
    assert (again.json["error_code"], again.json["result"]["duplicate"]) == ("00", 1)
    moved = await agency.post(PROGRESS, {"data": [step(TrangThai=4)]})
    assert moved.json["error_code"] == "00"
    found = (await agency.post(LOOK_UP, {"mahoso": CODE})).json
    assert (found["result"][0]["MaHoSo"], found["result"][0]["TrangThaiHoSo"]) == (CODE, "4")
    assert found["result"][0]["NgayHenTra"] == "20261120170000"
    said = await held(agency)
    assert said["reference"] == "BN-17"
    assert said["filing_channel"] == 2
    assert said["applicant"] == {"name": "Nguyễn Văn An", "phone": "+84901234567"}
    assert said["received_at"] == "2026-11-02T01:00:00Z"
    history = (await agency.get(f"/api/v1/dossiers/{CODE}/events")).json["items"]
    assert (history[1]["officer"], history[1]["office"]) == ("Lê Thị Chi (Chuyên viên)", "Phòng Tư pháp")


async def test_a_bare_array_with_its_envelope_in_the_query_is_a_message(stage: Stage, agency: Agency) -> None:
    async with stage.session.post(
        f"{stage.url}{SYNC}?MaDinhDanhDV=H05.16.11&isUpdating=True&token={agency.key}",
        data=msgspec.json.encode([portal_dossier()]),
    ) as unheaded:
        assert (unheaded.status, (await unheaded.json())["error_code"]) == (200, "00")
    assert (await held(agency))["receiving_agency"] == "H05.16.11"


async def test_the_key_may_stand_in_a_header_the_body_or_the_query(stage: Stage, agency: Agency) -> None:
    asked = {"service": "TraCuuHoSo", "mahoso": CODE}
    for headers, body, query in (
        ({"Authorization": agency.key}, asked, ""),
        ({"token": agency.key}, asked, ""),
        ({}, {**asked, "token": agency.key}, ""),
        ({}, asked, f"?token={agency.key}"),
    ):
        async with stage.session.post(
            f"{stage.url}/dvcqg/v1{query}", data=msgspec.json.encode(body), headers=headers
        ) as answer:
            assert (answer.status, (await answer.json())["error_code"]) == (200, "00")


async def test_progress_before_its_dossier_and_late_progress_end_right(stage: Stage, agency: Agency) -> None:
    await agency.post(PROGRESS, {"data": [step(TrangThai="9", ThoiDiemXuLy="20261110100000")]})
    assert (await held(agency))["status"] == 9
    await agency.post(PROGRESS, {"data": [step()]})
    await agency.post(SYNC, message(portal_dossier()))
    said = await held(agency)
    assert (said["status"], said["applicant"]["name"]) == (9, "Nguyễn Văn An")
    assert await stage.count("dossier_event") == 3


async def test_a_step_sent_again_is_one_step_and_two_in_one_second_are_two(stage: Stage, agency: Agency) -> None:
    first = await agency.post(PROGRESS, {"data": [step(), step(), step(NguoiXuLy="Trần Văn Bình")]})
    assert (first.json["result"]["stored"], first.json["result"]["duplicate"]) == (2, 1)
    assert (await agency.post(PROGRESS, {"data": [step()]})).json["result"]["duplicate"] == 1
    assert len(stage.heard.announced) == 1


async def test_the_time_of_a_sync_is_its_newest_business_date(stage: Stage, agency: Agency) -> None:
    done = portal_dossier(TrangThaiHoSo="10", NgayKetThucXuLy="20261109160000", NgayTra="20261110090000")
    await agency.post(SYNC, message(done))
    await agency.post(SYNC, message(portal_dossier()))  # an older message, delivered late
    said = await held(agency)
    assert (said["status"], said["status_at"]) == (10, "2026-11-10T02:00:00Z")
    undated = await agency.post(SYNC, message(portal_dossier(MaHoSo="H05.16-1", NgayTiepNhan="")))
    assert (undated.json["error_code"], undated.json["result"]["items"][0]["error"]["field"]) == ("02", "NgayTiepNhan")


def test_dates_come_in_many_forms_and_mean_one_moment() -> None:
    moment = datetime.fromisoformat("2026-11-02T14:05:00+07:00")
    for written in (
        "20261102140500",
        "2026-11-02 14:05:00",
        "2026-11-02T14:05:00.0000000",
        "2026-11-02T07:05:00Z",
        "2026-11-02T14:05:00.000+07:00",
        "02/11/2026 14:05",
        "202611021405",
    ):
        assert portal_time(written, "x") == moment
    assert portal_time("20261102", "x") == datetime.fromisoformat("2026-11-02T00:00:00+07:00")
    for nothing in ("", None, "0001-01-01T00:00:00", "1900-01-01 00:00:00"):
        assert portal_time(nothing, "x") is None
    for wrong in ("20261302000000", "hôm qua", "1989-01-01", "99991231235959", "2026110214050", "²0261102140500"):
        with pytest.raises(Invalid):
            portal_time(wrong, "x")


def test_a_receipt_in_the_small_hours_is_doubtful_and_midnight_is_a_mere_day() -> None:
    assert doubtful(portal_time("20261102020500", "x"))
    assert not doubtful(portal_time("20261102080000", "x"))
    assert not doubtful(portal_time("20261102000000", "x"))
    assert not doubtful(None)


async def test_a_twelve_hour_clock_is_kept_and_noted(stage: Stage, agency: Agency) -> None:
    await agency.post(SYNC, message(portal_dossier(NgayTiepNhan="20261102020500", GhiChu="Nộp thay")))
    await agency.post(PROGRESS, {"data": [step(TrangThai="2", ThoiDiemXuLy="20261102020500")]})
    said = await held(agency)
    assert said["received_at"] == "2026-11-01T19:05:00Z"
    assert said["note"] == "Nộp thay [Giờ tiếp nhận 02:05 đáng ngờ: hệ thống gửi có thể ghi giờ 12 tiếng]"
    history = (await agency.get(f"/api/v1/dossiers/{CODE}/events")).json["items"]
    assert "02:05 đáng ngờ" in history[1]["note"]


async def test_an_unknown_status_is_taken_and_kept_until_it_is_mapped(stage: Stage, agency: Agency) -> None:
    for path, item in ((SYNC, portal_dossier(TrangThaiHoSo="0")), (PROGRESS, step(TrangThai=0))):
        answer = (await agency.post(path, {"data": [item]})).json
        assert (answer["error_code"], answer["result"]["quarantined"]) == ("00", 1)
        assert answer["result"]["items"][0]["error_code"] == "00"
        assert "chờ đối chiếu" in answer["message"]
    waiting = await stage.rows("SELECT route, value, payload_sealed FROM quarantine ORDER BY id")
    assert [(row["route"], row["value"]) for row in waiting] == [
        ("portal/DongBoHoSoMC", "0"),
        ("portal/CapNhatTienDoHoSoMC", "0"),
    ]
    async with stage.database.transaction(Role.OPERATOR) as connection:
        agency_id = await connection.fetchval(AGENCY_ID, "H05.16")
        await map_status(connection, agency_id=agency_id, raw="0", status=Status.PROCESSING)
    await stage.registry.refresh()
    assert (await agency.post(PROGRESS, {"data": [step(TrangThai="0")]})).json["result"]["stored"] == 1
    history = (await agency.get(f"/api/v1/dossiers/{CODE}/events")).json["items"]
    assert (history[0]["status"], history[0]["raw_status"]) == (4, "0")


async def test_kinds_of_applicant_mean_what_was_mapped_for_the_sender(stage: Stage, agency: Agency) -> None:
    async with stage.database.transaction(Role.OPERATOR) as connection:
        agency_id = await connection.fetchval(AGENCY_ID, "H26")
        await map_kind(connection, agency_id=agency_id, raw="1", kind="business")
    other = await stage.agency("H26")
    await other.post(SYNC, message(portal_dossier(MaHoSo="H26-261102-0001")))
    assert (await held(other, "H26-261102-0001"))["applicant"]["kind"] == "business"
    await agency.post(SYNC, message(portal_dossier()))
    assert (await held(agency))["extra"]["LoaiDoiTuong"] == "1"
    assert "kind" not in (await held(agency))["applicant"]


async def test_what_has_no_place_is_kept_and_numbers_of_papers_are_not(stage: Stage, agency: Agency) -> None:
    item = portal_dossier(
        DinhDanhCHS=[{"LoaiDinhDanh": "CCCD", "SoDinhDanh": "027090001234"}],
        Fax="0901234567",
        TaiKhoanDuocXacThucVoiVNeID="True",
        HinhThuc="0",
        TaiLieuNop=[{"TenTepDinhKem": "don.pdf", "MaKetQuaThayThe": "027090001234.G17.GT01", "DuocSoHoa": "1"}],
        ThongTinKhac="CCCD 027090001234, người thân 027090009999",
    )
    await agency.post(SYNC, message(item))
    extra = (await held(agency))["extra"]
    assert extra["HinhThuc"] == "0"
    assert extra["TaiKhoanDuocXacThucVoiVNeID"] == "True"
    assert extra["TaiLieuNop"] == [{"TenTepDinhKem": "don.pdf", "MaKetQuaThayThe": "….G17.GT01", "DuocSoHoa": "1"}]
    assert extra["ThongTinKhac"] == "CCCD …, người thân …"
    assert extra["_left_out"] == ["DinhDanhCHS", "Fax", "SoGiayToChuHoSo"]
    await agency.post(PROGRESS, {"data": [step(NoiDungXuLy="Đã đối chiếu CCCD 027090001234")]})
    history = (await agency.get(f"/api/v1/dossiers/{CODE}/events")).json
    assert history["items"][1]["note"] == "Đã đối chiếu CCCD …"
    await agency.post(SYNC, message(item | {"TrangThaiHoSo": "0"}))
    waiting = await stage.rows("SELECT payload_sealed FROM quarantine")
    assert "0270900" not in str(extra) + str(history) + stage.seal.open(waiting[0]["payload_sealed"])


async def test_what_the_applicant_must_bring_or_pay_is_said(stage: Stage, agency: Agency) -> None:
    supplements = [
        {"NoiDungBoSung": "Bản sao Giấy khai sinh", "NgayBoSung": "20261105090000"},
        {"NoiDungBoSung": "Giấy chứng nhận kết hôn", "NgayBoSung": "20261106090000"},
    ]
    await agency.post(SYNC, message(portal_dossier(TrangThaiHoSo="5", DanhSachHoSoBoSung=supplements)))
    said = await held(agency)
    assert said["asked_of_applicant"] == "Giấy chứng nhận kết hôn"
    assert said["status_at"] == "2026-11-06T02:00:00Z"
    fees = [{"TenPhiLePhi": "Lệ phí", "Gia": "50000"}, {"TenPhiLePhi": "Phí bản sao", "Gia": 8000}]
    late = portal_dossier(TrangThaiHoSo=6, DanhSachLePhi=fees, NgayYeuCauBoSung="2026-11-07 09:00:00")
    await agency.post(SYNC, message(late))
    assert (await held(agency))["asked_of_applicant"] == "Lệ phí: 50.000 đồng; Phí bản sao: 8.000 đồng"


async def test_an_unreadable_phone_is_no_reason_to_refuse_a_dossier(stage: Stage, agency: Agency) -> None:
    for number, written in enumerate(("0901234567 / 0912345678", "không có", "12")):
        code = f"H05.16-261102-1{number:03d}"
        answer = await agency.post(SYNC, message(portal_dossier(MaHoSo=code, SoDienThoai=written, Email="không")))
        assert answer.json["error_code"] == "00"
    assert (await held(agency, "H05.16-261102-1000"))["applicant"]["phone"] == "+84901234567"
    without = await held(agency, "H05.16-261102-1001")
    assert "phone" not in without["applicant"]
    assert "SoDienThoai" in without["extra"]["_left_out"]


async def test_a_code_with_another_units_prefix_is_the_senders(stage: Stage, agency: Agency) -> None:
    foreign_looking = "000.00.12.H26-201105-0004"
    await agency.post(SYNC, message(portal_dossier(MaHoSo=foreign_looking)))
    said = await held(agency, foreign_looking)
    assert said["receiving_agency"] == "H05.16"
    other = await stage.agency("H26")
    taken = (await other.post(SYNC, message(portal_dossier(MaHoSo=foreign_looking)))).json
    assert (taken["error_code"], taken["result"]["items"][0]["error"]["code"]) == ("05", "not_yours")


async def test_bad_items_are_named_and_the_others_stored(stage: Stage, agency: Agency) -> None:
    data = [portal_dossier(), portal_dossier(MaHoSo=""), "text", portal_dossier(MaHoSo="H05.16-2", NgayHenTra="mai")]
    answer = (await agency.post(SYNC, message(*data))).json
    assert (answer["error_code"], answer["result"]["stored"], answer["result"]["rejected"]) == ("02", 1, 3)
    assert [item["error"]["field"] for item in answer["result"]["items"]] == ["MaHoSo", "data", "NgayHenTra"]


OUT_OF_SHAPE: tuple[tuple[str, object, tuple[int, str]], ...] = (
    ("/dvcqg/v1", {"data": []}, (400, "01")),
    ("/dvcqg/v1", b"{", (400, "01")),
    ("/dvcqg/v1", {"service": "LayThuTuc"}, (404, "04")),
    ("/dvcqg/v1/LayThuTuc", {}, (404, "04")),
    (SYNC, {"data": "text"}, (400, "01")),
    (SYNC, {"data": 5}, (400, "02")),
    (SYNC, {"isUpdating": "maybe", "data": []}, (400, "02")),
    (SYNC, {"data": [{}] * 1001}, (413, "07")),
    (LOOK_UP, {}, (400, "02")),
    (LOOK_UP, {"mahoso": {"a": 1}}, (400, "02")),
    (LOOK_UP, {"mahoso": "\0"}, (400, "02")),
    (SYNC, {"data": {"MaHoSo": CODE, "TrangThaiHoSo": "2", "NgayTiepNhan": "20261102080000"}}, (200, "00")),
    (SYNC, {"data": '[{"MaHoSo":"H05","TrangThaiHoSo":2,"NgayTiepNhan":20261102080000}]'}, (200, "00")),
)


async def test_messages_out_of_shape_get_an_error_code(stage: Stage, agency: Agency) -> None:
    for path, body, answer in OUT_OF_SHAPE:
        heard = await agency.post(path, body)
        assert (heard.status, heard.json["error_code"]) == answer, body
        assert "message" in heard.json
        assert "result" in heard.json


async def test_keys_and_their_scopes_count_here_too(stage: Stage, agency: Agency) -> None:
    agency.key = "motma_live_0123456789ab_wrong"
    refused = await agency.post(SYNC, message(portal_dossier()))
    assert (refused.status, refused.json["error_code"]) == (401, "03")
    reader = await stage.agency(scopes=frozenset({Scope.DOSSIERS_READ}))
    assert (await reader.post(SYNC, message(portal_dossier()))).status == 403
    assert (await reader.post(LOOK_UP, {"mahoso": CODE})).status == 200


async def test_a_message_under_a_key_is_answered_once(stage: Stage, agency: Agency) -> None:
    await agency.post("/api/v1/dossiers", [dossier(5)])
    key = {"Idempotency-Key": "k"}
    first = await agency.post(SYNC, message(portal_dossier()), headers=key)
    again = await agency.post(SYNC, message(portal_dossier()), headers=key)
    assert first.body == again.body
    other = await agency.post(SYNC, message(portal_dossier(GhiChu="khác")), headers=key)
    assert (other.status, other.json["error_code"]) == (400, "06")
