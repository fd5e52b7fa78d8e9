"""The shipped provinces, agencies, procedures and swapped days; and what the reader refuses."""

from datetime import date, datetime
from pathlib import Path

import pytest

from domain.agency import AgencyLevel, DisclosurePolicy
from domain.civil_time import CIVIL_ZONE
from lookup.reference_data import (
    SHIPPED,
    AgencyKind,
    ReferenceDataError,
    agencies,
    day_overrides,
    procedures,
    provinces,
)
from lookup.working_time import DayKind, Term, TermUnit, WorkingCalendar

BEFORE, AFTER = date(2025, 6, 30), date(2025, 7, 1)


def test_sixty_three_provinces_became_thirty_four_and_none_was_lost() -> None:
    old = {row.code: row for row in provinces() if row.in_force(BEFORE)}
    new = [row for row in provinces() if row.in_force(AFTER)]
    assert (len(old), len(new)) == (63, 34)
    assert sorted(code for row in new for code in row.merged_from) == sorted(old)
    assert len({row.name for row in new}) == 34


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("15", "Yên Bái", "Lào Cai"),
        ("24", "Bắc Giang", "Bắc Ninh"),
        ("52", "Bình Định", "Gia Lai"),
        ("80", "Long An", "Tây Ninh"),
        ("82", "Tiền Giang", "Đồng Tháp"),
        ("91", "Kiên Giang", "An Giang"),
    ],
)
def test_a_reused_statistics_code_means_another_province_before(code: str, before: str, after: str) -> None:
    assert [row.name for row in provinces() if row.code == code and row.in_force(BEFORE)] == [before]
    assert [row.name for row in provinces() if row.code == code and row.in_force(AFTER)] == [after]


def test_long_an_went_to_tay_ninh_and_tien_giang_to_dong_thap() -> None:
    parts = {row.name: row.merged_from for row in provinces() if row.in_force(AFTER)}
    assert parts["Tây Ninh"] == ("72", "80")
    assert parts["Đồng Tháp"] == ("82", "87")
    assert parts["Hồ Chí Minh"] == ("74", "77", "79")


def test_nine_cities_are_centrally_run_in_november_2026() -> None:
    today = date(2026, 11, 2)
    cities = {
        row.name
        for row in provinces()
        if row.in_force(today) and row.central_city_since and row.central_city_since <= today
    }
    assert cities == {
        "Hà Nội", "Hồ Chí Minh", "Hải Phòng", "Đà Nẵng", "Cần Thơ", "Huế", "Đồng Nai", "Quảng Ninh", "Bắc Ninh",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("h_code", "name"),
    [
        ("H01", "An Giang"),
        ("H05", "Bắc Ninh"),
        ("H15", "Đắk Lắk"),
        ("H16", "Đắk Nông"),
        ("H22", "Hà Giang"),
        ("H26", "Hà Nội"),
        ("H29", "Hồ Chí Minh"),
        ("H32", "Khánh Hòa"),
        ("H36", "Lâm Đồng"),
        ("H56", "Thanh Hóa"),
        ("H60", "Tuyên Quang"),
        ("H63", "Yên Bái"),
    ],
)
def test_the_list_of_identifiers_meets_every_known_point(h_code: str, name: str) -> None:
    assert {row.name for row in provinces() if row.h_code == h_code} == {name}


def test_every_old_province_has_an_identifier_of_its_own_and_an_agency() -> None:
    codes = [row.h_code for row in provinces() if row.in_force(BEFORE)]
    assert sorted(codes) == [f"H{n:02}" for n in range(1, 64)]
    named = {row.code: row.name for row in agencies() if row.in_force(BEFORE)}
    for row in provinces():
        if row.in_force(BEFORE):
            assert named[row.h_code].endswith(row.name)


def test_an_identifier_is_sure_only_where_it_was_seen() -> None:
    sure = {row.h_code for row in provinces() if row.h_code_verified}
    assert {"H05", "H15", "H22", "H26", "H29", "H56"} <= sure
    assert not sure & {"H02", "H63"}
    assert not any(row.h_code_verified for row in provinces() if len(row.merged_from) > 1)


