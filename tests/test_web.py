"""The local page: plans what is sent, refuses what is too large, too slow or from elsewhere, and never reads files."""

from __future__ import annotations

import json
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
    status, found = _post(address, b"#" * (application.LARGEST + 1))
    assert status == 413
    assert "larger than" in found["error"]


def test_only_this_machine_is_answered(address: str) -> None:
    assert _post(address, b"chain: [1, 2]", Host="evil.example")[0] == 400
    assert _post(address, b"chain: [1, 2]", Origin="http://evil.example")[0] == 403
    assert _post(address, b"chain: [1, 2]", Origin=address.rstrip("/"))[0] == 200


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
