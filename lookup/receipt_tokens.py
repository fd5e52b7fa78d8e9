"""Receipt tokens: what the QR of a slip carries, signed, so that it proves a slip to us and, offline, to anybody.

A token is RFC 4648 base32 without padding, all upper or all lower case: a QR stores it in its alphanumeric mode, it can
be read out over a telephone, and it fits into a path. Its bytes, numbers big-endian:

    form << 4 | flags   1   form 1 signed, 2 for chats; flag 1 specimen, flag 2 the text is UTF-8
    key id              1   the first byte of SHA-256 of the public key
    issued              4   seconds since 2020-01-01 UTC
    received, due       4   form 1 only: days since 2000-01-01, two bytes each, 0 for none
    text                n   the dossier code; a zero and the receiving office, unless the code begins with that office
    proof              64   form 1: Ed25519 (RFC 8032) of all before it; 16 in form 2: keyed BLAKE2b of the same

Text is packed three characters into two bytes, in base 40, where the 39 characters of agency-style codes are the
digits 1 to 39. Form 2 fits into the 64 characters that a Telegram deep link may carry; only the service can check it.
"""

import hashlib
import hmac
import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.dossier import Dossier
from domain.status import STAGE_OF, Stage
from lookup.sealing import Seal

PURPOSE = "motma receipt"  # what the signing keys are derived for
LONGEST = 512  # characters
LONGEST_FOR_CHAT = 64  # https://core.telegram.org/bots/features#deep-linking
SIGNATURE_BYTES = 64
MAC_BYTES = 16

_SIGNED, _CHAT = 1, 2
_PROOF_BYTES = {_SIGNED: SIGNATURE_BYTES, _CHAT: MAC_BYTES}
_SPECIMEN, _UNPACKED = 1, 2
_HEAD = struct.Struct(">BBI")
_DAYS = struct.Struct(">HH")
_ISSUED_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_DAYS_FROM = date(2000, 1, 1)
_LATEST_DAY = 0xFFFF

