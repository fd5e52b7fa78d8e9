"""Receipt tokens: what they hold, how short they are, and that nothing else is taken for one."""

import random
import re
import timeit
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dossier import Dossier, PublicDossier
from domain.status import Status
from lookup.code_finder import ReadingKind, read
from lookup.codes import canonical, is_agency_style
from lookup.receipt_tokens import LONGEST_FOR_CHAT, Receipt, ReceiptKeys, Validity, key_id
from lookup.sealing import Seal
from tests.lookup.code_strategies import usual_codes

ISSUED = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
KEYS = ReceiptKeys([b"k" * 32])
RECEIPT = Receipt(
    code="H05.16-261102-0001",
    office="H05.16",
    received_on=date(2026, 11, 2),
    due_on=date(2026, 11, 20),
    issued_at=ISSUED,
)
UNUSUAL = ("03706/2026/07906", "123456ABCD", "HỒ SƠ_Ω-1", "A")
RANDOM_TOKENS = 20_000  # of the million that `python -m tests.faults --only G43` tries


def test_a_token_says_what_the_slip_says() -> None:
    assert KEYS.read(KEYS.issue(RECEIPT)) == RECEIPT


@given(
    code=st.one_of(
        usual_codes.map(lambda usual: usual.text), st.sampled_from(["03706/2026/07906", "123456ABCD", "HỒ SƠ_Ω-1", "A"])
    ),
    office=st.sampled_from(["H05.16", "000.00.12.H62", "Z01", ""]),
    days=st.tuples(*[st.one_of(st.none(), st.dates(date(2000, 1, 2), date(2100, 1, 1)))] * 2),
    specimen=st.booleans(),
)
def test_any_code_survives_the_way_there_and_back(
    code: str, office: str, days: tuple[date | None, date | None], *, specimen: bool
) -> None:
    code = canonical(code)
    office = office or code.partition("-")[0]
    receipt = Receipt(
        code=code, office=office, received_on=days[0], due_on=days[1], issued_at=ISSUED, specimen=specimen
    )
    token = KEYS.issue(receipt)
    assert KEYS.read(token) == receipt
    assert KEYS.read(token.lower()) == receipt
    assert re.fullmatch("[A-Z2-7]{118,512}", token)
    if (short := KEYS.issue_for_chat(receipt)) is not None:
        said = KEYS.read(short)
        assert said is not None
        assert (said.code, said.issued_at, said.specimen) == (code, ISSUED, specimen)


@pytest.mark.parametrize(
    ("code", "office", "length"),
    [
        ("H05.16-261102-0001", "H05.16", 138),
        ("H05.16-261102-0001", "H05.99.02", 151),
        ("000.00.12.H62-201105-0004", "000.00.12.H62", 148),
        ("G09.20-20260609-0092637", "G09.20", 144),
    ],
)
def test_tokens_are_short(code: str, office: str, length: int) -> None:
    receipt = Receipt(code=code, office=office, received_on=date(2026, 11, 2), due_on=None, issued_at=ISSUED)
    assert len(KEYS.issue(receipt)) == length
    assert len(KEYS.issue_for_chat(receipt) or "") in range(48, LONGEST_FOR_CHAT + 1)


def test_a_code_too_long_for_a_chat_has_no_token_for_it() -> None:
    assert KEYS.issue_for_chat(Receipt(code="000.00.00.12.H62-20201105-0004", issued_at=ISSUED)) is None


def test_a_day_two_bytes_cannot_hold_is_left_out() -> None:
    said = KEYS.read(KEYS.issue(Receipt(code="A-1", received_on=date(1999, 5, 1), issued_at=ISSUED)))
    assert said is not None
    assert said.received_on is None


def test_keys_rotate_and_what_the_old_one_signed_stays_good() -> None:
    old, new = ReceiptKeys([b"o" * 32]), ReceiptKeys([b"n" * 32, b"o" * 32])
    assert new.read(old.issue(RECEIPT)) == RECEIPT
    assert old.read(new.issue(RECEIPT)) is None
    assert len(new.public_keys) == 2
    assert new.public_keys[1] == old.public_keys[0]


def test_keys_come_from_settings_or_from_the_secret_of_the_installation() -> None:
    seal, rotated = Seal.from_secret(b"a" * 32), Seal.from_secret(b"b" * 32, older=(b"a" * 32,))
    derived = ReceiptKeys.from_secrets((), seal)
    assert ReceiptKeys.from_secrets((), rotated).read(derived.issue(RECEIPT)) == RECEIPT
    given_keys = ReceiptKeys.from_secrets((b"x" * 40,), seal)
    assert given_keys.read(derived.issue(RECEIPT)) is None
    assert given_keys.public_keys != derived.public_keys


