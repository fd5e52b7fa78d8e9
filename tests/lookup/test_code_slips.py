"""How people mistype codes: every slip of the table finds its code, and no slip finds another person's."""

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lookup.code_finder import ReadingKind, find, read, words_besides
from lookup.code_slips import MAX_CANDIDATES, fold
from lookup.codes import canonical, parse
from tests.lookup.code_strategies import UsualCode, any_agency_style_codes, code_like_texts, usual_codes

OLD = "000.00.12.H62-201105-0004"
NEW = "H56.14-240823-0001"
TWO = "38.98.H29-210519-0013"
LETTER = "000.A0.01.H26-210212-9090"
MINISTRY = "G09.20-20260609-0092637"
PORTAL = "G22.99.08-260921-896048"

SLIPS = [
    # 1. case, spaces, dashes, trailing marks
    ("000.00.12.h62-201105-0004", OLD),
    ("h56.14-240823-0001", NEW),
    ("  H56.14-240823-0001  ", NEW),
    ("H56.14 - 240823 - 0001", NEW),
    ("H56. 14-240823-0001", NEW),
    ("H 56.14-240823-0001", NEW),
    ("H56.14-2408 23-0001", NEW),
    ("H56.14-24 08 23-0001", NEW),
    ("H56.14-240823-00 01", NEW),
    ("H56.14\t-\t240823\t-\t0001", NEW),
    ("H56.14\u00a0-\u00a0240823-0001", NEW),
    ("H56.14–240823–0001", NEW),
    ("H56.14—240823—0001", NEW),
    ("H56.14‑240823‑0001", NEW),
    ("H56.14−240823−0001", NEW),
    ("Ｈ５６．１４－２４０８２３－０００１", NEW),
    ("H56.14-240823-0001.", NEW),
    ("H56.14-240823-0001,", NEW),
    ('"H56.14-240823-0001"', NEW),
    ("“H56.14-240823-0001”", NEW),
    ("(H56.14-240823-0001)", NEW),
    ("H56.14\u200b-240823-\u200b0001", NEW),
    # 2. look-alike characters
    ("OOO.OO.12.H62-2O11O5-OOO4", OLD),
    ("ooo.oo.12.h62-2o11o5-ooo4", OLD),
    ("000.00.l2.H62-20ll05-0004", OLD),
    ("000.00.I2.H62-20II05-0004", OLD),
    ("000.00.|2.H62-20||05-0004", OLD),
    ("H56.14-240823-OOO1", NEW),
    ("H56.14-240823-000l", NEW),
    ("H56.14-240823-000|", NEW),
    ("H56.l4-240823-0001", NEW),
    ("H56.14-24O823-0001", NEW),
    ("H5G.14-240823-0001", NEW),
    ("HS6.14-240823-0001", NEW),
    ("H56.14-24OB23-0001", NEW),
    ("H56.14-Z4O8Z3-0001", NEW),
    ("000.AO.O1.H26-210212-9090", LETTER),
    ("ooo.ao.o1.h26-2l0212-9o9o", LETTER),
    ("000.A0.01.HZ6-210212-9090", LETTER),
    ("3B.98.H29-210519-0013", TWO),
    ("38.98.H29-2105I9-00I3", TWO),
    ("622.99.08-260921-896048", PORTAL),
    ("G22.99.0B-260921-B96048", PORTAL),
    # 3. separators dropped, or typed as something else
    ("0000012H622011050004", OLD),
    ("0000012h62-201105-0004", OLD),
    ("00000.12H62-201105-0004", OLD),
    ("000.00.12H62-201105-0004", OLD),
    ("000.00.12.H622011050004", OLD),
    ("000.00.12.H62201105-0004", OLD),
    ("000.00.12.H62-2011050004", OLD),
    ("000A001H262102129090", LETTER),
    ("H56142408230001", NEW),
    ("H5614-240823-0001", NEW),
    ("H56.142408230001", NEW),
    ("3898H292105190013", TWO),
    ("G229908260921896048", PORTAL),
    ("000,00,12,H62-201105-0004", OLD),
    ("000, 00, 12, H62 - 201105 - 0004", OLD),
    ("000 00 12 H62 201105 0004", OLD),
    ("000 00 12 H62-201105-0004", OLD),
    ("000/00/12/H62/201105/0004", OLD),
    ("000-00-12-H62-201105-0004", OLD),
    ("000_00_12_H62_201105_0004", OLD),
    ("000.00.12.H62.201105.0004", OLD),
    ("000.00.12.H62 201105 0004", OLD),
    ("000..00.12.H62--201105-0004", OLD),
    ("000. 00.12.H62-201105-0004", OLD),
    ("H56 14 240823 0001", NEW),
    ("H56,14-240823-0001", NEW),
    ("H56/14-240823/0001", NEW),
    ("H56-14-240823-0001", NEW),
    ("38 98 H29 210519 0013", TWO),
    ("G09.20 20260609 0092637", MINISTRY),
    ("G22.99.08-260921-896 048", PORTAL),
    # 4. leading zeros left out
    ("H56.14-240823-1", NEW),
    ("H56.14-240823-01", NEW),
    ("H56.14-240823-001", NEW),
    ("000.00.12.H62-201105-4", OLD),
    ("00.00.12.H62-201105-0004", OLD),
    ("0.00.12.H62-201105-0004", OLD),
    ("0.00.12.H62-201105-4", OLD),
    ("00.12.H62-201105-0004", OLD),
    ("00.12.H62-201105-4", OLD),
    ("0.0.12.H62-201105-4", OLD),
    ("12.H62-201105-0004", OLD),
    ("17.22.H56-210531-1", "000.17.22.H56-210531-0001"),
    ("G9.20-20260609-92637", MINISTRY),
    ("G09.20-20260609-92637", MINISTRY),
    ("G22.99.8-260921-896048", PORTAL),
    ("H5.16-261102-1", "H05.16-261102-0001"),
    # 5. the century
    ("H56.14-20240823-0001", NEW),
    ("000.00.12.H62-20201105-0004", OLD),
    ("000.00.12.H62-20201105-4", OLD),
    ("G09.20-260609-0092637", MINISTRY),
    ("G09.20-260609-92637", MINISTRY),
    # 6. the label copied
    ("HS H56.14-240823-0001", NEW),
    ("MHS H56.14-240823-0001", NEW),
    ("MHS:H56.14-240823-0001", NEW),
    ("HSH56.14-240823-0001", NEW),
    ("hs000.00.12.H62-201105-0004", OLD),
    ("Mã HS: H56.14-240823-0001", NEW),
    ("so ho so H56.14-240823-0001", NEW),
    ("Số hồ sơ: H56.14-240823-0001", NEW),
    ("ma ho so H56142408230001", NEW),
    ("Mã số hồ sơ là H56.14-240823-0001", NEW),
    # 7. letters of Vietnamese keyboards
    ("Đ56.14-240823-0001", "D56.14-240823-0001"),
    ("đ56.14-240823-0001", "D56.14-240823-0001"),
    ("000.Â0.01.H26-210212-9090", LETTER),
    ("ôôô.ôô.12.h62-201105-ôôô4", OLD),
    # several at once
    ("mã hs: h56,l4 – 2o24o823 – 1", NEW),
    ("ho so OO.12.h62 201105 4", OLD),
]


