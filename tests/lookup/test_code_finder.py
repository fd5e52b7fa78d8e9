"""Codes in messages, and what else people send instead of a code."""

import time
import unicodedata
from collections.abc import Callable
from dataclasses import fields
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookup.code_finder import FoundCode, Reading, ReadingKind, find, read, words_besides
from lookup.codes import canonical
from tests.lookup.code_strategies import UsualCode, code_like_texts, usual_codes
from tests.lookup.test_codes import FOREIGN_CODES, REAL_CODES

CODE = "H05.16-261102-0001"


def codes_in(message: str) -> list[str]:
    return [code.candidates[0] for code in find(message)]


# --- one typed thing ---


@pytest.mark.parametrize("code", [row[0] for row in REAL_CODES])
def test_every_real_shape_is_read_and_found(code: str) -> None:
    reading = read(code)
    assert (reading.kind, reading.candidates[0], reading.rest) == (ReadingKind.CODE, code, "")
    assert codes_in(f"Cho tôi hỏi hồ sơ {code} ạ.") == [code]


@pytest.mark.parametrize("code", FOREIGN_CODES)
def test_codes_of_other_schemes_are_looked_up_exactly(code: str) -> None:
    assert read(code).candidates[0] == code
    assert read(f" {code.lower()} ").candidates[0] == code
    assert codes_in(f"Cho tôi hỏi hồ sơ {code} ạ.") == [code]


@pytest.mark.parametrize(
    ("typed", "candidates", "rest"),
    [
        ("03706/2026/07906", ("03706/2026/07906",), ""),
        ("03706 / 2026 / 07906", ("03706/2026/07906",), ""),
        ("03706/2026/07906 246810", ("03706/2026/07906",), "246810"),
        ("123456abcd", ("123456ABCD",), ""),
        ("123456ABCD 246810", ("123456ABCD",), "246810"),
        ("123456 ABCD", ("123456", "123456ABCD"), "ABCD"),
        ("Số biên nhận: 123456ABCD", ("123456ABCD",), ""),
        ("HS 123456", ("123456",), ""),
        ("BN202611020001", ("BN202611020001",), ""),
        ("12/HĐ-2026", ("12/HĐ-2026",), ""),
    ],
)
def test_a_foreign_code_is_kept_as_typed(typed: str, candidates: tuple[str, ...], rest: str) -> None:
    reading = read(typed)
    assert (reading.kind, reading.candidates, reading.rest) == (ReadingKind.FOREIGN, candidates, rest)


@pytest.mark.parametrize(
    ("typed", "is_one"), [("123456ABCD", True), ("0123456", True), ("03706/2026/07906", False), (CODE, False)]
)
def test_a_receipt_number_can_be_told_from_other_foreign_codes(typed: str, is_one: bool) -> None:
    assert read(typed).resembles_receipt_number is is_one


@pytest.mark.parametrize(
    ("typed", "rest"),
    [
        (f"{CODE} 246810", "246810"),
        (f"HS {CODE} 246810", "246810"),
        (f"  hs   {CODE.lower()}    246810 ", "246810"),
        (f"{CODE}, 246810", "246810"),
        (f"{CODE}-246810", "246810"),
        (f"{CODE}/4567", "4567"),
        (f"{CODE}\n246810", "246810"),
        ("H05 16 261102 0001 246810", "246810"),
        ("H05.16-261102-00 01 246810", "246810"),
        ("H05.16-261102-1 , 246810", "246810"),
        (f"{CODE} 15 ngày rồi", "15 ngày rồi"),
        ("H05.16-261102-1 15 ngày rồi", "15 ngày rồi"),
        (f"mã hồ sơ của tôi là {CODE} nhé", "mã hồ sơ của tôi là nhé"),
        (f"{CODE}|Nguyễn Văn An|1990", "Nguyễn Văn An|1990"),
    ],
)
def test_the_other_words_remain_as_typed(typed: str, rest: str) -> None:
    reading = read(typed)
    assert reading.kind is ReadingKind.CODE
    assert CODE in reading.candidates
    assert reading.rest == rest
    assert not rest or rest not in repr(reading)  # it may be the look-up secret


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("1.005129", "1.005129"),
        ("2.000635", "2.000635"),
        ("1.OO5I29", "1.005129"),
        ("1.010708.000.00.00.H56", "1.010708.000.00.00.H56"),
        ("3.000181.000.00.00.h22", "3.000181.000.00.00.H22"),
        ("TS_lop1.000.00.00.H22", "TS_LOP1.000.00.00.H22"),
        ("mã TTHC: 1.005129", "1.005129"),
        ("thủ tục 1.005129 cần giấy tờ gì", "1.005129"),
    ],
)
def test_a_procedure_code_is_told_from_a_dossier_code(typed: str, code: str) -> None:
    assert read(typed) == Reading(kind=ReadingKind.PROCEDURE_CODE, value=code)
    assert find(typed) == ()


