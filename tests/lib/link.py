#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""link.py [OPTION...] PORT: the server at 127.0.0.1:PORT, as if at the far end of a link.

It listens on a free port of 127.0.0.1, prints the port and a newline on standard output, and
passes connections on. For each line on standard input it prints one of JSON: bytes (that reached
the clients, heads included) and connections since the last time. It ends with standard input.

    --delay-ms N      round trip (default 30)
    --rate N          bytes a second towards the clients, for all connections together (default 12500000)

What a TCP connection over such a link would see, where the kernel has no netem to ask: its request
reaches the server one round trip and a half after connect(); answers share the link piece by
piece; and no more is on its way, unacknowledged, than a window that begins with ten
segments and doubles each round trip (slow start, no loss). So many short connections cost what
they cost in life, and one that is kept gets fast and stays so.
"""
import argparse
import asyncio
import json
import socket
import sys

WINDOW_FIRST = 10 * 1460
WINDOW_MAX = 4 << 20
PIECE = 16 << 10
SOCKET_BUFFER = 128 << 10  # else the kernel would take megabytes that nobody has read yet


class Link:
    def __init__(self, server_port, delay, rate):
        self.server_port, self.one_way, self.rate, self.free_at = server_port, delay / 2, rate, 0.0
        self.bytes = self.connections = 0

    async def send(self, count):
        """Returns when the last byte has left, or a little later; what sleeping took too long is made up for."""
        now = asyncio.get_running_loop().time()
        self.free_at = max(self.free_at, now - 0.01) + count / self.rate
        await asyncio.sleep(max(0, self.free_at - now))

    async def up(self, reader, queue):
        while data := await reader.read(PIECE):
            queue.put_nowait((asyncio.get_running_loop().time() + self.one_way, data))
        queue.put_nowait((0, b""))

    async def down(self, reader, queue, window):
        while True:
            data = await reader.read(min(PIECE, await window.room()))
            if not data:
                break
            window.on_its_way += len(data)
            await self.send(len(data))
            queue.put_nowait((asyncio.get_running_loop().time() + self.one_way, data))
        queue.put_nowait((asyncio.get_running_loop().time() + self.one_way, b""))

    async def deliver(self, queue, writer, window=None):
        loop = asyncio.get_running_loop()
        while True:
            when, data = await queue.get()
            if not data:
                break
            await asyncio.sleep(max(0, when - loop.time()))
            writer.write(data)
            await writer.drain()
            if window:
                self.bytes += len(data)
                loop.call_later(self.one_way, window.acknowledge, len(data))

    async def connection(self, reader, writer):
        self.connections += 1
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.server_port))
        server_reader, server_writer = await asyncio.open_connection(sock=sock, limit=PIECE)
        for w in (writer, server_writer):
            w.transport.set_write_buffer_limits(high=PIECE)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        await asyncio.sleep(2 * self.one_way)
        window, to_server, to_client = Window(), asyncio.Queue(), asyncio.Queue()
        halves = [asyncio.ensure_future(half) for half in (
            self.up(reader, to_server), self.deliver(to_server, server_writer),
            self.down(server_reader, to_client, window), self.deliver(to_client, writer, window))]
        # Whichever side is done, or gone, ends both: nobody here sends behind the other's end.
        await asyncio.wait((halves[1], halves[3]), return_when=asyncio.FIRST_COMPLETED)
        for half in halves:
            half.cancel()
        await asyncio.gather(*halves, return_exceptions=True)
        for w in (writer, server_writer):
            w.close()


class Window:
    def __init__(self):
        self.size, self.on_its_way, self.moved = WINDOW_FIRST, 0, asyncio.Event()

    async def room(self):
        while self.on_its_way >= self.size:
            self.moved.clear()
            await self.moved.wait()
        return self.size - self.on_its_way

    def acknowledge(self, count):
        self.on_its_way -= count
        self.size = min(self.size + count, WINDOW_MAX)
        self.moved.set()


async def serve(options):
    link = Link(options.port, options.delay_ms / 1000, options.rate)
    server = await asyncio.start_server(link.connection, "127.0.0.1", 0, limit=PIECE)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        print(json.dumps({"bytes": link.bytes, "connections": link.connections}), flush=True)
        link.bytes = link.connections = 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--delay-ms", type=float, default=30)
    parser.add_argument("--rate", type=float, default=12500000)
    asyncio.run(serve(parser.parse_args()))


main()