# Spaces or line breaks within a part: understood where the code stands alone.
SLIPS_ALONE = [
    ("H56.14-240823- 0 0 0 1", NEW),
    ("H 5 6 . 1 4 - 2 4 0 8 2 3 - 0 0 0 1", NEW),
    ("0 00.00.12.H62-201105-0004", OLD),
    ("000.00.1 2.H62-20110 5-0004", OLD),
    ("H56.14\n-240823\n-0001", NEW),
    ("ma ho so : H 5 6 . 1 4 - 2 4 0 8 2 3 - 0 0 0 1", NEW),
]


@pytest.mark.parametrize(("typed", "meant"), [*SLIPS, *SLIPS_ALONE])
def test_a_slip_still_finds_its_code(typed: str, meant: str) -> None:
    reading = read(typed)
    assert reading.kind is ReadingKind.CODE
    assert meant in reading.candidates
    assert reading.rest == ""
    assert len(reading.candidates) <= MAX_CANDIDATES


@pytest.mark.parametrize(("typed", "meant"), SLIPS)
def test_a_slip_is_found_in_a_sentence_too(typed: str, meant: str) -> None:
    message = f"Cho tôi hỏi {typed} đã có kết quả chưa ạ?"
    (found,) = find(message)
    assert found.kind is ReadingKind.CODE
    assert meant in found.candidates
    assert words_besides(message, (found,)) == "Cho tôi hỏi đã có kết quả chưa ạ"


@pytest.mark.parametrize(("typed", "_meant"), SLIPS)
def test_decomposed_accents_change_nothing(typed: str, _meant: str) -> None:
    assert read(unicodedata.normalize("NFD", typed)) == read(unicodedata.normalize("NFC", typed))