def test_two_keys_of_one_number_are_both_tried() -> None:
    seeds = (n.to_bytes(32, "big") for n in range(2000))
    by_id: dict[int, bytes] = {}
    for seed in seeds:
        number = key_id(ReceiptKeys([seed]).public_keys[0])
        if number in by_id:
            break
        by_id[number] = seed
    both = ReceiptKeys([seed, by_id[number]])
    assert both.read(ReceiptKeys([by_id[number]]).issue(RECEIPT)) == RECEIPT
    assert both.read(ReceiptKeys([seed]).issue(RECEIPT)) == RECEIPT


@pytest.mark.parametrize("make", [KEYS.issue, KEYS.issue_for_chat])
def test_one_bit_off_is_refused_wherever_it_is(make: object) -> None:
    token = make(RECEIPT)  # type: ignore[operator]
    for at, character in enumerate(token):
        for bit in range(8):
            changed = token[:at] + chr(ord(character) ^ 1 << bit) + token[at + 1 :]
            assert KEYS.read(changed) is None, (at, bit)


def test_cut_lengthened_and_swapped_tokens_are_refused() -> None:
    token = KEYS.issue(RECEIPT)
    other = KEYS.issue(Receipt(code="H05.16-261102-0002", issued_at=ISSUED))
    for end in range(len(token)):
        assert KEYS.read(token[:end]) is None
    for more in ("A", "AA", "=", "\n", " ", token, "é"):
        assert KEYS.read(token + more) is None
        assert KEYS.read(more + token) is None
    body = 16
    assert KEYS.read(other[:body] + token[body:]) is None


def test_random_tokens_are_refused() -> None:
    chance = random.Random(43)
    for _ in range(RANDOM_TOKENS):
        length = chance.choice((56, 64, 138, 144, 150))
        token = "".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=length))
        assert KEYS.read("CA" + token[2:]) is None


@given(st.text(max_size=600))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert KEYS.read(text) is None


@given(st.binary(max_size=200), st.sampled_from([0x10, 0x11, 0x12, 0x20, 0x23, 0x13, 0x14, 0x30, 0xFF]))
def test_any_bytes_are_read_without_an_error(raw: bytes, form: int) -> None:
    from lookup.receipt_tokens import _base32  # noqa: PLC0415 - only here

    assert KEYS.read(_base32(bytes([form, key_id(KEYS.public_keys[0])]) + raw)) is None


def test_a_receipts_address_is_found_in_what_people_send() -> None:
    token = KEYS.issue(RECEIPT)
    for text in (f"https://motma.vn/r/{token}", f"HTTPS://MOTMA.VN/R/{token}", f"xem https://motma.vn/r/{token} giup"):
        reading = read(text)
        assert (reading.kind, reading.value) == (ReadingKind.RECEIPT_TOKEN, token)
        assert KEYS.read(reading.value) == RECEIPT
    assert not is_agency_style(token)


def test_a_token_lapses_by_age_and_after_the_end() -> None:
    validity = Validity(days=730, days_after_end=90)
    assert not validity.is_too_old(RECEIPT, ISSUED + timedelta(days=730))
    assert validity.is_too_old(RECEIPT, ISSUED + timedelta(days=730, seconds=1))
    closed, running = _dossier(Status.DELIVERED), _dossier(Status.PROCESSING)
    assert not validity.has_ended(closed, ISSUED + timedelta(days=90))
    assert validity.has_ended(closed, ISSUED + timedelta(days=91))
    assert not validity.has_ended(running, ISSUED + timedelta(days=91))
    assert not Validity().has_ended(closed, ISSUED + timedelta(days=9_000))


def _dossier(status: Status) -> Dossier:
    public = PublicDossier(
        code=RECEIPT.code,
        version=1,
        status=status,
        status_at=ISSUED,
        received_at=ISSUED,
        due_at=None,
        finished_at=None,
        agency_id=1,
        recorded_at=ISSUED,
        read_at=ISSUED,
    )
    return Dossier(
        public=public, applicant_name=None, procedure_name=None, asked_of_applicant=None, delivered_at=None, history=()
    )


def test_verifying_takes_well_under_a_millisecond() -> None:
    token = KEYS.issue(RECEIPT)
    seconds = min(timeit.repeat(lambda: KEYS.read(token), number=50, repeat=20)) / 50
    assert seconds < 0.001  # 0.13 ms when nothing else runs
