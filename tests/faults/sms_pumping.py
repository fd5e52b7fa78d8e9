"""G44: texts cost money: nobody makes us send many, or to where it earns them something, or talk with a machine."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Iterator
from itertools import count

from channels.sms.plain import plain
from channels.sms.segments import cost
from tests.faults.evidence import Evidence
from tests.faults.load import Producer
from tests.faults.rig import NO_MUTANT, Rig, open_rig
from tests.faults.waiting import handled, sent_out
from tests.faults.webhooks import OUR_NUMBER, Call, Callers, by_kannel, open_line

SEGMENT = 350  # đồng
MOST_AN_HOUR, MOST_A_DAY = 10, 30
ROUNDS, TEXTS = 4, 14  # hours in which insistent people write, and texts of each in one
PUMPED = (*("+8433",) * 6, "+8435", "+8456", "+8470", "+8486")  # where most of the flood comes from
PREFIX_CAP, CAP = 35_000, 70_000  # đồng within any one day
MOBILE = re.compile(r"\+84[35789][0-9]{8}")
AN_HOUR_LATER = "UPDATE inbound SET handled_at = handled_at - interval '61 minutes'"
MOST_IN_A_LOOP = 3
# What machines say to whatever they are sent.
MACHINES = {
    "says so": "Xin loi, toi dang ban. Day la tin nhan tu dong.",
    "the same": "Cam on quy khach da lien he. Chung toi da ghi nhan.",
    "with a time": "He thong da nhan tin cua quy khach luc {time} va se xu ly trong thoi gian som nhat.",
    "echo": "{text}",
    "echo, cut short": "{text:.60}",
    "echo, with more": "Ban vua gui: {text} ({time})",
    "never the same": "{other}",
}
NEVER_THE_SAME = (
    "Cua hang xin chao quy khach",
    "Moi quy khach ghe tham trang cua chung toi",
    "Chuc quy khach mot ngay tot lanh",
    "Nhan vien dang chuan bi don hang",
    "Hom nay giam gia moi mat hang",
)


async def pumped(*, texts: int, insistent: int, machines: int, mutant: str = NO_MUTANT) -> Evidence:
    """People who write too much and machines that answer; then a flood from numbers of all kinds, with caps on money.

    Mutants: `machines_answered`, `no_reply_limits`, `anybody_texted`, `no_money_caps`.
    """
    evidence = Evidence(guarantee="G44")
    async with open_rig(mutant=mutant, dispatchers=1) as rig, open_line() as http:
        codes, callers = await Producer(rig).dossiers(500), Callers(rig, http)
        await _insisted(rig, callers, codes, insistent, evidence)
        await _talked_with_machines(rig, callers, codes, machines, evidence)
        evidence.expect(not callers.refused, f"{len(callers.refused)} genuine calls were refused")
    caps = {"MOTMA_SMS_SPEND_PER_PREFIX": f"{PREFIX_CAP}/day", "MOTMA_SMS_SPEND": f"{CAP}/day"}
    async with open_rig(mutant=mutant, dispatchers=1, settings=caps) as rig, open_line() as http:
        codes, callers = await Producer(rig).dossiers(500), Callers(rig, http)
        await callers.at_once(_from_anywhere(texts, codes))
        await handled(rig, evidence)
        await _quiet(rig)
        _few_where_allowed(rig, texts, evidence)
    return evidence


async def _insisted(rig: Rig, callers: Callers, codes: list[str], people: int, evidence: Evidence) -> None:
    """Each asks more often than they are answered, hour after hour."""
    numbers, before, most = count(), Counter[str](), 0
    for hour in range(ROUNDS):
        await callers.at_once(
            by_kannel(f"+8496{person:07d}", codes[(hour * TEXTS + n) % len(codes)], next(numbers))
            for n in range(TEXTS)
            for person in range(people)
        )
        await handled(rig, evidence)
        await sent_out(rig, evidence)
        so_far = Counter(phone for _, phone, _ in rig.ledger.lines())
        most = max([most, *(so_far - before).values()])
        before = so_far
        await rig.query(AN_HOUR_LATER)
    evidence.figures |= {"insistent": people, "texts of each": ROUNDS * TEXTS}
    evidence.figures |= {"answered in an hour": most, "in all hours": max(before.values())}
    evidence.expect(most <= MOST_AN_HOUR, f"{most} texts to one number within an hour")
    evidence.expect(max(before.values()) <= MOST_A_DAY, f"{max(before.values())} texts to one number within a day")
    evidence.need(len(before) == people and most > 1, "hardly anybody was answered")


async def _talked_with_machines(
    rig: Rig, callers: Callers, codes: list[str], machines: int, evidence: Evidence
) -> None:
    """Somebody asks once from each number; then a machine answers there whatever we send."""
    numbers, replies = count(1_000_000), set[asyncio.Task[bool]]()
    ours = {f"+8491{n:07d}": n for n in range(machines)}
    said = Counter[str]()

    def machine(phone: str, text: str) -> None:
        if phone not in ours:
            return
        said[phone] += 1
        words = list(MACHINES.values())[ours[phone] % len(MACHINES)].format(
            time=f"{said[phone] % 24:02d}:{said[phone] * 7 % 60:02d}",
            text=text,
            other=NEVER_THE_SAME[said[phone] % len(NEVER_THE_SAME)],
        )
        reply = asyncio.create_task(callers.call(by_kannel(phone, words, next(numbers))))
        replies.add(reply)
        reply.add_done_callback(replies.discard)

    rig.ledger.on_text = machine
    await callers.at_once(by_kannel(phone, codes[n % len(codes)], next(numbers)) for phone, n in ours.items())
    while True:
        before = said.total()
        await handled(rig, evidence)
        await sent_out(rig, evidence)
        await asyncio.gather(*replies)
        if said.total() == before and not replies:
            break
    rig.ledger.on_text = lambda _phone, _text: None
    # The first answered a person.
    by_kind = {
        kind: max((said[phone] - 1 for phone, n in ours.items() if n % len(MACHINES) == number), default=0)
        for number, kind in enumerate(MACHINES)
    }
    evidence.figures |= {"machines": machines, "answers to one that": by_kind}
    for kind in MACHINES:
        evidence.expect(by_kind[kind] <= MOST_IN_A_LOOP, f"{by_kind[kind]} answers to one machine ({kind})")
    evidence.need(len(said) == machines, "not every machine was spoken to")


def _from_anywhere(texts: int, codes: list[str]) -> Iterator[Call]:
    """Look-ups, half of them from mobile numbers that begin alike, half from whatever may stand as a sender."""
    choice = random.Random(44)

    def digits(length: int) -> str:
        return "".join(choice.choices("0123456789", k=length))

    strangers = (
        lambda: f"1900{digits(4)}",  # premium lines
        lambda: f"+841900{digits(4)}",
        lambda: choice.choice(("8088", "9029", "1414", "+8100", "996")),  # short codes
        lambda: choice.choice(("VIETTEL", "Vietcombank", "BO CONG AN", "qc-sale")),
        lambda: f"+8824{digits(7)}",  # satellites and other networks that pay whoever is called
        lambda: f"+252{digits(8)}",
        lambda: f"+8210{digits(8)}",
        lambda: f"+8424{digits(8)}",  # fixed lines
        lambda: OUR_NUMBER,
        lambda: f"+8484{digits(20)}",
    )
    for n in range(texts):
        sender = choice.choice(strangers)() if n % 2 else f"{choice.choice(PUMPED)}{digits(7)}"
        yield by_kannel(sender, codes[n % len(codes)], n)


async def _quiet(rig: Rig) -> None:
    """Until nothing was sent for two seconds: what a cap holds back waits in the queue."""
    sent = -1
    while sent != (sent := len(rig.ledger.texts)):  # noqa: ASYNC110 - other processes send
        await asyncio.sleep(2)


def _few_where_allowed(rig: Rig, texts: int, evidence: Evidence) -> None:
    spent, by_prefix, elsewhere = 0, Counter[str](), set[str]()
    for phone, text in rig.ledger.texts:
        price = cost(plain(text), SEGMENT)
        spent += price
        by_prefix[phone[:5]] += price
        if not MOBILE.fullmatch(phone):
            elsewhere.add(phone)
    dearest = max(by_prefix.values(), default=0)
    evidence.figures |= {"flood": texts, "sent": len(rig.ledger.texts), "spent đ": spent, "by one prefix đ": dearest}
    evidence.expect(
        not elsewhere, f"{len(elsewhere)} were texted that are no mobile phones, e.g. {sorted(elsewhere)[:2]}"
    )
    evidence.expect(dearest <= PREFIX_CAP, f"{dearest} đ went to one prefix, more than {PREFIX_CAP}")
    evidence.expect(spent <= CAP, f"{spent} đ were spent, more than {CAP}")
    # Half of a cap is let out at once (channels.sms.allowances).
    evidence.need(dearest > PREFIX_CAP / 4, "no prefix came near its cap")
    evidence.need(spent > CAP / 4, "nothing came near the cap on all")
    evidence.need(texts * SEGMENT / 2 > CAP, "the flood was too small for the caps")
