"""The local page: an editor on one side, the plan of what is in it on the other.

Every request is limited in size and time, and each spec is planned in a process of its own, a few at a time. Only
requests that name this machine as their host are answered, so that no page from elsewhere can speak to it under another
name, and none from another origin at all. The plan is shown in a frame without rights.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

LARGEST = 200_000
"""Bytes of the largest spec."""
SECONDS = 15.0
"""What a request may take."""
AT_ONCE = 2
"""Specs that are planned at the same time."""
LONGEST_WAIT = 8
"""Requests that may wait for their turn."""
HOSTS = ["127.0.0.1", "localhost", "[::1]"]
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def app() -> Starlette:
    """The page as an ASGI application."""
    planner = _Planner()
    routes = [Route("/", _page), Route("/plan", planner.plan, methods=["POST"])]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)])


async def _page(request: Request) -> Response:
    text = files("chainplan.web").joinpath("page.html").read_text(encoding="utf-8")
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return HTMLResponse(text, headers=headers)


class _Planner:
    """Plans specs, a few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._here = 0

    async def plan(self, request: Request) -> Response:
        """The answer to a spec, or why there is none."""
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            return _refusal(403, "requests of other pages are not answered.")
        text = await _body(request)
        if text is None:
            return _refusal(413, f"the spec is larger than {LARGEST:,} bytes. Use 'chainplan plan' for it.")
        if self._here >= AT_ONCE + LONGEST_WAIT:
            return _refusal(503, "too many specs are being planned. Wait a moment.")
        self._here += 1
        try:
            async with self._turns:
                return JSONResponse(await _planned(text))
        finally:
            self._here -= 1


def _refusal(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status_code=status)


async def _body(request: Request) -> bytes | None:
    """The body, None where it is too large; no more than that is ever held."""
    found = b""
    async for piece in request.stream():
        found += piece
        if len(found) > LARGEST:
            return None
    return found


async def _planned(spec: bytes) -> dict[str, Any]:
    """The answer of a planning process, which ends after `SECONDS` in any case."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    command = (sys.executable, "-m", "chainplan.web.worker")
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=nothing)
    try:
        out, _ = await asyncio.wait_for(process.communicate(spec), SECONDS)
        found: dict[str, Any] = json.loads(out)
    except TimeoutError:
        return {"error": f"planning took longer than {SECONDS:.0f} seconds. Use 'chainplan plan' for it."}
    except ValueError:
        return {"error": "planning ended without an answer; the spec may be too large. Use 'chainplan plan' for it."}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return found
