#!/usr/bin/env python3
"""The streams of Python's asyncio: as clients of echo_server and mojifinder, and as servers for
echo_client. Gets echo_server, echo_client and mojifinder."""
from servers import BULK, ECHO_CLIENT, PROMPT, EchoServer, Mojifinder, dialogue, unix_servers

import asyncio
import contextlib
import functools

from driving import DEADLINE, check, check_equal, run_tests

HOST = "127.0.0.1"


def asynchronous(test):
    """Makes an ordinary test of a coroutine, with a deadline."""
    @functools.wraps(test)
    def ordinary():
        asyncio.run(asyncio.wait_for(test(), 3 * DEADLINE))
    return ordinary


async def end(writer):
    writer.close()
    await writer.wait_closed()


async def echo_bulk(reader, writer):
    """Sends while it reads; the end of what it sends is not the end of what it reads."""
    async def send():
        for start in range(0, len(BULK), 50_000):
            writer.write(BULK[start:start + 50_000])
            await writer.drain()
        writer.write_eof()
    sending = asyncio.create_task(send())
    check_equal(await reader.read(-1), BULK, "4 MB")
    await sending
    await end(writer)


async def converse(connect):
    reader, writer = await connect()
    for line in (b"hello\n", b"\n", "grüß dich\n".encode(), b"x" * 60_000 + b"\n"):
        writer.write(line)
        check_equal(await reader.readline(), line, "an echo")
    writer.write(b"last\nunfinished")
    writer.write_eof()
    check_equal(await reader.read(-1), b"last\n", "half closed")
    await end(writer)
    await echo_bulk(*await connect())
    # Each time fewer than the server's backlog: asyncio takes a Unix socket whose queue is full for a
    # connected one, and its first read fails with EINVAL.
    for batch in (range(100), range(100, 200)):
        await asyncio.gather(*[chat(await connect(), number) for number in batch])
    for number in range(10):  # They vanish with an answer on its way.
        reader, writer = await connect()
        writer.write(b"hello\n" * 5000)
        await reader.readline()
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def chat(streams, number):
    reader, writer = streams
    for i in range(20):
        writer.write(b"%d %d\n" % (number, i))
        check_equal(await reader.readline(), b"%d %d\n" % (number, i), "an echo")
    await end(writer)


@asynchronous
async def clients_of_echo_server():
    with EchoServer() as server:
        await converse(lambda: asyncio.open_connection(HOST, server.port, limit=1 << 20))
        server.wait_for_ends(212)
        server.stop_well()


@asynchronous
async def clients_of_echo_server_at_unix_sockets():
    for server, address in unix_servers():
        path = address.replace("@", "\0", 1)
        await converse(lambda: asyncio.open_unix_connection(path, limit=1 << 20))
        server.wait_for_ends(212)
        server.stop_well()


@asynchronous
async def clients_of_mojifinder():
    async def ask(port, *queries):
        reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 23)
        check_equal(await reader.readexactly(3), PROMPT, "the first prompt")
        for query in queries:
            writer.write(query.encode() + b"\r\n")
            expected = dialogue(query)[3:]
            check_equal(await reader.readexactly(len(expected)), expected, query)
        writer.write_eof()
        check_equal(await reader.read(-1), b"", "the end")
        await end(writer)

    with Mojifinder() as server:
        await asyncio.gather(*[ask(server.port, "fire", "cjk", "cat face") for _ in range(4)],
                             *[ask(server.port, "hangul gag", "chess black") for _ in range(20)])
        server.stop_well()


async def run_client(serve, *messages):
    """Runs echo_client against a server made of this function; returns (status, output, errors)."""
    served = []

    async def serve_one(reader, writer):
        served.append(asyncio.current_task())
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve_one, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    client = await asyncio.create_subprocess_exec(
        ECHO_CLIENT, HOST, str(port), *messages, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE)
    try:
        out, errors = await asyncio.wait_for(client.communicate(), DEADLINE)
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()
        server.close()
    await asyncio.gather(*served, return_exceptions=True)
    return client.returncode, out.decode(), errors.decode()


@asynchronous
async def servers_for_echo_client():
    async def echo(reader, writer):
        while line := await reader.readline():
            writer.write(line)

    async def echo_byte_by_byte(reader, writer):
        while line := await reader.readline():
            for byte in line:
                writer.write(bytes([byte]))
                await writer.drain()

    async def answer_before_the_question(reader, writer):
        writer.write(b"one\ntwo\nthree\n")
        await reader.read(-1)

    async def echo_and_half_close(reader, writer):
        writer.write(await reader.readline())
        writer.write_eof()
        await reader.read(-1)  # The client reads the answer, and then ends in order.

    exchange = "> one\n< one\n> two\n< two\n> three\n< three\n"
    for serve in (echo, echo_byte_by_byte, answer_before_the_question):
        seen = await run_client(serve, "one", "two", "three")
        check_equal(seen, (0, exchange, ""), serve.__name__)
    seen = await run_client(echo_and_half_close, "one")
    check_equal(seen, (0, "> one\n< one\n", ""), "half closed")


@asynchronous
async def bad_servers_for_echo_client():
    async def hang_up(reader, writer):
        await reader.readline()

    async def hang_up_in_a_line(reader, writer):
        await reader.readline()
        writer.write(b"no end")

    async def reset(reader, writer):
        await reader.readline()
        writer.write(b"no end")
        writer.transport.abort()

    async def overlong(reader, writer):
        await reader.readline()
        writer.write(b"x" * 100_000 + b"\n")
        await writer.drain()
        await reader.read(-1)

    for serve, reasons in ((hang_up, ["the peer ended the stream"]),
                           (hang_up_in_a_line, ["treat the last packet as lost"]),
                           (reset, ["treat the last packet as lost", "reset"]),
                           (overlong, ["limit 65536 bytes"])):
        status, out, errors = await run_client(serve, "one")
        check_equal((status, out), (1, "> one\n"), serve.__name__)
        check(errors.startswith("echo_client: ") and any(r in errors for r in reasons),
              f"{serve.__name__}: {errors!r}")


run_tests(clients_of_echo_server, clients_of_echo_server_at_unix_sockets, clients_of_mojifinder,
          servers_for_echo_client, bad_servers_for_echo_client)
