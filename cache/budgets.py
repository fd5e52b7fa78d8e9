"""The budgets that guessing draws on, the same on every channel (guarantees G21, G40-G42).

Who asks is an *origin*: an address (IPv6: its /64 network), a phone number, a chat. The look-ups of an origin are a
setting; the others are fixed here, because weakening one weakens the privacy of every dossier.
"""

from cache.limits import Limit


def lookups_per_origin(text: str) -> Limit:
    """Look-ups of one origin, as the operator wrote it (`30/minute`, `off`). Raises `Invalid`."""
    return Limit.parse("lookups", text)


# Unknown codes asked by one origin. Thousands of phones share one address of a mobile network, so it is not small.
MISSES_PER_ORIGIN = Limit.parse("misses", "60/hour", burst=20)

# Unknown codes asked by anybody among those that begin alike (office and day): somebody walks through the numbers. Of
# 10,000 numbers 600 may be in use: then 35 misses in an hour, the most there can be, confirm two dossiers or three.
MISSES_PER_PREFIX = Limit.parse("misses_prefix", "20/hour", burst=15)

# Wrong proofs for one dossier by anybody: never more than ten within an hour. Take before the proof is looked at, and
# give back when it was right.
WRONG_PROOFS_PER_DOSSIER = Limit.parse("wrong_proofs", "5/hour")

# Wrong proofs by one origin, of whatever dossiers: somebody tries the same four digits on many.
WRONG_PROOFS_PER_ORIGIN = Limit.parse("wrong_proofs_origin", "60/hour", burst=20)

# Feedback filed by one address: a household, a school (guarantee G48). Of one contact: channels.filing_budget.
FILINGS_PER_ORIGIN = Limit.parse("filings_origin", "30/hour", burst=10)
# Refusals of letters told to one writer, who may be a program that answers each of ours.
REFUSALS_PER_WRITER = Limit.parse("letter_refusals", "1/hour", burst=1)
# Forms sent by one address, each kept as a draft: a person sends several before one is complete.
FORMS_PER_ORIGIN = Limit.parse("forms_origin", "240/hour", burst=60)
