"""The local page: it has an editor for a spec on one side, and the plan of that spec on the other.

Every request is limited in size and time, and each spec is planned in a process of its own, a few at a time. Requests
are answered only if they name this machine as their host, so that no foreign page can reach it under another name, and
never if another origin sent them. The plan is shown in a frame without rights.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

MAX_WEB_SPEC_BYTES = 200_000
"""Bytes of the largest spec."""
MAX_WEB_PLANNING_SECONDS = 15.0
"""Seconds that planning a spec may take."""
MAX_BODY_SECONDS = 10.0
"""Seconds within which a spec must have arrived."""
MAX_PARALLEL_PLANS = 2
"""Specs that are planned at the same time."""
MAX_WAITING_REQUESTS = 8
"""Requests that may wait for their turn."""
LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def app() -> Starlette:
    """Return the page as an ASGI application."""
    planner = _WebPlanner()
    routes = [Route("/", _page), Route("/plan", planner.plan, methods=["POST"])]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_HOSTS)])


async def _page(request: Request) -> Response:
    text = files("chainplan.web").joinpath("page.html").read_text(encoding="utf-8")
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(text, headers=headers)


class _WebPlanner:
    """Plans specs, a few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(MAX_PARALLEL_PLANS)
        self._here = 0

    async def plan(self, request: Request) -> Response:
        """Answer a spec, or say why it is refused."""
        if (refused := _foreign(request)) is not None:
            return refused
        try:
            async with asyncio.timeout(MAX_BODY_SECONDS):
                text = await _body(request)
        except TimeoutError:
            return _refusal(408, f"the spec did not arrive within {MAX_BODY_SECONDS:.0f} seconds. Send it again.")
        except ClientDisconnect:
            return Response()
        if text is None:
            return _refusal(413, f"the spec is larger than {MAX_WEB_SPEC_BYTES:,} bytes. Use 'chainplan plan' for it.")
        if self._here >= MAX_PARALLEL_PLANS + MAX_WAITING_REQUESTS:
            return _refusal(503, "too many specs are being planned. Wait a moment.")
        self._here += 1
        try:
            return await _unless_gone(request, self._answer(text))
        finally:
            self._here -= 1

    async def _answer(self, text: bytes) -> Response:
        """Answer a spec when its turn has come."""
        async with self._turns:
            return JSONResponse(await _plan_in_process(text))


def _foreign(request: Request) -> Response | None:
    """Return the refusal of a request that another page sent, or None where this page sent it."""
    origin = request.headers.get("origin")
    if origin is None:
        return None
    try:
        place = urlsplit(origin).netloc
    except ValueError:
        place = ""
    if not place:
        return _refusal(400, "the header 'Origin' is no address; expected that of this page.")
    return None if place == request.headers.get("host") else _refusal(403, "requests of other pages are not answered.")


async def _unless_gone(request: Request, answer: Coroutine[Any, Any, Response]) -> Response:
    """Wait for an answer, or return an empty one as soon as its reader leaves, which frees the place for another."""
    answering, leaving = asyncio.ensure_future(answer), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return answering.result() if answering.done() else Response()
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    """Wait until whoever sent a request has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refusal(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status_code=status)


async def _body(request: Request) -> bytes | None:
    """Read the body of a request; return None as soon as it is too large, so that no more is ever held."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_WEB_SPEC_BYTES:
            return None
    return body


async def _plan_in_process(spec: bytes) -> dict[str, Any]:
    """Let a process plan a spec, and return its answer; it ends after `MAX_WEB_PLANNING_SECONDS` at the latest."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    command = (sys.executable, "-m", "chainplan.web.worker", str(os.getpid()))
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=nothing)
    try:
        out, _ = await asyncio.wait_for(process.communicate(spec), MAX_WEB_PLANNING_SECONDS)
        answer: dict[str, Any] = json.loads(out)
    except TimeoutError:
        return {
            "error": f"planning took longer than {MAX_WEB_PLANNING_SECONDS:.0f} seconds. Use 'chainplan plan' for it."
        }
    except ValueError:
        return {"error": "planning ended without an answer; the spec may be too large. Use 'chainplan plan' for it."}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return answer