PERSONAL_NUMBERS = [
    ("079123456789", ReadingKind.CITIZEN_ID),
    ("079 123 456 789", ReadingKind.CITIZEN_ID),
    ("079.123.456.789", ReadingKind.CITIZEN_ID),
    ("079-123-456-789", ReadingKind.CITIZEN_ID),
    ("0791\t2345\n6789", ReadingKind.CITIZEN_ID),
    ("O79l23456789", ReadingKind.CITIZEN_ID),
    ("CCCD: 079123456789", ReadingKind.CITIZEN_ID),
    ("CCCD:079 123 456 789", ReadingKind.CITIZEN_ID),
    ("CCCD079123456789", ReadingKind.CITIZEN_ID),
    ("số căn cước 079123456789 ạ", ReadingKind.CITIZEN_ID),
    ("HS 079123456789", ReadingKind.CITIZEN_ID),
    ("Mã hồ sơ: 079123456789", ReadingKind.CITIZEN_ID),
    ("123456789", ReadingKind.CITIZEN_ID),
    ("CMND 123 456 789", ReadingKind.CITIZEN_ID),
    ("0901234567", ReadingKind.PHONE),
    ("0901 234 567", ReadingKind.PHONE),
    ("090.123.4567", ReadingKind.PHONE),
    ("+84901234567", ReadingKind.PHONE),
    ("+84 90 123 45 67", ReadingKind.PHONE),
    ("84901234567", ReadingKind.PHONE),
    ("0084901234567", ReadingKind.PHONE),
    ("01621234567", ReadingKind.PHONE),
    ("02431234567", ReadingKind.PHONE),
    ("SDT:0901234567", ReadingKind.PHONE),
    ("O9O1234567", ReadingKind.PHONE),
    ("HS 0901234567", ReadingKind.PHONE),
]


@pytest.mark.parametrize(("typed", "kind"), PERSONAL_NUMBERS)
def test_of_a_citizen_id_or_phone_nothing_is_kept(typed: str, kind: ReadingKind) -> None:
    reading = read(typed)
    assert reading == Reading(kind=kind)
    kept = "".join(str(getattr(reading, field.name)) for field in fields(reading))
    assert not any(character.isdigit() for character in kept)
    assert find(typed) == ()


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "xin chào",
        "tôi muốn hỏi về hồ sơ",
        "20/11/2026",
        "118/2025/NĐ-CP",
        "5",
        "?",
        "HS",
        "\x00",
        "\ud800",
        "😀",
    ],
)
def test_nothing_is_read_into_other_words(typed: str) -> None:
    assert read(typed) == Reading(kind=ReadingKind.NOTHING)
    assert find(typed) == ()


TOKEN = "k7Qm2Zt0VbXy9LpR4sWd1A-_"


@pytest.mark.parametrize(
    "scanned",
    [
        f"https://motma.example/r/{TOKEN}",
        f"https://motma.example/r/{TOKEN}?lang=en",
        f"https://example.vn/mot-ma/r/{TOKEN}#top",
        f"motma.example/r/{TOKEN}",
        f"Xem https://motma.example/r/{TOKEN} giúp tôi",
    ],
)
def test_a_receipts_address_gives_its_token_and_shows_it_to_no_log(scanned: str) -> None:
    reading = read(scanned)
    assert reading == Reading(kind=ReadingKind.RECEIPT_TOKEN, value=TOKEN)
    assert TOKEN not in repr(reading)


@pytest.mark.parametrize(
    "scanned",
    [
        CODE,
        f"https://motma.example/tra-cuu?code={CODE}",
        f"https://motma.example/tra-cuu?lang=en&code={CODE.lower()}&x=1",
        "https://motma.example/tra-cuu?code=H05%2E16%2D261102%2D0001",
        f"motma.example/tra-cuu?code={CODE}",
        f"https://dichvucong.example/tracuu?maHoSo={CODE}",
        f"https://dichvucong.example/tracuu?ma-ho-so={CODE}#ket-qua",
        f"https://dichvucong.example/ho-so/{CODE}",
        f"{CODE}|Nguyễn Văn An|02/11/2026",
    ],
)
def test_a_bar_code_or_qr_gives_its_code(scanned: str) -> None:
    reading = read(scanned)
    assert (reading.kind, reading.candidates[0]) == (ReadingKind.CODE, CODE)


