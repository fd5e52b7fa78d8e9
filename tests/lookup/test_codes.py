"""The grammar of dossier codes and their one stored spelling."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import MalformedCode
from lookup.codes import (
    MAX_AGENCY_LENGTH,
    MAX_LENGTH,
    CodeForm,
    DossierCode,
    canonical,
    is_agency_style,
    parse,
    spelling,
)
from tests.lookup.code_strategies import any_agency_style_codes, code_like_texts

# Every real shape of domain.md 2.2: (code, agency, date, ordinal, form).
REAL_CODES = [
    ("000.00.12.H62-201105-0004", "000.00.12.H62", "201105", "0004", CodeForm.PROVINCE_LAST),
    ("38.98.H29-210519-0013", "38.98.H29", "210519", "0013", CodeForm.PROVINCE_LAST),
    ("000.A0.01.H26-210212-9090", "000.A0.01.H26", "210212", "9090", CodeForm.PROVINCE_LAST),
    ("000.17.22.H56-210531-0001", "000.17.22.H56", "210531", "0001", CodeForm.PROVINCE_LAST),
    ("000.00.06.H56-231027-0361", "000.00.06.H56", "231027", "0361", CodeForm.PROVINCE_LAST),
    ("H56.14-240823-0001", "H56.14", "240823", "0001", CodeForm.AGENCY_FIRST),
    ("000.00.01.H26-260930-0012", "000.00.01.H26", "260930", "0012", CodeForm.PROVINCE_LAST),
    ("G09.20-20260609-0092637", "G09.20", "20260609", "0092637", CodeForm.AGENCY_FIRST),
    ("G22.99.08-260921-896048", "G22.99.08", "260921", "896048", CodeForm.AGENCY_FIRST),
    ("G22.99.09-240114-0001", "G22.99.09", "240114", "0001", CodeForm.AGENCY_FIRST),
    ("H05.16-261102-0001", "H05.16", "261102", "0001", CodeForm.AGENCY_FIRST),
]
FOREIGN_CODES = ["03706/2026/07906", "123456ABCD", "Z01.0101234567-261102-0001", "38.98.H29.16-210519-0013"]


@pytest.mark.parametrize(("code", "agency", "date", "ordinal", "form"), REAL_CODES)
def test_every_real_shape_is_read_into_its_parts(
    code: str, agency: str, date: str, ordinal: str, form: CodeForm
) -> None:
    assert parse(code) == DossierCode(text=code, form=form, agency=agency, date=date, ordinal=ordinal)
    assert canonical(code) == code


@pytest.mark.parametrize("code", FOREIGN_CODES)
def test_a_code_of_another_scheme_is_kept_whole(code: str) -> None:
    assert parse(code) == DossierCode(text=code, form=CodeForm.FOREIGN)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("h56.14-240823-0001", "H56.14-240823-0001"),
        ("  H56.14-240823-0001\r\n", "H56.14-240823-0001"),
        ("H56.14 - 240823 - 0001", "H56.14-240823-0001"),
        ("H56.14–240823—0001", "H56.14-240823-0001"),
        ("H56.14‑240823−0001", "H56.14-240823-0001"),
        ("Ｈ５６．１４－２４０８２３－０００１", "H56.14-240823-0001"),
        ("“H56.14-240823-0001”.", "H56.14-240823-0001"),
        ("'H56.14-240823-0001',", "H56.14-240823-0001"),
        ("\u00a0H56.14\u200b-240823\u00ad-0001\ufeff", "H56.14-240823-0001"),
        ("03706 / 2026 / 07906", "03706/2026/07906"),
        ("123456abcd", "123456ABCD"),
        ("hđ-12/bn", "HĐ-12/BN"),
        ("H0516-261102-0001", "H0516-261102-0001"),
    ],
)
def test_one_stored_spelling(sent: str, stored: str) -> None:
    assert canonical(sent) == stored


@pytest.mark.parametrize(
    "sent",
    [
        *("", "   ", "\u200b", ".,;", "\"'"),
        *("A" * 65, "A" * 100_000),
        *("H05\x00.16-261102-0001", "H05\ud800", "H05\x1b[2J", "\x85\x9f"),
    ],
)
def test_what_cannot_be_a_code_is_refused(sent: str) -> None:
    with pytest.raises(MalformedCode) as refusal:
        canonical(sent)
    assert refusal.value.field == "code"
    assert refusal.value.code == "malformed_code"


def test_a_code_may_be_64_characters_long_whatever_space_surrounds_it() -> None:
    assert canonical(f"  {'A1' * 32}  ") == "A1" * 32


def test_the_agency_part_has_at_most_35_characters() -> None:
    longest = ".".join([*["000"] * 8, "H62"])
    assert len(longest) == MAX_AGENCY_LENGTH
    assert is_agency_style(f"{longest}-261102-0001")
    assert not is_agency_style(f"0.{longest}-261102-0001")


@given(any_agency_style_codes)
def test_the_grammar_takes_every_code_it_describes(code: str) -> None:
    parts = parse(code)
    assert parts.text == code
    if parts.form is not CodeForm.FOREIGN:
        assert f"{parts.agency}-{parts.date}-{parts.ordinal}" == code
    else:
        assert len(code.partition("-")[0]) > MAX_AGENCY_LENGTH


@given(st.one_of(st.text(max_size=80), code_like_texts))
def test_the_stored_spelling_is_stable_and_the_same_for_composed_and_decomposed_text(text: str) -> None:
    try:
        key = canonical(text)
    except MalformedCode:
        for form in ("NFC", "NFD"):
            if len(unicodedata.normalize(form, text)) <= MAX_LENGTH:
                with pytest.raises(MalformedCode):
                    canonical(unicodedata.normalize(form, text))
        return
    assert canonical(key) == key
    assert canonical(unicodedata.normalize("NFC", text)) == key
    assert canonical(unicodedata.normalize("NFD", text)) == key
    assert 0 < len(key) <= MAX_LENGTH
    key.encode()  # no lone surrogate
    assert "\x00" not in key
    assert not any(character.isspace() for character in key)


def test_every_character_has_a_stable_spelling() -> None:
    texts = (f"A{chr(number)}\u03011" for number in (*range(0x20000), *range(0xE0000, 0xE0200)))
    keys = set(map(spelling, texts))
    assert [key for key in keys if spelling(key) != key] == []
