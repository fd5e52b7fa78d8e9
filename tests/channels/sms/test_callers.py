"""Who may call, provider by provider: genuine calls have their one effect, all others have none (guarantees G39)."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from domain.contact import ChannelName, Contact
from domain.errors import Malformed
from domain.message import Incoming
from tests.channels.sms.callers import (
    CALLERS,
    OLD_SECRET,
    OUR_NUMBER,
    PHONE,
    SECRET,
    SPEEDSMS,
    TEXTING,
    altered,
    proof_of,
)
from tests.channels.sms.calling import NOW, Around, Call, Caller
from tests.channels.sms.conftest import Serve

texting = pytest.mark.parametrize("caller", TEXTING, ids=str)
calling = pytest.mark.parametrize("caller", CALLERS, ids=str)


def a_call(caller: Caller, secret: str = SECRET) -> Call:
    """A genuine call: a text where the provider brings texts, else a receipt."""
    return caller.text(secret=secret) if caller.text else caller.status(next(iter(caller.words)), 1, secret)


def flips(octets: bytes) -> Iterator[bytes]:
    """`octets` with each of its bits flipped in turn."""
    for place in range(len(octets)):
        for bit in range(8):
            yield octets[:place] + bytes([octets[place] ^ 1 << bit]) + octets[place + 1 :]


@texting
async def test_a_genuine_text_is_heard(caller: Caller, around: Around, serve: Serve) -> None:
    assert caller.text is not None
    line = await serve(caller.opened(around))
    assert (await line.call(caller.text()))[0] == 200
    (heard,) = around.ear.heard
    assert heard == Incoming(
        sender=Contact(channel=ChannelName.SMS, address=f"+{PHONE}"),
        recipient=heard.recipient,
        text="Tra cứu",
        external_id=heard.external_id,
        received_at=NOW,
    )
    assert heard.recipient.removeprefix("+") == OUR_NUMBER
    assert heard.external_id.startswith(f"{caller.name}:")
    assert len(heard.external_id) > len(caller.name) + 1


@texting
async def test_the_same_call_again_is_taken_and_changes_nothing(caller: Caller, around: Around, serve: Serve) -> None:
    assert caller.text is not None
    line = await serve(caller.opened(around))
    call, other = caller.text(), caller.text("khác", 2)
    for one in (call, call, other, call, other):
        assert (await line.call(one))[0] == 200
    assert [heard.text for heard in around.ear.heard] == ["Tra cứu", "khác"]


@texting
async def test_each_bit_of_a_signature_counts(caller: Caller, around: Around, serve: Serve) -> None:
    assert caller.text is not None
    line = await serve(caller.opened(around))
    call = caller.text()
    scheme, space, proof = proof_of(call, caller.proof).rpartition(" ")
    for flipped in flips(proof[-64:].encode()):
        forged = altered(call, caller.proof, scheme + space + proof[:-64] + flipped.decode("latin-1"))
        assert await line.raw(forged) in {400, 401}, flipped
    assert around.ear.heard == []
    assert (await line.call(call))[0] == 200


@pytest.mark.parametrize("caller", [caller for caller in TEXTING if caller.covers_body], ids=str)
async def test_a_body_with_one_bit_flipped_is_never_taken_for_another(
    caller: Caller, around: Around, serve: Serve
) -> None:
    assert caller.text is not None
    line = await serve(caller.opened(around))
    call = caller.text(more_text := "Tra cứu H05.16-261102-0001")
    dice = random.Random(7)
    for place in sorted(dice.sample(range(len(call.body)), 100)):
        flipped = bytes([call.body[place] ^ 1 << dice.randrange(8)])
        body = call.body[:place] + flipped + call.body[place + 1 :]
        assert await line.raw(replace(call, body=body)) in {200, 400, 401}
    # Only what says the same in other letters (%E1 and %e1) was taken.
    assert [heard.text for heard in around.ear.heard] in ([], [more_text])


@calling
async def test_without_a_proof_or_with_a_wrong_one_the_refusal_is_the_same(
    caller: Caller, around: Around, serve: Serve
) -> None:
    line = await serve(caller.opened(around))
    call, wrong = a_call(caller), a_call(caller, "another-secret-entirely")
    answers = [await line.call(wrong)]
    if caller.proof in call.headers:
        answers.append(await line.call(replace(call, headers={"Content-Type": call.headers["Content-Type"]})))
        answers.append(await line.call(altered(call, caller.proof, "é")))
    elif caller.proof:
        answers.append(await line.call(altered(call, caller.proof, "")))
        answers.append(await line.call(altered(call, caller.proof, "é")))
    assert set(answers) == {(caller.refusal, answers[0][1])}
    assert around.ear.heard == []


@calling
async def test_while_a_secret_is_replaced_both_are_good(caller: Caller, around: Around, serve: Serve) -> None:
    both = await serve(caller.opened(around, f"{SECRET}, {OLD_SECRET}"))
    only_new = await serve(caller.opened(around, SECRET))
    for secret, line, status in (
        (SECRET, both, 200),
        (OLD_SECRET, both, 200),
        (SECRET, only_new, 200),
        (OLD_SECRET, only_new, caller.refusal),
    ):
        call = a_call(caller, secret)
        if caller.text is None:  # a receipt of something unknown to us
            call = replace(call, path=call.path.replace("SendStatus=7", "SendStatus=0"))
            call = replace(call, body=call.body.replace(b'"report"', b'"other"'))
        assert (await line.call(call))[0] == status


@calling
async def test_without_a_secret_there_is_no_channel(caller: Caller, around: Around) -> None:
    if caller.name == "speedsms":  # its secret opens the address for reports only
        assert list(caller.opened(around, "").routes())
        return
    for nothing in ("", " , "):
        with pytest.raises(Malformed):
            caller.opened(around, nothing)


async def test_an_address_without_a_secret_lets_nobody_in(around: Around, serve: Serve) -> None:
    line = await serve(SPEEDSMS.opened(around, ""))
    assert (await line.call(SPEEDSMS.status("0", 1, "anything")))[0] == 404


@texting
async def test_what_cannot_be_recorded_is_to_be_sent_again(caller: Caller, around: Around, serve: Serve) -> None:
    assert caller.text is not None
    line = await serve(caller.opened(around))
    around.ear.database_is_away = True
    answer = await line.answer(caller.text())
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    around.ear.database_is_away = False
    assert (await line.call(caller.text()))[0] == 200
    assert len(around.ear.heard) == 1


@texting
async def test_a_body_beyond_all_measure_is_refused_unread(caller: Caller, around: Around, serve: Serve) -> None:
    assert caller.text is not None
    line = await serve(caller.opened(around))
    call = caller.text()
    assert (await line.call(replace(call, body=call.body + b" " * 1_048_577)))[0] == 413
    assert around.ear.heard == []


@texting
@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        ("e\u0302\u0301", "ế"),
        ("Tra c\u01b0\u0301u", "Tra cứu"),
        ("A\x00B\x07C", "ABC"),
        ("  một dòng\nhai dòng ", "một dòng\nhai dòng"),
        ("😀 & = + % ; _", "😀 & = + % ; _"),
        ("{[~^|\\]}€@£", "{[~^|\\]}€@£"),
        ("", ""),
        ("x" * 5000, "x" * 5000),
    ],
)
async def test_text_is_heard_as_it_was_meant(
    caller: Caller, around: Around, serve: Serve, sent: str, heard: str
) -> None:
    assert caller.text is not None
    line = await serve(caller.opened(around))
    assert (await line.call(caller.text(sent)))[0] == 200
    assert [incoming.text for incoming in around.ear.heard] == [heard]


@pytest.mark.parametrize("caller", [caller for caller in TEXTING if caller.name != "twilio"], ids=str)
async def test_half_a_character_spoils_neither_the_text_nor_the_store(
    caller: Caller, around: Around, serve: Serve
) -> None:
    """JSON can carry a lone surrogate; a form cannot."""
    assert caller.text is not None
    line = await serve(caller.opened(around))
    assert (await line.call(caller.text("Tra \ud83d cứu")))[0] == 200
    (incoming,) = around.ear.heard
    assert incoming.text == "Tra \ufffd cứu"
    incoming.text.encode()


@texting
@pytest.mark.parametrize(
    ("sender", "address"),
    [("VINAPHONE", "VINAPHONE"), ("8100", "8100"), ("+8100", "8100"), ("0901234567", f"+{PHONE}")],
)
async def test_senders_that_are_no_phones_keep_their_names(
    caller: Caller, around: Around, serve: Serve, sender: str, address: str
) -> None:
    assert caller.text is not None
    line = await serve(caller.opened(around))
    name = {"twilio": "From", "vonage": "msisdn"}.get(caller.name, "from")
    assert (await line.call(caller.text(**{name: sender})))[0] == 200
    assert [incoming.sender.address for incoming in around.ear.heard] == [address]


@texting
async def test_a_text_from_nobody_is_heard_by_nobody(caller: Caller, around: Around, serve: Serve) -> None:
    assert caller.text is not None
    line = await serve(caller.opened(around))
    name = {"twilio": "From", "vonage": "msisdn"}.get(caller.name, "from")
    for nobody in ("", "\x00", "  "):
        status, _ = await line.call(caller.text(**{name: nobody}))
        assert status == (200 if caller.name == "infobip" else 400)
    assert around.ear.heard == []


@texting
async def test_a_channel_called_by_the_wrong_method_or_in_nonsense_says_so(
    caller: Caller, around: Around, serve: Serve
) -> None:
    assert caller.text is not None
    line = await serve(caller.opened(around))
    call = caller.text()
    assert (await line.call(replace(call, method="PUT")))[0] == 405
    for nonsense in (b"", b"[", b"\xff\xfe", b"[" * 50_000, b"null", b'{"results": 1}', b'"' + b"1" * 5000):
        assert (await line.call(replace(call, body=nonsense)))[0] in {400, 401}
    assert around.ear.heard == []


def test_secrets_do_not_show(around: Around) -> None:
    for caller in CALLERS:
        shown = repr(vars(caller.opened(around))["_sending"])
        assert not [secret for secret in (SECRET, "api-secret", "secret-key", "token-of-the-tests") if secret in shown]
