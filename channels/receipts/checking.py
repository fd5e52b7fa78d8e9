"""Is this slip genuine? What the page of the same name shows, decided here for browsers that cannot do it themselves.

The same is done offline by `static/receipts.js`; the tests hold both against each other.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from domain.language import Language
from lookup.receipt_tokens import LONGEST, Receipt, ReceiptKeys
from lookup.registry import Registry
from lookup.wording import day, moment

_TOKEN = re.compile(rf"(?:^|/[rR]/|#)([A-Za-z2-7]{{16,{LONGEST}}})(?:/in)?/?$")
_LONGEST_PASTED = 2 * LONGEST


class Verdict(StrEnum):
    """What a slip turned out to be."""

    GENUINE = "genuine"
    SPECIMEN = "specimen"
    FORGED = "forged"  # or altered, or not read whole: the three cannot be told apart
    UNREADABLE = "unreadable"  # no code of a slip at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The verdict, and what must stand on the slip, in the reader's words; '' for what its token does not say.

    `token` opens the dossier; a specimen's opens nothing.
    """

    verdict: Verdict
    token: str = ""
    office: str = ""
    code: str = ""
    received: str = ""
    due: str = ""
    issued: str = ""


def checked(pasted: str, keys: ReceiptKeys, registry: Registry, language: Language) -> Checked:
    """What `pasted` (the address in a QR, or the token alone) proves."""
    found = _TOKEN.search(pasted.strip()) if len(pasted) <= _LONGEST_PASTED else None
    if found is None:
        return Checked(verdict=Verdict.UNREADABLE)
    receipt = keys.read(found[1])
    if receipt is None:
        return Checked(verdict=Verdict.FORGED)
    return Checked(
        verdict=Verdict.SPECIMEN if receipt.specimen else Verdict.GENUINE,
        token="" if receipt.specimen else found[1],
        office=_office(receipt, registry, language),
        code=receipt.code,
        received=day(receipt.received_on) if receipt.received_on else "",
        due=day(receipt.due_on) if receipt.due_on else "",
        issued=moment(receipt.issued_at, language),
    )


def office_names(registry: Registry) -> dict[str, tuple[str, str]]:
    """The names of all offices by code, Vietnamese and English, for naming them without a network."""
    return {agency.code: (agency.name, agency.name_en) for agency in registry.agencies()}


def _office(receipt: Receipt, registry: Registry, language: Language) -> str:
    agency = registry.agency_by_code(receipt.office) if receipt.office else None
    if agency is None:
        return receipt.office
    name = agency.name_en if language is Language.ENGLISH and agency.name_en else agency.name
    return f"{name} ({receipt.office})"
