"""The local page: plans what is sent, refuses what is too large, too slow or from elsewhere, and never reads files."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from starlette.requests import Request

from chainplan.web import app as application
from chainplan.web.worker import answer
from tests.browser import Browser, browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a server, as a user starts it."""
    code = "from chainplan_cli.main import main; main(['serve', '--port', '0'])"
    with subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield line.split()[1]
        process.terminate()


def _post(address: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(address + "plan", body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {"text": text.decode()}


def test_a_spec_is_planned(address: str) -> None:
    status, found = _post(address, b"chain: [1000, 1, 1000, 1, 1000]")
    assert status == 200
    assert "1,002,000" in found["page"]
    with urllib.request.urlopen(address, timeout=60) as response:
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert b"<textarea" in response.read()


def test_the_page_plans_what_is_in_it(address: str, tmp_path: Path) -> None:
    def settled(running: Browser) -> bool:
        return running.words("state") not in ("", "planning …")

    with browser(tmp_path) as window:
        window.open(address)
        window.wait(settled)
        assert window.words("state") == "planned"
        assert "1,002,000" in window.run("return document.getElementById('plan').srcdoc")
        write = "const s = document.getElementById('spec'); s.value = arguments[0]; document.getElementById('state')"
        window.run(write + ".textContent = ''; s.dispatchEvent(new Event('input'));", "chain: [1, -1]")
        window.wait(settled)
        assert window.words("state") == "not planned"
        assert window.words("errors").startswith("spec:1:")
        assert window.complaints() == []


def test_errors_are_those_of_the_command(address: str) -> None:
    assert _post(address, b"chain: [1, -1]")[1]["error"].startswith("spec:1:")
    assert "page" not in _post(address, b"\xff\xfe")[1]


def test_files_cannot_be_named(tmp_path: Path) -> None:
    import numpy as np
    from scipy.sparse import eye_array, save_npz

    save_npz(tmp_path / "p.npz", eye_array(3, format="csr", dtype=np.int64))
    text = "chain: [{shape: [3, 3], structure: {sparse: %s}}]"
    there, missing = (answer(text % (tmp_path / name))["error"] for name in ("p.npz", "q.npz"))
    assert "a structure without a file here" in there
    assert there == missing


def test_large_specs_are_refused(address: str) -> None:
    status, found = _post(address, b"#" * (application.MAX_WEB_SPEC_BYTES + 1))
    assert status == 413
    assert "larger than" in found["error"]


def test_only_this_machine_is_answered(address: str) -> None:
    assert _post(address, b"chain: [1, 2]", Host="evil.example")[0] == 400
    assert _post(address, b"chain: [1, 2]", Origin="http://evil.example")[0] == 403
    assert _post(address, b"chain: [1, 2]", Origin=address.rstrip("/"))[0] == 200


@pytest.mark.parametrize("origin", ["http://[", "null", "", "nonsense", "http://[::1"])
def test_a_malformed_origin_is_a_bad_request(address: str, origin: str) -> None:
    assert _post(address, b"chain: [1, 2]", Origin=origin)[0] == 400


def _connected(address: str, *sent: bytes) -> socket.socket:
    port = int(address.rstrip("/").rpartition(":")[2])
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    for part in sent:
        connection.sendall(part)
    return connection


def test_unfinished_requests_time_out(address: str) -> None:
    """Without headers, in the middle of them, in the second request of a connection, and in the middle of a spec."""
    head = b"POST /plan HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"
    done = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    unfinished = [_connected(address, *parts) for parts in ([], [head[:9]], [done, head[:9]], [head, b"chain: "])]
    assert _post(address, b"chain: [1, 2]")[0] == 200
    answers = []
    for connection in unfinished:
        with connection, connection.makefile("rb") as stream:
            answers.append(stream.read())
    assert answers[:2] == [b"", b""]
    assert answers[2].startswith(b"HTTP/1.1 200")
    assert answers[3].startswith(b"HTTP/1.1 408")


def test_the_place_of_who_leaves_is_free_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    async def endless(spec: bytes) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(spec)
        return {}

    async def left() -> list[int]:
        planner = application._WebPlanner()
        requests = [_request(b"%d" % i) for i in range(application.MAX_PARALLEL_PLANS + 3)]
        answers = await asyncio.wait_for(asyncio.gather(*map(planner.plan, requests)), 60)
        assert planner._here == 0
        return [answer.status_code for answer in answers]

    monkeypatch.setattr(application, "_plan_in_process", endless)
    assert asyncio.run(left()) == [200] * (application.MAX_PARALLEL_PLANS + 3)
    assert len(ended) <= application.MAX_PARALLEL_PLANS


def _request(body: bytes) -> Request:
    """A request whose sender leaves after the body."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return messages.pop(0) if len(messages) > 1 else messages[0]

    return Request({"type": "http", "method": "POST", "path": "/plan", "headers": []}, receive)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked for in /proc")
def test_a_worker_ends_with_its_server() -> None:
    worker = "import subprocess, sys, os, time; subprocess.Popen([sys.executable, '-m', 'chainplan.web.worker', "
    worker += "str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL); print('there'); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-u", "-c", worker], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "there\n"
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        child = Path("/proc", children.read_text().split()[0])
        held = os.open(child / "fd/0", os.O_WRONLY)  # that the end of its input is not what ends it
        while b"chainplan.web.worker" not in (child / "cmdline").read_bytes():
            pass
        server.kill()
    try:
        for _ in range(600):
            if not child.exists():
                break
            select.select([], [], [], 0.1)
        assert not child.exists()
    finally:
        os.close(held)


def test_what_does_not_fit_ends_alone(address: str) -> None:
    layers = ["  - {shape: [99999, 99999], structure: {banded: [30000, 30000]}}"] * 3000
    found = _post(address, "\n".join(["chain:", *layers]).encode())[1]
    assert found.keys() & {"error", "page"}
    assert _post(address, b"chain: [1, 2]")[0] == 200


def test_a_port_in_use_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "chainplan_cli.main", "serve", "--port", port]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 2
    assert "cannot be used" in found.stderr
