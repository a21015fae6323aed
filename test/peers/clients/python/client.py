"""The steps of test/peers/README.md with nats-py."""

import asyncio
import sys

import nats
from nats.errors import NoRespondersError

MESSAGE_COUNT = 1000
PREFIX = "nats_py"


def assert_equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r}, expected {expected!r}")


async def take(subscription, count):
    return [await subscription.next_msg(timeout=10) for _ in range(count)]


async def main(url):
    reconnected = asyncio.Event()

    async def on_reconnect():
        reconnected.set()

    async def ignore(_error):
        pass

    async def connect(_):
        connection = await nats.connect(
            url,
            name=PREFIX,
            reconnect_time_wait=0.05,
            max_reconnect_attempts=-1,
            reconnected_cb=on_reconnect,
            error_cb=ignore,
        )
        await connection.flush()
        return connection

    async def publish(connection):
        subscription = await connection.subscribe(f"{PREFIX}.pub.*")
        sent = [str(index).encode() for index in range(MESSAGE_COUNT)]
        for index, body in enumerate(sent):
            await connection.publish(f"{PREFIX}.pub.{index % 10}", body)
        received = await take(subscription, MESSAGE_COUNT)
        assert_equal([message.data for message in received], sent, "messages in order")

    async def request(connection):
        async def echo(message):
            await message.respond(b"re: " + message.data)

        await connection.subscribe(f"{PREFIX}.echo", cb=echo)
        reply = await connection.request(f"{PREFIX}.echo", b"hello", timeout=5)
        assert_equal(reply.data, b"re: hello", "reply")
        try:
            await connection.request(f"{PREFIX}.nobody", b"", timeout=5)
        except NoRespondersError:
            return
        raise AssertionError("a request to nobody was answered")

    async def queue(connection):
        subject = f"{PREFIX}.queue"
        counts = {"members": 0, "plain": 0}

        async def member(_message):
            counts["members"] += 1

        for _ in range(3):
            await connection.subscribe(subject, queue="workers", cb=member)
        plain = await connection.subscribe(subject)
        for _ in range(MESSAGE_COUNT):
            await connection.publish(subject)
        await take(plain, MESSAGE_COUNT)
        await connection.flush()
        while counts["members"] < MESSAGE_COUNT:
            await asyncio.sleep(0)
        assert_equal(counts["members"], MESSAGE_COUNT, "messages to the group")

    async def headers(connection):
        subscription = await connection.subscribe(f"{PREFIX}.headers")
        await connection.publish(f"{PREFIX}.headers", b"body", headers={"Midge": "b: c", "Other": "x"})
        (message,) = await take(subscription, 1)
        assert_equal(message.headers, {"Midge": "b: c", "Other": "x"}, "headers")
        assert_equal(message.data, b"body", "body")

    async def unsubscribe(connection):
        count = 0

        async def receive(_message):
            nonlocal count
            count += 1

        subscription = await connection.subscribe(f"{PREFIX}.max", cb=receive)
        await subscription.unsubscribe(limit=5)
        for _ in range(10):
            await connection.publish(f"{PREFIX}.max")
        await connection.flush()
        while count < 5:
            await asyncio.sleep(0)
        await connection.flush()
        assert_equal(count, 5, "messages before the subscription ended")

    async def reconnect(connection):
        subscription = await connection.subscribe(f"{PREFIX}.again")
        await connection.flush()
        print("restart the server", flush=True)
        await reconnected.wait()
        await connection.publish(f"{PREFIX}.again", b"back")
        (message,) = await take(subscription, 1)
        assert_equal(message.data, b"back", "after the reconnect")

    async def drain(connection):
        received = []

        async def receive(message):
            received.append(message)

        await connection.subscribe(f"{PREFIX}.drain", cb=receive)
        for _ in range(MESSAGE_COUNT):
            await connection.publish(f"{PREFIX}.drain")
        await connection.flush()
        await connection.drain()
        assert_equal(len(received), MESSAGE_COUNT, "messages before the connection closed")

    connection = None
    for step in (connect, publish, request, queue, headers, unsubscribe, reconnect, drain):
        try:
            connection = await step(connection) or connection
        except Exception as error:
            print(f"failed {step.__name__}: {type(error).__name__} {error}", flush=True)
            sys.exit(1)
        print(f"ok {step.__name__}", flush=True)


asyncio.run(main(sys.argv[1]))
