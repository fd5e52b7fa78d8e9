"""Offices found by what people call them, on the tree as shipped."""

import pytest

from database.pool import Database
from feedback_intake.choosing import Choosing, Subject
from lookup.registry import Registry


@pytest.fixture
async def choosing(database: Database) -> Choosing:
    """The offices of the reference data."""
    registry = Registry(database)
    await registry.refresh()
    return Choosing(registry)


async def test_an_office_is_found_with_accents_and_without_and_by_its_old_name(choosing: Choosing) -> None:
    exact = choosing.search("Bộ Xây dựng")
    assert [found.office.code for found in exact][:1] == ["G17"]
    assert choosing.search("bo xay dung") == exact
    assert choosing.search("BỘ  XÂY DỰNG ") == exact
    old = choosing.search("Bộ Giao thông vận tải")
    assert [(found.office.code, found.formerly) for found in old] == [("G17", "Bộ Giao thông vận tải")]
    assert choosing.office("G04") == old[0].office
    assert choosing.search("g17")[0].office.code == "G17"
    assert choosing.search(" ,. ") == ()
    assert choosing.search("không có cơ quan nào tên này") == ()
    assert all(found.office.valid_to is None for found in choosing.search("ubnd xã"))


async def test_place_and_subject_lead_to_offices(choosing: Choosing) -> None:
    places = choosing.places()
    names = [place.name for place in places]
    assert any("Bắc Ninh" in name for name in names)
    assert not any("Bắc Giang" in name for name in names)  # merged in 2025
    bac_ninh = next(place for place in places if "Bắc Ninh" in place.name)
    found = choosing.guided(bac_ninh.code, Subject.LAND)
    assert found
    assert all("ôi trường" in each.office.name or "ất đai" in each.office.name for each in found)
    assert [each.office.code for each in choosing.guided("", Subject.HEALTH)] == ["G18"]
    assert choosing.guided("no such place", Subject.OTHER) == choosing.guided("", Subject.OTHER)


async def test_an_office_named_in_full_is_meant_though_its_branches_hold_its_name(choosing: Choosing) -> None:
    name = "Văn phòng Đăng ký đất đai Bắc Ninh"
    assert len(choosing.search("van phong dang ky dat dai")) > 1
    assert [found.office.name for found in choosing.meant(name.upper())] == [name]
    assert choosing.meant("van phong dang ky dat dai") == choosing.search("van phong dang ky dat dai")


async def test_a_department_comes_before_its_branches(choosing: Choosing) -> None:
    found = choosing.guided("H05", Subject.LAND)
    assert not found[0].office.name.startswith("Chi nhánh")


async def test_where_no_desk_is_named_citizens_read_of_an_intake_desk_and_not_of_the_government(
    database: Database, choosing: Choosing
) -> None:
    registry = Registry(database)
    await registry.refresh()
    root, office = registry.agency_by_code("VN"), registry.agency_by_code("H05.16")
    assert root is not None
    assert office is not None
    read = choosing.holder(root.agency_id)
    assert read is not None
    assert (read.name, read.name_en) == ("Bộ phận tiếp nhận phản ánh, kiến nghị", "Feedback intake desk")
    assert (choosing.holder(office.agency_id), choosing.holder(0)) == (office, None)
    assert Choosing(registry, desk="VN").holder(root.agency_id) == root
