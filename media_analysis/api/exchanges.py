"""What becomes of a request: answered, or left by its client before the answer was whole."""

from dataclasses import dataclass
from typing import Final

from starlette.types import Message, Receive, Send

CLIENT_LEFT: Final = 499
"""What is noted of a request whose client went away; nobody is told it (the label is nginx's)."""


async def wait_until_left(receive: Receive) -> None:
    """Return when the client of a request has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass
class Exchange:
    """One request's messages as they pass, and what they say of its end."""

    passing_in: Receive
    passing_out: Send
    is_asked_first: bool = False
    """Whether the client waits with its body until somebody asks for it."""
    _status: int = 500
    _is_answered: bool = False
    _is_left: bool = False

    @property
    def outcome(self) -> int:
        """The status that was answered, 499 if nobody was there any more to take all of the answer."""
        return CLIENT_LEFT if self._is_left else self._status

    async def receive(self) -> Message:
        """Pass on what the client sends."""
        self.is_asked_first = False
        message = await self.passing_in()
        self._is_left |= message["type"] == "http.disconnect" and not self._is_answered
        return message

    async def send(self, message: Message) -> None:
        """Pass on what is answered."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
        self._is_answered |= message["type"] == "http.response.body" and not message.get("more_body", False)
        await self.passing_out(message)