_BASE32 = re.compile("[A-Z2-7]{16,512}")
_BASE32_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TO_DIGITS = str.maketrans(_BASE32_DIGITS, "0123456789abcdefghijklmnopqrstuv")
_UNUSED_BITS = {0: 0, 2: 2, 4: 4, 5: 1, 7: 3}  # by the length modulo 8; no other length is base32
_SYMBOLS = "\x000123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.-/" + "\ufffd" * 24  # the last are of no token of ours
_DIGIT = {character: digit for digit, character in enumerate(_SYMBOLS[:40])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a token says. `office` is the receiving office's code; a specimen belongs to a dossier of a test key."""

    code: str
    issued_at: datetime  # whole seconds
    office: str = ""
    received_on: date | None = None
    due_on: date | None = None
    specimen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """How long a token opens its dossier: days after it was issued, and after the dossier was closed (None: no end)."""

    days: int = 730
    days_after_end: int | None = None

    def is_too_old(self, receipt: Receipt, now: datetime) -> bool:
        """Whether the token is too old, whatever became of its dossier."""
        return now - receipt.issued_at > timedelta(days=self.days)

    def has_ended(self, dossier: Dossier, now: datetime) -> bool:
        """Whether the dossier was closed too long ago."""
        public = dossier.public
        if self.days_after_end is None or STAGE_OF[public.status] is not Stage.CLOSED:
            return False
        return now - public.status_at > timedelta(days=self.days_after_end)


@dataclass(frozen=True, slots=True)
class _Key:
    signing: Ed25519PrivateKey
    public: Ed25519PublicKey
    mac: bytes

    @classmethod
    def from_seed(cls, seed: bytes) -> "_Key":
        signing = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(signing, signing.public_key(), hmac.digest(seed, b"motma receipt for chats", "sha256"))

    @property
    def key_id(self) -> int:
        return key_id(self.public.public_bytes_raw())


def key_id(public: bytes) -> int:
    """The number a token names its key by. Two keys may share one: then each is tried."""
    return hashlib.sha256(public).digest()[0]


class ReceiptKeys:
    """Makes tokens with the newest key and reads those of all."""

    def __init__(self, seeds: Iterable[bytes]) -> None:
        """`seeds` of 32 bytes, the newest first."""
        self._keys = tuple(map(_Key.from_seed, dict.fromkeys(seeds)))
        self._by_id: defaultdict[int, list[_Key]] = defaultdict(list)
        for key in self._keys:
            self._by_id[key.key_id].append(key)

    @classmethod
    def from_secrets(cls, secrets: Sequence[bytes], seal: Seal) -> "ReceiptKeys":
        """Keys from secrets of any length, the newest first, or, with none, from the installation's own secrets."""
        if not secrets:
            return cls(seal.derived(PURPOSE))
        return cls(hmac.digest(secret, PURPOSE.encode(), "sha256") for secret in secrets)

    @property
    def public_keys(self) -> tuple[bytes, ...]:
        """The keys (32 bytes each) by which anybody can check a signed token."""
        return tuple(key.public.public_bytes_raw() for key in self._keys)

    def issue(self, receipt: Receipt) -> str:
        """The signed token of `receipt`."""
        key = self._keys[0]
        days = _DAYS.pack(_day_number(receipt.received_on), _day_number(receipt.due_on))
        office = receipt.office if receipt.office != _office_within(receipt.code) else ""
        body = _body(_SIGNED, key, receipt, days, office)
        return _base32(body + key.signing.sign(body))

    def issue_for_chat(self, receipt: Receipt) -> str | None:
        """A token of at most 64 characters for a chat's deep link; None where the code is too long for that."""
        key = self._keys[0]
        body = _body(_CHAT, key, receipt, b"", "")
        token = _base32(body + _mac(key, body))
        return token if len(token) <= LONGEST_FOR_CHAT else None

    def read(self, token: str) -> Receipt | None:
        """What a genuine token says, expired and revoked ones too; None for everything else. Never raises."""
        raw = _from_base32(token.upper() if token.islower() else token)
        if raw is None or len(raw) < _HEAD.size:
            return None
        form, flags = raw[0] >> 4, raw[0] & 15
        proof_bytes = _PROOF_BYTES.get(form)
        if proof_bytes is None or flags & ~(_SPECIMEN | _UNPACKED):
            return None
        body, proof = raw[:-proof_bytes], raw[-proof_bytes:]
        if not any(_proves(form, key, body, proof) for key in self._by_id.get(raw[1], ())):
            return None
        return _said(body, form, flags)


def _proves(form: int, key: _Key, body: bytes, proof: bytes) -> bool:
    if form == _CHAT:
        return hmac.compare_digest(_mac(key, body), proof)
    try:
        key.public.verify(proof, body)
    except InvalidSignature:
        return False
    return True


def _mac(key: _Key, body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=MAC_BYTES, key=key.mac).digest()


# --- the bytes ---


def _body(form: int, key: _Key, receipt: Receipt, days: bytes, office: str) -> bytes:
    text = f"{receipt.code}\0{office}" if office else receipt.code
    packed = _packed(text)
    flags = (_SPECIMEN if receipt.specimen else 0) | (0 if packed is not None else _UNPACKED)
    issued = int((receipt.issued_at - _ISSUED_FROM).total_seconds())
    return _HEAD.pack(form << 4 | flags, key.key_id, issued) + days + (packed if packed is not None else text.encode())


def _said(body: bytes, form: int, flags: int) -> Receipt | None:
    """What a body that is proven to be ours says; None for one too short to be."""
    start = _HEAD.size + (_DAYS.size if form == _SIGNED else 0)
    text = body[start:].decode() if flags & _UNPACKED else _unpacked(body[start:])
    code, _, office = text.partition("\0")
    received, due = _DAYS.unpack_from(body, _HEAD.size) if form == _SIGNED else (0, 0)
    if not office and form == _SIGNED:
        office = _office_within(code)
    return Receipt(
        code=code,
        issued_at=_ISSUED_FROM + timedelta(seconds=_HEAD.unpack_from(body)[2]),
        office=office,
        received_on=_day(received),
        due_on=_day(due),
        specimen=bool(flags & _SPECIMEN),
    )


def _office_within(code: str) -> str:
    return code.partition("-")[0]


def _packed(text: str) -> bytes | None:
    """`text`, which may hold one zero character, in base 40; None where a character has no digit."""
    try:
        digits = [_DIGIT[character] for character in text]
    except KeyError:
        return None
    digits += [0] * (-len(digits) % 3)
    threes = zip(digits[::3], digits[1::3], digits[2::3], strict=True)
    return b"".join((a * 1600 + b * 40 + c).to_bytes(2, "big") for a, b, c in threes)


def _unpacked(packed: bytes) -> str:
    characters: list[str] = []
    for at in range(0, len(packed) - 1, 2):
        three = int.from_bytes(packed[at : at + 2], "big")
        characters += (_SYMBOLS[three // 1600], _SYMBOLS[three // 40 % 40], _SYMBOLS[three % 40])
    return "".join(characters).rstrip("\0")


def _day_number(day: date | None) -> int:
    """0 for no day, and for one that two bytes cannot hold."""
    number = (day - _DAYS_FROM).days if day else 0
    return number if 0 < number <= _LATEST_DAY else 0


def _day(number: int) -> date | None:
    return _DAYS_FROM + timedelta(days=number) if number else None


def _base32(raw: bytes) -> str:
    unused = -len(raw) * 8 % 5
    number, characters = int.from_bytes(raw, "big") << unused, []
    for _ in range((len(raw) * 8 + unused) // 5):
        characters.append(_BASE32_DIGITS[number & 31])
        number >>= 5
    return "".join(reversed(characters))


def _from_base32(text: str) -> bytes | None:
    """The bytes; None for what is no base32, or has a second spelling: bits that no byte uses must be zero."""
    unused = _UNUSED_BITS.get(len(text) % 8)
    if unused is None or not _BASE32.fullmatch(text):
        return None
    number = int(text.translate(_TO_DIGITS), 32)
    if number & ((1 << unused) - 1):
        return None
    return (number >> unused).to_bytes(len(text) * 5 // 8, "big")
