"""A store that is far away: forwards TCP connections to one on loopback, late.

Each connection takes a round trip to open, and whatever passes takes half a round trip in either direction. Neither bandwidth
nor the number of connections is limited. Arguments: the port to forward to, the round trip in milliseconds. Prints the port
on which it listens; at SIGTERM, what passed, as a JSON object: requests, max_in_flight, bytes (from the store), and rounds:
how often a request was sent while no other was under way.
"""

import asyncio
import collections
import json
import signal
import sys


class Counts:
    requests = max_in_flight = in_flight = bytes = rounds = 0

    def began(self):
        self.requests += 1
        self.rounds += self.in_flight == 0
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def ended(self):
        self.in_flight -= 1


class Line:
    """One direction of a connection: bytes leave in their order, each so much later than it came."""

    def __init__(self, seconds):
        self.loop, self.seconds = asyncio.get_running_loop(), seconds
        self.waiting, self.target = collections.deque(), None

    def send(self, data):
        """`data` is None at the end of this direction."""
        due = self.loop.time() + self.seconds
        self.waiting.append((due, data))
        if len(self.waiting) == 1:
            self.loop.call_at(due, self.leave)

    def leave(self):
        now = self.loop.time()
        while self.waiting and self.waiting[0][0] <= now:
            _, data = self.waiting.popleft()
            if self.target is None or self.target.is_closing():
                continue
            if data is None:
                self.target.close()
            else:
                self.target.write(data)
        if self.waiting:
            self.loop.call_at(self.waiting[0][0], self.leave)


class Exchange:
    """Requests on a connection, one after another as HTTP/1.1 clients send them; bodies have a length."""

    def __init__(self, counts):
        self.counts, self.head, self.body, self.under_way = counts, b"", None, False

    def sent(self, data):
        if not self.under_way:
            self.under_way, self.head, self.body = True, b"", None
            self.bodiless = data.startswith(b"HEAD ")
            self.counts.began()

    def received(self, data):
        self.counts.bytes += len(data)
        if not self.under_way:
            return
        if self.body is None:
            self.head += data
            head, end, data = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            self.body = 0 if self.bodiless or not lengths else int(lengths[0].partition(b":")[2])
        self.body -= len(data)
        if self.body <= 0:
            self.over()

    def over(self):
        if self.under_way:
            self.under_way = False
            self.counts.ended()


class Side(asyncio.Protocol):
    """One end of a connection; what it receives leaves by `line`."""

    def __init__(self, line, notice, over, made=None):
        self.line, self.notice, self.over, self.made = line, notice, over, made

    def connection_made(self, transport):
        if self.made:
            self.made(transport)

    def data_received(self, data):
        self.notice(data)
        self.line.send(data)

    def connection_lost(self, _):
        self.over()
        self.line.send(None)


async def main(port, round_trip):
    loop, counts, tasks = asyncio.get_running_loop(), Counts(), set()

    def accepted():
        there, back, exchange = Line(round_trip / 2), Line(round_trip / 2), Exchange(counts)

        async def connect(near):
            # The system has accepted at once; from a store, that answer takes a round trip.
            near.pause_reading()
            back.target = near
            far = Side(back, exchange.received, exchange.over)
            there.target, _ = await loop.create_connection(lambda: far, "127.0.0.1", port)
            await asyncio.sleep(round_trip)
            near.resume_reading()

        def made(near):
            task = loop.create_task(connect(near))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        return Side(there, exchange.sent, exchange.over, made)

    server = await loop.create_server(accepted, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    over = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    print(json.dumps({name: getattr(counts, name) for name in ("requests", "rounds", "max_in_flight", "bytes")}), flush=True)


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]) / 1000))