def test_a_foreign_code_in_an_address_is_kept() -> None:
    reading = read("https://motma.example/tra-cuu?code=03706%2F2026%2F07906")
    assert (reading.kind, reading.candidates) == (ReadingKind.FOREIGN, ("03706/2026/07906",))


def test_words_beside_an_address_are_composed() -> None:
    typed = unicodedata.normalize("NFD", f"https://motma.example/tra-cuu?code={CODE} cảm ơn")
    assert read(typed).rest == "cảm ơn"


def test_an_address_without_a_code_is_nothing() -> None:
    assert read("https://example.vn/tin-tuc/2026/11/so-123456").kind is ReadingKind.NOTHING


# --- any number of codes in a message ---


@pytest.mark.parametrize(
    ("message", "codes", "words"),
    [
        (
            "tra cuu 000.00.12.H62-201105-0004 va H56.14-240823-0001",
            ["000.00.12.H62-201105-0004", "H56.14-240823-0001"],
            "va",
        ),
        (f"HS {CODE} 246810", [CODE], "246810"),
        (f"{CODE},H05.16-261102-0002;H05.16-261102-0003", [CODE, "H05.16-261102-0002", "H05.16-261102-0003"], ""),
        (f"{CODE}/H05.16-261102-0002", [CODE, "H05.16-261102-0002"], ""),
        (f"1. {CODE}\n2. H05.16-261102-0002", [CODE, "H05.16-261102-0002"], "1 2"),
        (f"1/ {CODE} 2/ 38.98.H29-210519-0013", [CODE, "38.98.H29-210519-0013"], "1 2"),
        (f"hồ sơ nộp ngày 05/11/2026, {CODE}, đến nay chưa có", [CODE], "hồ sơ nộp ngày 05/11/2026 đến nay chưa có"),
        (f"Em gửi mã:{CODE} ạ", [CODE], "Em gửi mã ạ"),
        (f"Dạ.{CODE}", [CODE], "Dạ"),
        ("số.000.00.12.H62-201105-0004", ["000.00.12.H62-201105-0004"], "số"),
        (f"THEO DOI {CODE}", [CODE], "THEO DOI"),
        (f"{CODE} và 03706/2026/07906", [CODE, "03706/2026/07906"], "và"),
        ("Mã hồ sơ: 12345 xin cảm ơn", ["12345"], "xin cảm ơn"),
        ("Gọi 0901234567 hoặc 02431234567 trước 17h30 20/11/2026", [], None),
        ("Lệ phí 500000VND theo 118/2025/NĐ-CP, hẹn T5 20/11/26 8h", [], None),
        ("CCCD 079123456789 cấp 20-11-2021", [], None),
    ],
)
def test_codes_are_found_in_order_and_the_words_remain(message: str, codes: list[str], words: str | None) -> None:
    assert codes_in(message) == codes
    assert words is None or words_besides(message, find(message)) == words


def test_no_more_codes_than_asked_for() -> None:
    message = " ".join(f"H05.16-261102-{number:04}" for number in range(9))
    assert len(find(message)) == 5
    assert len(find(message, limit=2)) == 2
    assert len(find(message, limit=100)) == 9
    assert find(message, limit=0) == find(message, limit=-1) == ()


@pytest.mark.parametrize(
    ("typed", "never"),
    [
        ("38.98.H29.16-210519-0013", "H29.16-210519-0013"),
        ("17,22,H56-210531-0001", "H56-210531-0001"),
        ("17 22 H56-210531-0001", "H56-210531-0001"),
        ("17. 22.H56-210531-0001", "22.H56-210531-0001"),
        ("17/22.H56-210531-0001", "22.H56-210531-0001"),
        ("AB.22.H56-210531-0001", "22.H56-210531-0001"),
        ("so 12 H62-201105-0004", "H62-201105-0004"),
        ("000.00.12.H62-201105-000|", "000.00.12.H62-201105-000"),
        ("H10 20 05 261102 0001", "H10-200526-1102"),
        ("H10200526110 20001", "H10-200526-11020001"),
        ("H10.20.05-261102-0001", "H10.20.05-200526-1102"),
    ],
)
def test_a_piece_of_a_longer_code_is_nobodys_code(typed: str, never: str) -> None:
    assert never not in read(typed).candidates
    assert all(never not in code.candidates for code in find(f"hồ sơ {typed}"))


