"""The tree of offices through time."""

from datetime import date

import pytest

from domain.agency import AgencyLevel
from lookup.agencies import AgencyTree
from lookup.reference_data import AgencyKind, AgencyRow, agencies

TREE = AgencyTree(agencies())
TODAY = date(2026, 11, 2)


def office(code: str, name: str, since: int, until: int | None = None, *, after: tuple[str, ...] = ()) -> AgencyRow:
    """A commune in force from the first day of one year to the last of another."""
    return AgencyRow(
        code=code,
        name=name,
        name_en=name,
        level=AgencyLevel.COMMUNE,
        kind=AgencyKind.PEOPLES_COMMITTEE,
        valid_from=date(since, 1, 1),
        valid_to=date(until, 12, 31) if until else None,
        successor_of=after,
    )


def test_a_code_is_one_office_under_several_names() -> None:
    then, now = TREE.by_code("H05.16", date(2024, 8, 1)), TREE.by_code("H05.16")
    assert then is not None
    assert now is not None
    assert then.name == "Sở Tài nguyên và Môi trường Bắc Ninh"
    assert now.name == "Sở Nông nghiệp và Môi trường Bắc Ninh"
    assert TREE.by_code("H05.16", date(1990, 1, 1)) is None
    assert TREE.by_code("H99.99") is None


def test_a_closed_office_is_still_found_by_its_code() -> None:
    district = TREE.by_code("H05.36")
    assert district is not None
    assert district.valid_to == date(2025, 6, 30)
    assert TREE.by_code("H05.36", TODAY) is None


def test_ancestors_lead_from_the_nearest_to_the_root() -> None:
    assert [row.code for row in TREE.ancestors("H05.16.11.6")] == ["H05.16.11", "H05.16", "H05", "VN"]
    assert TREE.ancestors("VN") == ()
    assert TREE.ancestors("H99.99") == ()


def test_a_province_answers_for_its_closed_districts_but_they_are_not_in_force() -> None:
    ever = {row.code for row in TREE.subtree("H05")}
    now = {row.code for row in TREE.subtree("H05", TODAY)}
    before = {row.code for row in TREE.subtree("H05", date(2025, 6, 30))}
    assert {"H05", "H05.36", "H05.31.09", "H05.102", "H05.16.11.6"} <= ever
    assert "H05.102" in now
    assert not {"H05.36", "H05.31.09"} & now
    assert {"H05.36", "H05.31.09"} <= before
    assert "H05.102" not in before
    assert not any(code.startswith("H26") for code in ever)


def test_a_subtree_lists_parents_before_children() -> None:
    seen: set[str] = set()
    for row in TREE.subtree("VN"):
        assert row.parent is None or row.parent in seen
        seen.add(row.code)
    assert seen == {row.code for row in agencies()}
    assert TREE.subtree("H99.99") == ()


def test_a_district_was_succeeded_by_several_communes() -> None:
    assert [row.name.removeprefix("Ủy ban nhân dân ") for row in TREE.successors("H05.36")] == [
        "xã Tiên Du", "xã Liên Bão", "xã Tân Chi", "xã Đại Đồng", "xã Phật Tích",
    ]  # fmt: skip


def test_a_commune_may_succeed_several_offices() -> None:
    ward = TREE.by_code("H05.102")
    assert ward is not None
    names = {row.name.removeprefix("Ủy ban nhân dân ") for row in TREE.predecessors(ward)}
    assert names == {"thành phố Bắc Ninh", "phường Đại Phúc", "phường Phong Khê", "phường Võ Cường"}


def test_succession_is_followed_to_the_end() -> None:
    assert [row.code for row in TREE.successors("000.00.12.H62")] == ["H62.16", "H44.16"]
    assert [row.code for row in TREE.successors("H02")] == ["H05"]
    assert TREE.successors("H05.102") == ()
    assert TREE.successors("H99.99") == ()


def test_every_closed_office_has_a_successor() -> None:
    for row in agencies():
        if row.valid_to is not None:
            assert TREE.successors(row.code, row.valid_from), f"{row.code} {row.name}"


def test_an_office_renamed_succeeds_its_former_self() -> None:
    tree = AgencyTree([office("A", "cũ", 2020, 2024), office("A", "mới", 2025), office("B", "khác", 2020)])
    assert [row.name for row in tree.successors("A", date(2022, 1, 1))] == ["mới"]
    assert tree.successors("A") == ()


def test_offices_that_swap_duties_do_not_send_the_search_in_circles() -> None:
    tree = AgencyTree(
        [
            office("A", "một", 2020, 2022),
            office("B", "hai", 2020, 2022),
            office("A", "một mới", 2023, after=("B",)),
            office("B", "hai mới", 2023, after=("A",)),
        ]
    )
    assert [row.code for row in tree.successors("A", date(2021, 1, 1))] == ["A", "B"]


@pytest.mark.parametrize(
    "text",
    [
        "phường Võ Cường",
        "phuong vo cuong",
        "VÕ  CƯỜNG",
        "UBND phường Võ Cường",
        "ubnd p vo cuong",
        "Vo\u0303 Cươ\u0300ng",
    ],
)
def test_search_does_not_mind_accents_case_or_short_forms(text: str) -> None:
    assert [found.agency.code for found in TREE.search(text)] == ["H05.102", "H05.31.09"]


def test_an_old_name_finds_the_old_office_and_who_follows_it() -> None:
    (found,) = TREE.search("Sở Tài nguyên và Môi trường Bắc Ninh")
    assert (found.agency.code, found.agency.valid_to) == ("H05.16", date(2025, 2, 28))
    assert [row.name for row in found.successors] == ["Sở Nông nghiệp và Môi trường Bắc Ninh"]


def test_an_old_province_leads_to_the_new_one() -> None:
    found = TREE.search("tinh vinh phuc")[0]
    assert found.agency.code == "H62"
    assert [row.code for row in found.successors] == ["H44"]
    hue = TREE.search("Thừa Thiên Huế")[0]
    assert [row.name for row in hue.successors] == ["Ủy ban nhân dân thành phố Huế"]


@pytest.mark.parametrize("text", ["000.17.22.H56", "000.17.22.h56", " 000.17.22.H56 "])
def test_an_old_code_finds_the_old_office_and_who_follows_it(text: str) -> None:
    (found,) = TREE.search(text)
    assert found.agency.name == "Ủy ban nhân dân xã Quảng Ngọc"
    assert [row.code for row in found.successors] == ["H56.104"]


def test_best_matches_come_first_then_open_offices_then_high_levels() -> None:
    results = [found.agency.code for found in TREE.search("Bắc Ninh")]
    assert results[0] == "H05"
    assert len(results) == 20
    assert len(TREE.search("Bắc Ninh", limit=3)) == 3


@pytest.mark.parametrize("text", ["", "  ", ".", "không có cơ quan nào tên thế này"])
def test_what_names_no_office_finds_none(text: str) -> None:
    assert TREE.search(text) == ()
