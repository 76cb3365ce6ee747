# SPDX-License-Identifier: BSD-2-Clause
"""The record channel: numbered, checksummed frames that the guest writes beside its console.

A frame is `@<seq> <len> <crc32, 8 hex digits> <payload>\\n`, with sequence numbers from 0. Nothing
a program prints on the console can be taken for a record, and a lost, repeated or damaged frame
is an error of its own: RecordError.
"""

from __future__ import annotations

import zlib

MAX_PAYLOAD = 4096
MAX_HEADER = 48


class RecordError(Exception):
    """The channel carries something that is not the next valid frame."""


class RecordReader:
    """Takes the channel's bytes as they come; gives the payloads of complete frames."""

    def __init__(self) -> None:
        self._pending = b""
        self._next_seq = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads completed by `data`. Raises RecordError at the first bad frame."""
        self._pending += data
        payloads: list[bytes] = []
        while (payload := self._take()) is not None:
            payloads.append(payload)
        return payloads

    def finish(self) -> None:
        """The channel is closed: a frame begun but not ended is an error."""
        if self._pending:
            raise RecordError(f"frame {self._next_seq} is cut off: {self._pending[:80]!r}")

    def _take(self) -> bytes | None:
        fields = self._pending.split(b" ", 3)
        if len(fields) < 4:
            if len(self._pending) > MAX_HEADER or not b"@".startswith(self._pending[:1]):
                raise RecordError(f"no frame header: {self._pending[:80]!r}")
            return None
        seq, length, crc = self._header(fields)
        rest = fields[3]
        if len(rest) < length + 1:
            return None
        payload, end = rest[:length], rest[length : length + 1]
        if end != b"\n":
            raise RecordError(f"frame {seq} does not end after its {length} bytes")
        if zlib.crc32(payload) != crc:
            raise RecordError(
                f"frame {seq} has checksum {crc:08x}, its payload {zlib.crc32(payload):08x}"
            )
        self._pending = rest[length + 1 :]
        self._next_seq += 1
        return payload

    def _header(self, fields: list[bytes]) -> tuple[int, int, int]:
        head, length_text, crc_text = fields[:3]
        try:
            if head[:1] != b"@" or len(crc_text) != 8:
                raise ValueError
            seq, length, crc = int(head[1:]), int(length_text), int(crc_text, 16)
        except ValueError:
            raise RecordError(f"no frame header: {self._pending[:80]!r}") from None
        if seq != self._next_seq:
            raise RecordError(f"frame {seq} came where frame {self._next_seq} was due")
        if not 0 <= length <= MAX_PAYLOAD:
            raise RecordError(f"frame {seq} claims {length} bytes, more than {MAX_PAYLOAD}")
        return seq, length, crc


def frame(seq: int, payload: bytes) -> bytes:
    """The frame that carries `payload` as number `seq`."""
    return b"@%d %d %08x %s\n" % (seq, len(payload), zlib.crc32(payload), payload)
