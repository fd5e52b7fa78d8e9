"""G43: nobody forges a receipt: not by luck, not by changing one, not with one that is over or another dossier's."""

import random
from datetime import UTC, datetime, timedelta

from lookup.receipt_tokens import Receipt, ReceiptKeys, key_id
from lookup.sealing import Seal
from tests.faults.evidence import Evidence
from tests.faults.load import Producer
from tests.faults.rig import NO_MUTANT, SECRET, Rig, open_rig

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}


async def forged_receipts(*, tokens: int, asked: int = 100, mutant: str = NO_MUTANT) -> Evidence:
    """`tokens` random ones and as many with one bit changed are read; of each kind `asked` are asked of the site.

    So are expired, revoked and specimen ones, those of unknown dossiers, and one dossier's with another's signature.
    Mutant: `any_signature`.
    """
    evidence = Evidence(guarantee="G43")
    chance, keys = random.Random(43), ReceiptKeys.from_secrets((), Seal.from_secret(SECRET.encode()))
    now = datetime.now(UTC).replace(microsecond=0)
    genuine = keys.issue(Receipt(code="H05.16-261002-000001", office="H05.16", issued_at=now))
    guessed = [_guess(chance, keys, len(genuine)) for _ in range(asked)]
    changed = [_one_bit_off(chance, genuine) for _ in range(asked)]
    accepted = sum(keys.read(token) is not None for token in guessed + changed)
    for _ in range(tokens - asked):
        accepted += keys.read(_guess(chance, keys, len(genuine))) is not None
        accepted += keys.read(_one_bit_off(chance, genuine)) is not None
    evidence.figures |= {"random": tokens, "one bit off": tokens, "accepted": accepted}
    evidence.expect(accepted == 0, f"{accepted} forged tokens were accepted")
    async with open_rig(mutant=mutant, webs=1, dispatchers=0) as rig:
        code, other, *_ = await Producer(rig).dossiers(2)
        status, page, headers = await _opened(rig, genuine)
        evidence.need(status == 200 and code in page, f"a genuine receipt was answered {status}")
        evidence.expect(PRIVATE.items() <= headers.items(), "a receipt's answer may be kept, passed on or indexed")
        revoked = keys.issue(Receipt(code=other, office="H05.16", issued_at=now - timedelta(seconds=1)))
        async with rig.http.delete(f"{rig.url}/api/v1/receipts/{other}", headers=rig.headers) as answer:
            evidence.need(answer.status == 200, f"revoking was answered {answer.status}")
        cut = 12  # characters: after the moment of issue, which differs
        wrong = {
            "random": guessed,
            "one bit off": changed,
            "expired": [keys.issue(Receipt(code=code, issued_at=now - timedelta(days=days))) for days in (731, 2000)],
            "revoked": [revoked],
            "specimen": [keys.issue(Receipt(code=code, issued_at=now, specimen=True))],
            "unknown dossier": [keys.issue(Receipt(code="H05.16-261102-999999", issued_at=now))],
            "another's signature": [revoked[:cut] + genuine[cut:]],
            "another key's": [ReceiptKeys([b"x" * 32]).issue(Receipt(code=code, issued_at=now))],
        }
        pages = set()
        for kind, some in wrong.items():
            statuses = set()
            for token in some:
                status, page, _ = await _opened(rig, token)
                statuses.add(status)
                pages.add(page)
            evidence.expect(statuses == {404}, f"{kind} was answered {sorted(statuses)}")
        evidence.figures |= {"asked of the site": sum(map(len, wrong.values())), "different refusals": len(pages)}
        evidence.expect(len(pages) == 1, f"refusals differ in {len(pages)} ways")
    return evidence


async def _opened(rig: Rig, token: str) -> tuple[int, str, dict[str, str]]:
    async with rig.http.get(f"{rig.url}/r/{token}") as answer:
        return answer.status, await answer.text(), dict(answer.headers)


def _guess(chance: random.Random, keys: ReceiptKeys, length: int) -> str:
    """Random but for what anybody can know: the form, and the number of the key. Its last bits are those of a token."""
    head = f"{0x10:08b}{key_id(keys.public_keys[0]):08b}{chance.getrandbits(4):04b}"
    known = "".join(BASE32[int(head[at : at + 5], 2)] for at in range(0, 20, 5))
    return known + "".join(chance.choices(BASE32, k=length - 5)) + "A"


def _one_bit_off(chance: random.Random, token: str) -> str:
    """One of the five bits of one character is another."""
    at = chance.randrange(len(token))
    return token[:at] + BASE32[BASE32.index(token[at]) ^ 1 << chance.randrange(5)] + token[at + 1 :]