def test_run_together_the_date_is_not_read_too_early() -> None:
    # 20 05 26 is a day too, but leaves too long an ordinal.
    assert read("H1020052611020001").candidates[:2] == ("H1020052611020001", "H10.20.05-261102-0001")


def test_run_together_a_20_may_be_a_group_or_the_century_but_is_never_dropped() -> None:
    assert read("G09202606090001").candidates == ("G09202606090001", "G09-20260609-0001", "G09.20-260609-0001")


# --- any code, any slip ---

LOOK_ALIKES = str.maketrans({"0": "O", "1": "l"})


def skeleton(code: str) -> tuple[str, str, str]:
    """What no repair may change: agency, day and ordinal without separators, zeros in front, century, look-alikes."""
    parts = parse(code)
    folded = parts.agency.translate(str.maketrans("OILBSZG", "0118526"))
    agency = "".join(group.lstrip("0") for group in folded.split("."))
    ordinal = parts.ordinal.translate(str.maketrans("OILBSZG", "0118526"))
    return agency, parts.date[-6:], ordinal.lstrip("0")


def typed_with_slips(data: st.DataObject, code: UsualCode) -> str:
    """`code` as somebody might type it: each part with at most one slip of its own."""
    day = code.date.translate(LOOK_ALIKES) if data.draw(st.booleans()) else code.date
    if sum(character.isdigit() for character in day) < 3:  # a word rather than a day
        day = code.date
    ordinal = data.draw(
        st.sampled_from([code.ordinal, code.ordinal.translate(LOOK_ALIKES), code.ordinal.lstrip("0") or "0"])
    )
    dot = data.draw(st.sampled_from([".", ".", ",", "/", " ", ". ", "_", ""]))
    dash = "-" if dot == " " else data.draw(st.sampled_from(["-", "-", "–", " - ", " ", "−", "."]))
    if dot == "":
        day, ordinal = code.date, code.ordinal
        dash = data.draw(st.sampled_from(["-", ""])) if len(day) == 6 else "-"
    case = data.draw(st.sampled_from([str.upper, str.lower]))
    around = data.draw(st.sampled_from(["{}", " {} ", "{}.", '"{}"', "({})", "HS {}", "Mã hồ sơ: {}"]))
    return around.format(case(f"{dot.join(code.groups)}{dash}{day}{dash}{ordinal}"))


@given(st.data(), usual_codes)
def test_slips_never_lead_to_another_code(data: st.DataObject, code: UsualCode) -> None:
    typed = typed_with_slips(data, code)
    reading = read(typed)
    assert reading.kind is ReadingKind.CODE
    assert code.text in reading.candidates
    assert len(reading.candidates) <= MAX_CANDIDATES
    for candidate in reading.candidates[1:]:
        assert canonical(candidate) == candidate
        assert skeleton(candidate) == skeleton(code.text)


@given(st.data(), usual_codes, usual_codes)
def test_two_codes_share_no_candidate_however_they_are_typed(
    data: st.DataObject, one: UsualCode, other: UsualCode
) -> None:
    assume(skeleton(one.text) != skeleton(other.text))
    first = read(typed_with_slips(data, one)).candidates
    second = read(typed_with_slips(data, other)).candidates
    assert set(first).isdisjoint(second)


@given(any_agency_style_codes)
@example("A.A00-000000-0")
@example("A.000.A00-000000-0")
@example("Z.B00-000000-00")
def test_a_code_typed_right_is_looked_up_as_it_stands_first(code: str) -> None:
    assume(parse(code).agency)
    assume(code.partition(".")[0] not in {"HS", "MHS", "TC"})  # labels
    for typed in (code, code.lower(), f'"{code}"'):
        reading = read(typed)
        assert reading.kind is ReadingKind.CODE
        assert reading.candidates[0] == code
        # Letters before the first dot may also be a word: "số.000.00.12.H62-201105-0004".
        assert code.partition(".")[0].isalpha() or all(
            skeleton(candidate) == skeleton(code) for candidate in reading.candidates
        )


@given(usual_codes)
def test_the_short_way_for_undoubted_codes_says_what_the_long_way_says(code: UsualCode) -> None:
    assert read(code.text).candidates == read(f"«{code.text}»").candidates


@given(st.one_of(st.text(), code_like_texts))
def test_folding_keeps_places(text: str) -> None:
    folded = fold(text)
    assert folded == fold(unicodedata.normalize("NFD", text))
    for place, character in enumerate(folded.plain):
        if character.isascii() and character.isdigit() and folded.text.isascii():
            assert folded.typed(place, place + 1) == character
    assert folded.typed(0, len(folded.plain)) in folded.text
