"""G47: a sender's number proves nothing: what is asked in somebody's name is answered to that somebody, without
anything personal, and nobody's phone is linked but by a code that came to it."""

import re
from itertools import count

import aiohttp

from tests.faults.evidence import Evidence
from tests.faults.load import Producer, facts
from tests.faults.rig import AGENCY, NO_MUTANT, Rig, open_rig
from tests.faults.waiting import handled, sent_out
from tests.faults.webhooks import SETTINGS, Callers, by_kannel, by_sms, by_telegram, open_line, said, update

VICTIM, ATTACKER, CHAT = "+84905550001", "+84905550002", 5_550_002
CODE = f"{AGENCY}-261102-004747"
# What nobody is told in words: the name, the officer and the note. What is asked of the applicant is for who has shown
# a proof, and the last digits of the phone are one: it is told to the victim, and to nobody without them.
CANARIES = (
    "Trịnh",
    "Trinh",
    "Thục",
    "Thuc",
    "Quyên",
    "Quyen",
    "Cán bộ Sơn",
    "Can bo Son",
    "lưu ý nội bộ",
    "luu y noi bo",
)
WITH_PROOF = "ban sao giay"
PROVEN = (f"{CODE} 0001", f"XEM THEM {CODE} 0001")  # with the last digits of the phone
ASKED = (
    CODE,
    f"TRA CUU {CODE}",
    f"XEM THEM {CODE}",
    f"THEO DOI {CODE}",
    f"BO {CODE}",
    "HUY",
    "TC",
    "TIEP TUC",
    f"GOP Y {CODE} ho so cua toi bi cham",
    "CO",
    f"DANH GIA {CODE} 5",
    "ten toi la gi",
    "so cua toi la 0905 555 009",
    "HELP",
)
LINKED = "SELECT count(*) AS n FROM linked_phone"
TOLD_TO = "SELECT count(*) AS n FROM message WHERE kind = 'reply'"
MOST_GUESSES = 5  # that one code allows


async def spoofed(*, guesses: int, mutant: str = NO_MUTANT) -> Evidence:
    """Everything is asked in the victim's name and by a stranger; the victim's phone is typed, sent as a contact card
    and guessed at on the web.

    Mutants: `names_in_texts`, `anybodys_contact`, `codes_not_counted`.
    """
    evidence = Evidence(guarantee="G47")
    async with open_rig(mutant=mutant, dispatchers=1, settings=SETTINGS) as rig, open_line() as http:
        callers, ids = Callers(rig, http), count(1)
        await _the_dossier(rig)
        for sender, texts in ((VICTIM, (*PROVEN, *ASKED)), (ATTACKER, ASKED)):
            for n, words in enumerate(texts):
                call = by_sms if n % 2 else by_kannel
                await callers.call(call(sender, words, next(ids)))
                await handled(rig, evidence)
        await sent_out(rig, evidence)
        await _answered_to_the_number_itself(rig, evidence)
        await _not_linked(rig, callers, ids, evidence)
        await _guessed(rig, guesses, evidence)
        evidence.expect(not callers.refused, f"{len(callers.refused)} calls were refused")
    return evidence


async def _the_dossier(rig: Rig) -> None:
    dossier = facts(CODE, 0) | {
        "applicant": {"name": "Trịnh Thục Quyên", "phone": VICTIM},
        "note": "Cán bộ Sơn: lưu ý nội bộ",
        "status": 5,
        "asked_of_applicant": "Nộp bản sao giấy khai sinh",
    }
    await Producer(rig).push("dossiers", [dossier])


async def _answered_to_the_number_itself(rig: Rig, evidence: Evidence) -> None:
    replies = (await rig.query(TOLD_TO))[0]["n"]
    texts = rig.ledger.texts
    telling = sorted({word for _, text in texts for word in CANARIES if word in text})
    unproven = sum(WITH_PROOF in text for address, text in texts if address != VICTIM)
    strangers = {address for address, _ in texts} - {VICTIM, ATTACKER}
    evidence.figures |= {
        "asked in two names": len(PROVEN) + 2 * len(ASKED),
        "replies": replies,
        "telling words": len(telling),
    }
    evidence.expect(not telling, f"texts tell {telling}")
    evidence.expect(unproven == 0, f"{unproven} texts tell what is asked to who proved nothing")
    evidence.expect(not strangers, f"{len(strangers)} were texted that nobody wrote as")
    stopped = [address for address, text in texts if "DUNG" in text or "TIEP TUC" in text]
    evidence.need(any(WITH_PROOF in text for _, text in texts), "nobody was told what is asked of them")
    evidence.need(VICTIM in stopped, "the victim was not told of the refusal made in their name")


async def _not_linked(rig: Rig, callers: Callers, ids: "count[int]", evidence: Evidence) -> None:
    """A chat claims the victim's phone in each way but the platform's own word for it."""
    before = len(rig.ledger.texts)
    card = {"phone_number": VICTIM, "first_name": "Quyên"}
    for words in (CODE, VICTIM, f"so cua toi la {VICTIM}", f"{CODE} {VICTIM}"):
        await callers.call(by_telegram(CHAT, words, next(ids)))
    for contact in (card | {"user_id": CHAT + 1}, card):
        number = next(ids)
        await callers.call(update(number, {"message": said(CHAT, number) | {"contact": contact}}))
    await callers.call(by_telegram(CHAT, CODE, next(ids)))
    await handled(rig, evidence)
    await sent_out(rig, evidence)
    linked = (await rig.query(LINKED))[0]["n"]
    told = [text for address, text in rig.ledger.texts[before:] if address == str(CHAT)]
    telling = sorted({word for text in told for word in CANARIES if word in text})
    evidence.figures |= {"claims by chat": 6, "linked": linked}
    evidence.expect(linked == 0, f"{linked} phones were linked on somebody's own word")
    evidence.expect(not telling, f"the chat was told {telling}")
    evidence.need(len(told) > 1, "the chat heard nothing")


async def _guessed(rig: Rig, guesses: int, evidence: Evidence) -> None:
    """The web asks the phone itself: a stranger guesses at the code that the victim got."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        before = len(rig.ledger.texts)
        async with browser.post(f"{rig.url}/cua-toi", data={"phone": VICTIM}) as asked:
            evidence.need(asked.status == 200, f"asking for a code was answered {asked.status}")
        await sent_out(rig, evidence)
        sent = [text for address, text in rig.ledger.texts[before:] if address == VICTIM]
        code = next(iter(re.findall(r"(?<![0-9])[0-9]{6}(?![0-9])", " ".join(sent))), "")
        evidence.need(bool(code), "the victim got no code")
        wrong = (f"{n:06d}" for n in count(100_000) if f"{n:06d}" != code)
        statuses = []
        for _ in range(guesses):
            async with browser.post(f"{rig.url}/cua-toi/ma", data={"code": next(wrong)}) as tried:
                statuses.append(tried.status)
        async with browser.post(f"{rig.url}/cua-toi/ma", data={"code": code}) as tried:
            page = await tried.text()
        async with browser.get(f"{rig.url}/cua-toi") as later:
            page += await later.text()
        evidence.figures |= {
            "guesses": guesses,
            "right one after them shows": "the list" if CODE in page else "nothing",
        }
        evidence.expect(200 not in statuses, "a wrong code was taken")
        evidence.expect(CODE not in page, f"after {guesses} wrong codes the right one is still taken")
