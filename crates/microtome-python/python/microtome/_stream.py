"""The program's end of the hand-off: frames from the socket, pixels from shared memory.

The protocol is described in `microtome-feed/src/handoff.rs`. In a job the other end is the head; without one it is an
engine in this process, and nothing here knows the difference.
"""

from __future__ import annotations

import array
import collections
import json
import mmap
import os
import socket
import struct
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ClosedError, MicrotomeError, error_of

_CHUNK = 1 << 16
#: Room for four descriptors.
_ANCILLARY = socket.CMSG_SPACE(4 * array.array("i").itemsize)
# How long to wait at a time. A signal that comes when Python has looked for signals and the kernel does not wait yet would
# otherwise be answered when the next frame comes, if one does.
_TURN = struct.pack("@ll", 0, 500_000)


class Segment:
    """Pixels of one batch, in shared memory. NumPy keeps it as its arrays' base; when the last of them has gone, so has it,
    and the memory may be written to again."""

    def __init__(self, memory: npt.NDArray[np.uint8], slot: int, done: collections.deque[int]) -> None:
        self._memory = memory
        self._slot = slot
        self._done = done
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        # May be called anywhere, by any thread: whoever writes next tells the head.
        self._done.append(self._slot)


class Stream:
    """A connection to a head, which reads one dataset."""

    def __init__(self, path: str, request: dict[str, Any], prefetch: int) -> None:
        self.process = os.getpid()
        self.prefetch = prefetch
        self.reading = 0
        #: How long the last batch was waited for.
        self.waited = 0.0
        # How long was waited since the head was told, without the first batch, which it counts by itself.
        self._untold = 0.0
        self._has_first = False
        # Frames that came while another one was waited for.
        self._early: collections.deque[dict[str, Any]] = collections.deque()
        self._received = bytearray()
        self._descriptors: collections.deque[int] = collections.deque()
        self._segments: dict[int, npt.NDArray[np.uint8]] = {}
        self._done: collections.deque[int] = collections.deque()
        self._asked = 0
        self._socket: socket.socket | None = socket.socket(socket.AF_UNIX)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TURN)
        try:
            self._socket.connect(path)
        except OSError as error:
            self.close()
            raise ClosedError(f"the head's socket {path} does not answer: {error.strerror}") from error
        self._send({**request, "shared": True})
        self.about: dict[str, Any] = self._frame()["stream"]

    def start(self, place: dict[str, Any]) -> None:
        """Begins another reading: `{"epoch": n}` or `{"checkpoint": …}`. Frames of the last one are passed over."""
        self.reading += 1
        self._asked = 0
        self._send({"start": place})

    def next(self) -> dict[str, Any] | None:
        """The next batch's frame, its pixels as `pixels`; `None` at the end of the reading."""
        began = time.perf_counter()
        while True:
            self._ask()
            frame = self._early.popleft() if self._early else self._frame()
            pixels = self._pixels(frame)
            if frame["reading"] != self.reading:
                continue
            self.waited = time.perf_counter() - began
            self._untold += self.waited if self._has_first else 0.0
            self._has_first = True
            if "end" in frame:
                self._asked = 0
                return None
            self._asked -= 1
            frame["pixels"] = pixels
            return frame

    def ask(self, patches: list[tuple[str, int, int]]) -> None:
        """Asks for a round of patches."""
        self._send({"ask": patches})

    def slides(self) -> list[dict[str, Any]]:
        """The slides that were selected."""
        found: list[dict[str, Any]] = self._answer("slides")
        return found

    def stats(self) -> dict[str, Any]:
        """What the other end says of what has happened."""
        found: dict[str, Any] = self._answer("stats")
        return found

    def _answer(self, what: str) -> Any:
        self._send({what: True})
        while what not in (frame := self._frame()):
            self._early.append(frame)
        return frame[what]

    def close(self) -> None:
        """Closes the connection. Arrays that were given out stay as they are."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        while self._descriptors:
            os.close(self._descriptors.popleft())
        self._segments.clear()

    def _ask(self) -> None:
        line: dict[str, Any] = {}
        if self._asked < self.prefetch:
            line = {"next": self.prefetch - self._asked, "waited_us": int(self._untold * 1e6)}
            self._asked, self._untold = self.prefetch, 0.0
        released = []
        while self._done:
            released.append(self._done.popleft())
        if released:
            line["release"] = released
        if line:
            self._send(line)

    def _pixels(self, frame: dict[str, Any]) -> npt.NDArray[np.uint8] | None:
        segment = frame.get("segment")
        if segment is None:
            return None
        slot = segment["slot"]
        if segment["new"] is not None:
            descriptor = self._descriptors.popleft()
            try:
                self._segments[slot] = np.frombuffer(mmap.mmap(descriptor, segment["new"]), np.uint8)
            finally:
                os.close(descriptor)
        return np.asarray(Segment(self._segments[slot], slot, self._done))

    def _frame(self) -> dict[str, Any]:
        while (end := self._received.find(b"\n")) < 0:
            self._receive()
        line = self._received[:end].decode()
        del self._received[: end + 1]
        frame: dict[str, Any] = json.loads(line)
        if "error" in frame:
            self.close()
            raise error_of(frame["category"], frame["error"])
        return frame

    def _receive(self) -> None:
        connection = self._connected()
        try:
            data, ancillary, _, _ = connection.recvmsg(_CHUNK, _ANCILLARY)
        except BlockingIOError:
            return
        for _, _, packed in ancillary:
            self._descriptors.extend(array.array("i", packed))
        if not data:
            self.close()
            raise ClosedError("the head has closed the connection")
        self._received += data

    def _send(self, line: dict[str, Any]) -> None:
        try:
            self._connected().sendall(json.dumps(line).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            self._why_closed()

    def _why_closed(self) -> None:
        """What the head said before it closed the connection."""
        try:
            while True:
                self._frame()
        except MicrotomeError:
            raise
        except OSError as error:
            raise ClosedError("the head has closed the connection") from error

    def _connected(self) -> socket.socket:
        if os.getpid() != self.process:
            raise ClosedError("the loader was opened before this process was forked: make one here, or use num_workers=0")
        if self._socket is None:
            raise ClosedError("the loader is closed")
        return self._socket