@pytest.mark.parametrize(
    "code",
    [
        "000.00.12.H62", "38.98.H29", "000.A0.01.H26", "000.17.22.H56", "000.00.06.H56", "H56.14", "000.00.01.H26",
        "G09.20", "G22.99.08", "G22.99.09", "H05.16",
    ],
)  # fmt: skip
def test_the_office_of_every_known_dossier_code_is_there(code: str) -> None:
    assert code in {row.code for row in agencies()}


def test_the_demo_office_is_complete_and_strict() -> None:
    (office,) = [row for row in agencies() if row.code == "H05.16" and row.in_force(date(2026, 11, 2))]
    assert (office.name, office.parent) == ("Sở Nông nghiệp và Môi trường Bắc Ninh", "H05")
    assert (office.level, office.kind) == (AgencyLevel.DEPARTMENT, AgencyKind.DEPARTMENT)
    assert office.phone
    assert office.address
    assert office.disclosure is DisclosurePolicy.STRICT


def test_the_district_level_ended_with_june_2025() -> None:
    districts = [row for row in agencies() if row.level is AgencyLevel.DISTRICT]
    assert districts
    assert {row.valid_to for row in districts} == {BEFORE}
    heirs = {code for row in agencies() for code in row.successor_of}
    assert {row.code for row in districts} <= heirs


def test_no_office_outlives_the_one_above_it() -> None:
    rows = agencies()
    last = {row.code: row for row in rows}
    for row in rows:
        parent = last.get(row.parent or "")
        if row.valid_to is None and parent is not None:
            assert parent.valid_to is None, row.code


def test_procedures_have_durations_that_the_calendar_understands() -> None:
    calendar = WorkingCalendar(overrides=day_overrides())
    received_at = datetime(2026, 11, 2, 9, tzinfo=CIVIL_ZONE)
    assert len({row.code for row in procedures()}) >= 40
    terms = [row.term for row in procedures() if row.term]
    assert {term.unit for term in terms} == set(TermUnit)
    assert all(calendar.due_date(received_at, term) > received_at.date() for term in terms)


def test_some_procedures_have_no_duration() -> None:
    assert "TS_lop1" in {row.code for row in procedures() if row.term is None}


def test_a_procedure_keeps_its_old_duration_for_old_dossiers() -> None:
    versions = {row.effective_from: row.term for row in procedures() if row.code == "1.009994"}
    assert list(versions.values()) == [
        Term(amount=15, unit=TermUnit.CALENDAR_DAYS),
        Term(amount=7, unit=TermUnit.WORKING_DAYS),
    ]


def test_every_shipped_override_names_its_source_and_every_swap_has_two_sides() -> None:
    rows = day_overrides()
    assert all(row.source for row in rows)
    swapped = [row for row in rows if row.day != date(2026, 11, 24)]  # Culture Day, a holiday of its own
    assert sum(row.kind is DayKind.OFF for row in swapped) == sum(row.kind is DayKind.WORKED for row in swapped)


AGENCY_COLUMNS = "code,name,name_en,parent,level,kind,phone,address,disclosure,valid_from,valid_to,successor_of"


def agency_file(folder: Path, *lines: str) -> Path:
    path = folder / "agencies.csv"
    path.write_text("\n".join(("# Thử", AGENCY_COLUMNS, *lines)), encoding="utf-8")
    return path


