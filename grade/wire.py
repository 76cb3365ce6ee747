# SPDX-License-Identifier: BSD-2-Clause
"""Stops a guest where a function is entered: the few words of GDB's remote protocol that this
takes, spoken to QEMU over a socket that it inherits.

The socket is read whenever the session finds bytes on it; nothing here waits but for answers.
"""

from __future__ import annotations

import contextlib
import socket

ANSWER_SECONDS = 300.0
HARDWARE = "1"


class Wire:
    """The debugger's end. The guest stands still from the start until `go`."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.settimeout(ANSWER_SECONDS)
        self._data = b""
        self.at = 0

    def arguments(self) -> list[str]:
        chardev = f"socket,id=wire,fd={self.theirs.fileno()}"
        return ["-chardev", chardev, "-gdb", "chardev:wire"]

    def started(self) -> None:
        """QEMU has its end: from now on ours ends when QEMU does."""
        self.theirs.close()

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()

    def stop_at(self, address: int) -> None:
        """From now on only there; 0: nowhere."""
        if self.at:
            self.ask(f"z{HARDWARE},{self.at:x},1")
        if address:
            self.ask(f"Z{HARDWARE},{address:x},1")
        self.at = address

    def go(self) -> None:
        self._send("c")

    def step(self) -> str:
        """One instruction of the processor that stopped; why it stopped again."""
        self._send("s")
        return self.packet()

    def go_on_from(self) -> None:
        """Goes on from the very address where it stopped."""
        at = self.at
        self.stop_at(0)
        self.step()
        self.stop_at(at)
        self.go()

    def ask(self, command: str) -> str:
        """The answer to a command that does not let the guest go."""
        self._send(command)
        answer = self.packet()
        while answer.startswith(("T", "S")):  # it stopped of itself, at a point
            answer = self.packet()
        if answer.startswith("E"):
            raise OSError(f"QEMU's debugger: {command}: {answer}")
        return answer

    def _send(self, text: str) -> None:
        data = text.encode()
        self.ours.sendall(b"$" + data + b"#" + f"{sum(data) & 0xFF:02x}".encode())

    def feed(self, data: bytes) -> None:
        """What somebody else has read from `ours'."""
        self._data += data

    def next(self) -> str | None:
        """The next packet that is there, acknowledged."""
        start = self._data.find(b"$")
        end = self._data.find(b"#", start)
        if start < 0 or not 0 <= end <= len(self._data) - 3:
            return None
        text = self._data[start + 1 : end].decode(errors="replace")
        self._data = self._data[end + 3 :]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.ours.sendall(b"+")  # who says that it ends does not wait for our answer
        return text

    def packet(self) -> str:
        """The next packet, waited for. OSError if QEMU is gone."""
        while (text := self.next()) is None:
            data = self.ours.recv(4096)
            if not data:
                raise OSError("QEMU closed its debugger")
            self.feed(data)
        return text
