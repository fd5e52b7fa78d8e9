"""People with Telegram, as its server would show them to a bot."""

import asyncio
import time
from dataclasses import dataclass

from tests.channels.telegram.bot_api import BOT, BotApi, Json

PATIENCE = 10.0  # seconds; what has not come by then is not coming


@dataclass
class Person:
    """Somebody in a private chat with the bot."""

    api: BotApi
    user_id: int = 5_550_001
    heard: int = 0

    @property
    def user(self) -> Json:
        """Their account, as updates show it."""
        return {"id": self.user_id, "is_bot": False, "first_name": "An", "language_code": "vi"}

    @property
    def chat(self) -> Json:
        """Their private chat."""
        return {"id": self.user_id, "first_name": "An", "type": "private"}

    async def sends(self, **content: object) -> int:
        """Any message; the id of its update."""
        self.api.chats[self.user_id] = self.chat
        return await self.api.update(self.user_id, message=self.message(**content))

    def message(self, **content: object) -> Json:
        """A message of theirs."""
        message_id = self.api.next_message_id()
        return {"message_id": message_id, "from": self.user, "chat": self.chat, "date": int(time.time()), **content}

    async def says(self, text: str) -> int:
        """Words. A command at their beginning is marked as one."""
        marked: Json = {}
        if text.startswith("/"):
            marked["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}]
        return await self.sends(text=text, **marked)

    async def shows(self, picture: bytes, **content: object) -> int:
        """A photograph, in two sizes."""
        file_id = f"AgACAg{len(self.api.files)}"
        self.api.files[f"photos/{file_id}"] = picture
        sizes = [
            {"file_id": "small", "file_unique_id": "s", "width": 90, "height": 90, "file_size": 10},
            {"file_id": file_id, "file_unique_id": "l", "width": 1280, "height": 1280, "file_size": len(picture)},
        ]
        return await self.sends(photo=sizes, **content)

    async def presses(self, label: str) -> str:
        """The button `label` under the last message; the id of the query."""
        message = self.api.messages[self.user_id][-1]
        buttons = {button["text"]: button for row in message["reply_markup"]["inline_keyboard"] for button in row}
        query_id = f"q{self.api.next_message_id()}"
        pressed = {
            "id": query_id,
            "from": self.user,
            "message": message,
            "chat_instance": "-42",
            "data": buttons[label]["callback_data"],
        }
        await self.api.update(self.user_id, callback_query=pressed)
        return query_id

    async def blocks(self) -> None:
        """Stop and block the bot."""
        self.api.blocked.add(self.user_id)
        await self._becomes("member", "kicked")

    async def returns(self) -> None:
        """Unblock it; the app then sends /start."""
        self.api.blocked.discard(self.user_id)
        await self._becomes("kicked", "member")
        await self.says("/start")

    async def _becomes(self, before: str, after: str) -> None:
        change = {"chat": self.chat, "from": self.user, "date": int(time.time())}
        change |= {"old_chat_member": standing(before), "new_chat_member": standing(after)}
        await self.api.update(self.user_id, my_chat_member=change)

    async def hears(self) -> str:
        """The text of the next message; waits for it."""
        return str((await self.receives())["text"])

    async def receives(self) -> Json:
        """The next message; waits for it."""
        async with asyncio.timeout(PATIENCE), self.api.changed:
            await self.api.changed.wait_for(lambda: len(self.api.messages[self.user_id]) > self.heard)
        self.heard += 1
        return self.api.messages[self.user_id][self.heard - 1]

    def buttons(self) -> list[str]:
        """The labels under the last message."""
        markup = self.api.messages[self.user_id][-1].get("reply_markup", {"inline_keyboard": []})
        return [button["text"] for row in markup["inline_keyboard"] for button in row]


def standing(status: str) -> Json:
    """The bot as a member of a chat."""
    return {"user": BOT, "status": status} | ({"until_date": 0} if status == "kicked" else {})