GOOD = "H99,Ủy ban,Committee,,province,peoples_committee,,,strict,2020-01-01,,"


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("H99.1,Sở,Department,H98,department,department,,,strict,2020-01-01,,", "unknown parent H98"),
        ("H99.1,Sở,Department,H99.1,department,department,,,strict,2020-01-01,,", "stands below itself"),
        ("H99.1,Sở,Department,H99,department,department,,,strict,2020-01-01,2019-12-31,", "ends before it begins"),
        ("H99,Ủy ban,Committee,,province,peoples_committee,,,strict,2021-01-01,,", "H99 has two rows for one day"),
        ("H99.1,Sở,Department,H99,department,department,,,strict,2020-01-01,,H97", "successor of H97"),
        ("H99.1,Sở,Department,H99,department,department,,,strict,2020-01-01,,H99", "successor of H99"),
        ("H99.1,Sở,Department,H99,sở,department,,,strict,2020-01-01,,", "level"),
        ("H99.1,Sở,Department,H99,department,department,,,strict,01/01/2020,,", "valid_from"),
        ("H99.1,Sở,Department,H99,department,department,,,strict,,,", "valid_from"),
        ("H99.1,Sở,Department", "3 cells under 12 columns"),
        ('H99.1,"Sở,Department', "line 4"),
    ],
)
def test_a_broken_agency_line_is_named_with_file_line_and_rule(tmp_path: Path, line: str, rule: str) -> None:
    path = agency_file(tmp_path, GOOD, line)
    with pytest.raises(ReferenceDataError, match=rf"agencies\.csv, line 4: .*{rule}|agencies\.csv, {rule}"):
        agencies(path)


def test_columns_must_be_those_of_the_row(tmp_path: Path) -> None:
    path = tmp_path / "agencies.csv"
    path.write_text("code,name\nH99,Ủy ban\n", encoding="utf-8")
    with pytest.raises(ReferenceDataError, match=r"line 1: the columns must be .*successor_of"):
        agencies(path)


def test_empty_cells_take_the_default_and_lists_are_cut(tmp_path: Path) -> None:
    path = agency_file(
        tmp_path,
        GOOD,
        "H98,Ủy ban,Committee,,province,peoples_committee,,,open,2020-01-01,2020-12-31,",
        "H97,Ủy ban,Committee,,province,peoples_committee,,,,2021-01-01,,H98;H99",
    )
    last = agencies(path)[-1]
    assert (last.successor_of, last.disclosure, last.valid_to) == (("H98", "H99"), DisclosurePolicy.STRICT, None)


def test_names_are_stored_composed(tmp_path: Path) -> None:
    decomposed = GOOD.replace("Ủy", "U\u0309y")
    assert agencies(agency_file(tmp_path, decomposed))[0].name == "Ủy ban"


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("1.000001,Tên khác,Lĩnh vực,3,working_days,2021-01-01,", "another name"),
        ("1.000002,Tên,Lĩnh vực,3,,2020-01-01,", "amount and unit"),
        ("1.000002,Tên,Lĩnh vực,0,working_days,2020-01-01,", "longer than nothing"),
        ("1.000002,Tên,Lĩnh vực,ba,working_days,2020-01-01,", "term_amount"),
    ],
)
def test_a_broken_procedure_line_is_refused(tmp_path: Path, line: str, rule: str) -> None:
    path = tmp_path / "procedures.csv"
    header = "code,name,sector,term_amount,term_unit,effective_from,effective_to"
    path.write_text(f"{header}\n1.000001,Tên,Lĩnh vực,3,working_days,2020-01-01,2020-12-31\n{line}\n", encoding="utf-8")
    with pytest.raises(ReferenceDataError, match=f"line 3: .*{rule}"):
        procedures(path)


def test_a_day_overridden_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day_overrides.csv"
    path.write_text("day,kind,reason,source\n2027-01-04,off,a,b\n2027-01-04,worked,a,b\n", encoding="utf-8")
    with pytest.raises(ReferenceDataError, match="line 3: 2027-01-04 appears twice"):
        day_overrides(path)


def test_a_province_cannot_be_merged_from_one_that_was_not_there(tmp_path: Path) -> None:
    header, *lines = [line for line in (SHIPPED / "provinces.csv").read_text("utf-8").splitlines() if line[0] != "#"]
    path = tmp_path / "provinces.csv"
    path.write_text("\n".join([header, *(line.replace("80,Long An", "81,Long An") for line in lines)]), "utf-8")
    with pytest.raises(ReferenceDataError, match="merged_from"):
        provinces(path)
