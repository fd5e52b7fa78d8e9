"""People with Messenger and WhatsApp, as Meta would tell of them."""

import asyncio
import time
from dataclasses import dataclass

from tests.channels.meta.graph_api import PAGE_ID, GraphApi, Json, number_entry, page_entry

PATIENCE = 10.0  # seconds; what has not come by then is not coming


@dataclass
class Person:
    """Somebody whom messages reach at `address`, as the Graph API writes it."""

    api: GraphApi
    address: str
    seen: int = 0

    async def receives(self) -> Json:
        """The next message; waits for it."""
        async with asyncio.timeout(PATIENCE), self.api.changed:
            await self.api.changed.wait_for(lambda: len(self.api.messages[self.address]) > self.seen)
        self.seen += 1
        return self.api.messages[self.address][self.seen - 1]

    def silent_for(self, seconds: float) -> None:
        """Time passes at Meta."""
        self.api.heard[self.address] = time.time() - seconds


@dataclass
class PagePerson(Person):
    """Somebody on Messenger."""

    address: str = "6701234567890123"

    async def does(self, **what: object) -> None:
        """Anything that the page is told of."""
        self.api.heard[self.address] = time.time()
        moment = int(time.time() * 1000)
        item = {"sender": {"id": self.address}, "recipient": {"id": PAGE_ID}, "timestamp": moment, **what}
        await self.api.deliver("page", page_entry(item))

    async def says(self, text: str, **more: object) -> None:
        """Words."""
        await self.does(message={"mid": self.api.next_id(), "text": text, **more})

    async def hears(self) -> str:
        """The text of the next message."""
        return str((await self.receives())["text"])

    async def presses(self, title: str) -> None:
        """A button above the text field."""
        shown = self.api.messages[self.address][-1]["quick_replies"]
        payload = next(reply["payload"] for reply in shown if reply["title"] == title)
        await self.says(title, quick_reply={"payload": payload})

    def buttons(self) -> list[str]:
        """The titles under the last message."""
        return [reply["title"] for reply in self.api.messages[self.address][-1].get("quick_replies", [])]


@dataclass
class NumberPerson(Person):
    """Somebody on WhatsApp; whoever keeps the number to himself has a scoped id for address."""

    address: str = "84901234567"

    async def sends(self, **what: object) -> None:
        """Any message."""
        self.api.heard[self.address] = time.time()
        own = {"from": self.address} if self.address.isdigit() else {"from_user_id": self.address}
        message = {**own, "id": self.api.next_id("wamid."), "timestamp": str(int(time.time())), **what}
        await self.api.deliver("whatsapp_business_account", number_entry(messages=[message]))

    async def says(self, text: str) -> None:
        """Words."""
        await self.sends(type="text", text={"body": text})

    async def hears(self) -> str:
        """The text of the next message."""
        message = await self.receives()
        body = message["body"]
        return str(body["text"] if isinstance(body, dict) else body)

    async def presses(self, title: str) -> None:
        """A button, or a row of a list."""
        action = self.api.messages[self.address][-1]["action"]
        if "buttons" in action:
            reply = next(button["reply"] for button in action["buttons"] if button["reply"]["title"] == title)
            await self.sends(type="interactive", interactive={"type": "button_reply", "button_reply": reply})
        else:
            rows = [row for section in action["sections"] for row in section["rows"]]
            reply = next(row for row in rows if row["title"] == title)
            await self.sends(type="interactive", interactive={"type": "list_reply", "list_reply": reply})

    def buttons(self) -> list[str]:
        """The titles under the last message."""
        action = self.api.messages[self.address][-1].get("action", {})
        rows = [row["title"] for section in action.get("sections", []) for row in section["rows"]]
        return rows or [button["reply"]["title"] for button in action.get("buttons", [])]
