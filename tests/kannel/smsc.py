"""An operator's SMS centre that speaks SMPP 3.4, for Kannel to bind to: texts in, texts out, delivery receipts.

Its frames are read and written by smpplib, which nobody here wrote.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from smpplib import consts, smpp

PATIENCE = 30.0  # seconds
SYSTEM_ID, PASSWORD = "motma", "smpp-pw"  # SMPP has room for eight characters
_GSM, _LATIN, _UCS2 = 0, 3, 8  # data_coding, SMPP 3.4 section 5.2.19
_CODECS = {_GSM: "ascii", _LATIN: "latin-1", _UCS2: "utf-16-be"}
_RECEIPT = 0x04  # esm_class of a delivery receipt, section 5.2.12
_INTERNATIONAL, _ISDN = 1, 1
_LENGTH = 4  # bytes that tell how long a frame is, themselves included


class _Sequences:
    """Numbers for the frames that we send first, as smpplib asks for them."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.sequence = 0

    def next_sequence(self) -> int:
        """The next number."""
        self.sequence = next(self._numbers)
        return self.sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """One submit_sm."""

    sender: str
    receiver: str
    text: str
    coding: int


@dataclass(slots=True)
class Smsc:
    """The centre. `outcome` is what its receipts say of every text (`DELIVRD`, `UNDELIV`, …)."""

    outcome: str = "DELIVRD"
    _texts: dict[str, asyncio.Queue[Submitted]] = field(default_factory=dict)  # by receiver, without a plus
    _acknowledged: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    _bound: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: "count[int]" = field(default_factory=lambda: count(1001))
    _sequences: _Sequences = field(default_factory=_Sequences)
    _writer: asyncio.StreamWriter | None = None

    async def bound(self) -> None:
        """Wait until Kannel has bound."""
        async with asyncio.timeout(PATIENCE):
            await self._bound.wait()

    async def says(self, number: str, text: str, *, to: str, coding: int = _GSM) -> None:
        """A phone sends a text; returns when Kannel has taken it."""
        self._send(
            "deliver_sm", source_addr=number.removeprefix("+"), destination_addr=to, data_coding=coding, body=text
        )
        async with asyncio.timeout(PATIENCE):
            await self._acknowledged.acquire()

    async def hears(self, number: str) -> Submitted:
        """The next text to `number` (E.164; without its plus in SMPP, where the type of the number says the same)."""
        async with asyncio.timeout(PATIENCE):
            return await self._inbox(number).get()

    def drop(self) -> None:
        """Break the line without a word, as operators do."""
        assert self._writer is not None
        self._bound.clear()
        self._writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of Kannel."""
        self._writer = writer
        try:
            while True:
                head = await reader.readexactly(_LENGTH)
                self._take(
                    smpp.parse_pdu(
                        head + await reader.readexactly(int.from_bytes(head) - _LENGTH), client=self._sequences
                    )
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _take(self, pdu: Any) -> None:  # noqa: ANN401 - smpplib tells no types
        match pdu.command:
            case "bind_transceiver":
                good = (pdu.system_id, pdu.password) == (SYSTEM_ID.encode(), PASSWORD.encode())
                status = consts.SMPP_ESME_ROK if good else consts.SMPP_ESME_RINVPASWD
                self._answer(pdu, status=status, system_id="centre")
                if good:
                    self._bound.set()
            case "submit_sm":
                self._submitted(pdu)
            case "deliver_sm_resp":
                self._acknowledged.release()
            case "enquire_link" | "unbind":
                self._answer(pdu)
            case other:
                raise AssertionError(f"Kannel sent {other}")

    def _submitted(self, pdu: Any) -> None:  # noqa: ANN401
        message_id = str(next(self._ids))
        self._answer(pdu, message_id=message_id)
        text = pdu.short_message.decode(_CODECS[pdu.data_coding])
        receiver = pdu.destination_addr.decode()
        submitted = Submitted(sender=pdu.source_addr.decode(), receiver=receiver, text=text, coding=pdu.data_coding)
        if pdu.registered_delivery & 1:
            self._receipt(message_id, submitted)
        self._inbox(receiver).put_nowait(submitted)

    def _inbox(self, number: str) -> asyncio.Queue[Submitted]:
        return self._texts.setdefault(number.removeprefix("+"), asyncio.Queue())

    def _receipt(self, message_id: str, of: Submitted) -> None:
        """A delivery receipt as SMPP 3.4, appendix B, writes it."""
        now = f"{datetime.now(UTC):%y%m%d%H%M}"
        delivered = "001" if self.outcome == "DELIVRD" else "000"
        body = (
            f"id:{message_id} sub:001 dlvrd:{delivered} submit date:{now} done date:{now} stat:{self.outcome} err:000 "
            f"text:{of.text[:20]}"
        )
        self._send("deliver_sm", source_addr=of.receiver, destination_addr=of.sender, esm_class=_RECEIPT, body=body)

    def _send(self, command: str, *, body: str, data_coding: int = _GSM, **fields: object) -> None:
        assert self._writer is not None
        pdu = smpp.make_pdu(
            command,
            client=self._sequences,
            source_addr_ton=_INTERNATIONAL,
            source_addr_npi=_ISDN,
            data_coding=data_coding,
            short_message=body.encode(_CODECS[data_coding], "replace"),
            **fields,
        )
        self._writer.write(pdu.generate())

    def _answer(self, to: Any, *, status: int = consts.SMPP_ESME_ROK, **fields: object) -> None:  # noqa: ANN401
        assert self._writer is not None
        pdu = smpp.make_pdu(f"{to.command}_resp", client=self._sequences, sequence=to.sequence, status=status, **fields)
        pdu.sequence, pdu.status = to.sequence, status
        self._writer.write(pdu.generate())


@asynccontextmanager
async def open_smsc(port: int) -> AsyncIterator[Smsc]:
    """The centre, listening for Kannel."""
    smsc = Smsc()
    server = await asyncio.start_server(smsc.serve, "127.0.0.1", port)
    try:
        yield smsc
    finally:
        server.close()
        if smsc._writer is not None:
            smsc._writer.transport.abort()
