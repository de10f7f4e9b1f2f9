"""Django under ASGI with each request in one thread from beginning to end.

Django's own handler hops between the event loop and a thread for every middleware, and gives each request a thread of
its own, so that no database connection outlives it: 3 ms and one PostgreSQL log-in a request. Every view here is
synchronous, so a few lasting threads, each with its lasting connection, do the same work.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import IO, Any

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.urls import set_script_prefix

# Most of a request is waiting for PostgreSQL or for the journal's fsync; each thread holds one connection.
THREADS = 8

Scope = dict[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class ThreadedHandler(ASGIHandler):
    """Serves HTTP by running Django's synchronous handler in a thread of its own pool."""

    def __init__(self) -> None:
        # Not ASGIHandler's: that one would build the middleware for the event loop.
        self.load_middleware(is_async=False)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            loop = asyncio.get_running_loop()
            response = await loop.run_in_executor(self._pool, copy_context().run, self._answer, scope, body)
            await self.send_response(response, send)

    def close(self) -> None:
        """Wait for what is being answered and end the threads."""
        self._pool.shutdown()

    def _answer(self, scope: Scope, body: IO[bytes]) -> Any:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, body)
        response: Any = refusal if request is None else self.get_response(request)
        # A stream made for an asynchronous server enters its factory by itself, and is sent as it comes.
        if response.streaming and not response.is_async:
            # Read here: another thread's connection would be bound to another factory.
            response.streaming_content = _parts(list(response.streaming_content))
        # Also tells Django that the request is finished, while this thread's connection is still at hand.
        response.close()
        return response


async def _parts(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