@given(
    st.lists(usual_codes, min_size=1, max_size=5), st.sampled_from([" ", ", ", ",", "; ", "\n", " và ", " va hs ", "|"])
)
def test_every_code_of_a_message_is_found_in_order(codes: list[UsualCode], between: str) -> None:
    message = between.join(code.text for code in codes)
    assert codes_in(message) == [code.text for code in codes]
    assert codes_in(f"Kính gửi: {message}. Xin cảm ơn.") == [code.text for code in codes]


def check(message: str, found: tuple[FoundCode, ...]) -> None:
    composed = unicodedata.normalize("NFC", message)
    end = 0
    for code in found:
        assert code.kind in {ReadingKind.CODE, ReadingKind.FOREIGN}
        assert 1 <= len(code.candidates) <= 8
        assert all(canonical(candidate) == candidate for candidate in code.candidates)
        assert end <= code.span[0] < code.span[1] <= len(composed)
        end = code.span[1]
    words_besides(message, found)


@given(st.one_of(st.text(), code_like_texts))
def test_no_text_breaks_the_reader_and_accents_composed_or_not_read_alike(text: str) -> None:
    reading = read(text)
    assert all(canonical(candidate) == candidate for candidate in reading.candidates)
    assert bool(reading.candidates) == (reading.kind in {ReadingKind.CODE, ReadingKind.FOREIGN})
    assert read(unicodedata.normalize("NFD", text)) == read(unicodedata.normalize("NFC", text)) == reading
    found = find(text)
    check(text, found)
    assert find(unicodedata.normalize("NFD", text)) == find(unicodedata.normalize("NFC", text)) == found


@given(code_like_texts)
def test_what_was_read_reads_the_same_again(text: str) -> None:
    reading = read(text)
    if reading.kind is ReadingKind.CODE:
        again = read(reading.candidates[-1])
        assert again.kind is ReadingKind.CODE
        assert again.candidates[0] == reading.candidates[-1]


# --- time ---


def fastest(action: Callable[[], object], *, times: int, rounds: int) -> float:
    """Seconds of processor time one `action` takes at best, so that a busy machine does not count."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(times):
            action()
        best = min(best, (time.process_time() - start) / times)
    return best


@pytest.mark.parametrize("code", [row[0] for row in REAL_CODES])
def test_a_normal_code_takes_at_most_20_microseconds(code: str) -> None:
    assert fastest(lambda: read(code), times=300, rounds=30) <= 20e-6
    assert fastest(lambda: canonical(code), times=300, rounds=30) <= 20e-6


LONG_RUNS = [
    *("0", "A", "|", ".", "-", " ", "\n", "\x00", "\u0301", "é", "\u200b", "\ud800", "😀", "%", "("),
    *("0.", "00.", "000.", "OO.", "AO.", "0 ", "00 ", "0-", "0/", ", ", "26", "20", "2026", "26 11 02 ", "1|", "X0-"),
    *("H05", "H05.", "H05/", "H05 ", "H05.AO.", "H0", "A26-", "20_Đ", "862.14-", "H 0 5 ", "1.", "1. "),
    *("H05.16-", "H05.16-261102-", "000.00.12.H62-", "000 00 12 H62 201105 ", "H05.16 261102 1 ", "H05/26/26 "),
    *(f"{CODE} ", f"{CODE},", "38.98.H29.16-210519-0013 ", "12 H62-201105-0004 ", "H05.16-26110 "),
    *("HS", "HS ", "mã hồ sơ ", "tra cuu ", "123456ABC ", "03706/2026/", "1.005129.", "000.00.00.", "A_A."),
    *("079 ", "0 7 9 ", "0901", "+84", "://", "/r/", "a/r/", f"/r/{TOKEN}", "?code=", "https://x?code=0&"),
]  # fmt: skip


@pytest.mark.parametrize("run", LONG_RUNS)
def test_no_10_kilobytes_take_longer_than_50_milliseconds(run: str) -> None:
    text = (run * 10_000)[:9_900]
    for hard in (text, f"H05.16-{text}", f"{text} H05.16 261102 1", f"x :// {text}"):
        for action in (read, find, besides):
            assert fastest(partial(action, hard), times=1, rounds=2) <= 0.050


def besides(text: str) -> str:
    return words_besides(text, find(text))
