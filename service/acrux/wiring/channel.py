"""The control channel between supervisor and worker: whole messages over a socket pair. No meaning lives here."""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from acrux.wiring.messages import Message

_LENGTH: Final = struct.Struct(">I")


class Channel:
    """One end of a control channel.

    Messages are pickled: both ends are this program, on one machine, over a socket pair that no other process can
    reach. They arrive whole and in order, or not at all once the other end is gone.
    """

    __slots__ = ("_reader", "_writer")

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """A channel over one end of a connected socket pair, which it owns from now on."""
        end.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=end)
        return cls(reader, writer)

    def send(self, message: Message) -> None:
        """Sends a message, without waiting; it is dropped when the other end is gone."""
        if self._writer.is_closing():
            return
        body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._writer.write(_LENGTH.pack(len(body)) + body)

    async def receive(self) -> Message | None:
        """The next message; None when the other end is gone, however it went."""
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            body = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        message: Message = pickle.loads(body)  # noqa: S301 - see the class: the other end is this program
        return message

    async def close(self) -> None:
        """Closes this end; what was sent before is still delivered."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return
