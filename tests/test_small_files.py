"""Small files take little memory: each is planned, run or checked in a process that may take 500 MB of its own.

What is refused is refused with code 2, or 1 where a plan is wrong; running out of memory would be code 1 as well, with
the words "out of memory", which no case may end in.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan._util import archives
from chainplan.io.plan_file import document
from chainplan_cli.main import main
from tests import limited
from tests.limited import within

ROOM = 500_000_000


def _chain(*items: tuple[int, int, str]) -> str:
    return "chain:\n" + "".join(f"  - {{shape: [{m}, {n}], structure: {s}}}\n" for m, n, s in items)


SPECS = {
    "two entries in 10^8": (2, _chain(*[(10**8, 10**8, "{coo: [[0, 0]]}")] * 2)),
    "a hundred entries in 10^6": (2, _chain(*[(10**6, 10**6, "{coo: [[0, 0]]}")] * 100)),
    "three entries in 10^6 rows": (0, _chain((10**6, 3, "{coo: [[0, 0], [5, 1], [9, 2]]}"), (2, 10**6, "dense"))),
    "a picked entry": (2, _chain((1, 10**8, "{selection: [5]}"), (3, 1, "dense"))),
    "a scattered entry": (2, _chain((10**8, 1, "{scatter: [5]}"), (3, 10**8, "dense"))),
    "bands and layers of 10^6": (
        0,
        _chain(*[(10**6, 10**6, "{banded: [1, 1]}"), (10**6, 10**6, "{kronecker: [[2, 2], 500000]}")] * 20),
    ),
    "a band of 10^12": (0, _chain((10**12, 1, "{banded: [1, 1]}"), (2, 10**12, "{banded: [1, 1]}"))),
    "replicas of 10^10": (0, _chain((10**10, 1, "{replicate: each}"), (10**10, 10**10, "{banded: [0, 1]}"))),
    "30 matrix-free diagonals of 10^6": (0, _chain(*[(10**6, 10**6, "diagonal, tangent: 5, adjoint: 5")] * 30)),
    "10 matrix-free layers of 10^6": (
        0,
        _chain(*[(10**6, 10**6, "{kronecker: [[2, 2], 500000]}, tangent: 5, adjoint: 5")] * 10),
    ),
    "10 matrix-free bands of 10^6": (0, _chain(*[(10**6, 10**6, "{banded: [1, 1]}, tangent: 5, adjoint: 5")] * 10)),
    "a matrix-free band of 400,000": (0, _chain((400_000, 400_000, "{banded: [1, 1]}, tangent: 5, adjoint: 5"))),
    "60 bands and parts that fill": (
        0,
        _chain(*[(2000, 2000, "{banded: [9, 9]}"), (2000, 2000, "{block_diagonal: [500, 4, 4]}")] * 30),
    ),
}


@limited.on_linux
def test_specs(tmp_path: Path) -> None:
    for place, (_, text) in enumerate(SPECS.values()):
        (tmp_path / f"{place}.yaml").write_text(text)
    commands = [["plan", str(tmp_path / f"{place}.yaml"), "--budget", "1"] for place in range(len(SPECS))]
    layers = list(SPECS).index("bands and layers of 10^6")
    for (name, (code, _)), (found, said) in zip(SPECS.items(), within(ROOM, tmp_path, commands), strict=True):
        assert (found, "out of memory" in said) == (code, False), f"{name}: {said}"
    ((found, said),) = within(ROOM, tmp_path, [["explain", str(tmp_path / f"{layers}.yaml")]])
    assert found == 0, said


def _bomb(path: Path, shape: tuple[int, ...], members: Sequence[str]) -> Path:
    """An archive of zeros in a few kilobytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in members:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(header.getvalue())
                for _ in range(int(np.prod(shape)) * 8 // 10**6):
                    file.write(bytes(10**6))
    return path


@limited.on_linux
def test_archives_that_unpack_to_more(tmp_path: Path) -> None:
    bomb = _bomb(tmp_path / "bomb.npz", (10**8,), ["data"])
    assert bomb.stat().st_size < 1_000_000
    pattern = tmp_path / "pattern.yaml"
    pattern.write_text(_chain((2, 2, "{sparse: bomb.npz}")))
    dense = tmp_path / "dense.yaml"
    dense.write_text("chain: [10000, 10000]")
    values = _bomb(tmp_path / "values.npz", (10_000, 10_000), ["F1"])
    cases = [["plan", str(pattern)], ["run", str(dense), "--jacobians", str(values)]]
    for code, said in within(ROOM, tmp_path, cases):
        assert code == 2, said
        assert "unpack to" in said
        assert "without compression" in said


@limited.on_linux
def test_a_run_of_more_than_the_machine_has_is_refused(tmp_path: Path) -> None:
    narrow, wide = tmp_path / "narrow.yaml", tmp_path / "wide.yaml"
    narrow.write_text(_chain((10**12, 1, "{banded: [1, 1]}"), (2, 10**12, "{banded: [1, 1]}")))
    wide.write_text("chain: [1000000, 1000000, 2]")
    for code, said in within(ROOM, tmp_path, [["run", str(narrow)], ["run", str(wide)]]):
        assert code == 2
        assert "the elemental Jacobians take 8,000,0" in said


@limited.on_linux
def test_a_plan_file_that_decompresses_a_long_column(tmp_path: Path) -> None:
    item = {"name": "F", "shape": [10**9, 1], "structure": {"banded": [5, 0]}, "tangent": 7}
    result = chainplan.plan(chainplan.chain([item]))
    claimed: dict[str, Any] = document(result)
    step = {"rows": 10**9, "cols": 1, "structure": "dense", "fma": 0}
    claimed["steps"] = [
        {"id": 0, "op": "seed", "vertex": "x0", "mode": "tangent", "colours": [0], **step, "rows": 1},
        {"id": 1, "op": "propagate", "elemental": "F", "arg": 0, "mode": "tangent", **step, "fma": 7},
        {"id": 2, "op": "decompress", "tangent": 1, "adjoint": None, **step, "structure": {"banded": [5, 0]}},
    ]
    claimed["outputs"][0]["id"] = 2
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(claimed))
    assert path.stat().st_size < 2000
    ((code, said),) = within(ROOM, tmp_path, [["check", str(path)]])
    assert code == 1
    assert "step 2: a block of 1,000,000,000 x 1 with 6 nonzeros is decompressed" in said


@limited.on_linux
def test_a_pattern_file_that_is_named_often_is_read_once(tmp_path: Path) -> None:
    from scipy.sparse import eye_array, save_npz

    save_npz(tmp_path / "eye.npz", eye_array(200_000, format="csr"))
    spec = tmp_path / "often.yaml"
    spec.write_text(_chain(*[(200_000, 200_000, "{sparse: eye.npz}")] * 250))
    ((code, said),) = within(ROOM, tmp_path, [["plan", str(spec), "--budget", "1"]])
    assert (code, "out of memory" in said) == (0, False)


def _encrypted(data: bytes) -> bytes:
    """The same archive with the flags of encryption set."""
    changed = bytearray(data)
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        changed[data.index(mark) + place] |= 1
    return bytes(changed)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-30],
    "encrypted": _encrypted,
    "a wrong byte": lambda data: data.replace(np.float64(3).tobytes(), np.float64(4).tobytes(), 1),
    "a longer shape": lambda data: data.replace(b"(2, 2)", b"(9, 9)").replace(b"(3,)", b"(9,)"),
    "no literal": lambda data: data.replace(b"{'descr'", b"{('descr"),
    "objects": lambda data: data.replace(b"'<f8'", b"'|O' "),
    "empty": lambda data: b"",
    "one array": lambda data: data[data.index(b"\x93NUMPY") :],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_broken_archives_are_bad_input(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from scipy.sparse import csr_array, save_npz

    sound = np.array([[1.0, 2.0], [3.0, 0.0]])
    values, pattern, spec = tmp_path / "values.npz", tmp_path / "pattern.npz", tmp_path / "spec.yaml"
    np.savez(values, F1=sound)
    save_npz(pattern, csr_array(sound), compressed=False)
    for path in (values, pattern):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    spec.write_text("chain: [2, 2]")
    assert main(["run", str(spec), "--jacobians", str(values)]) == 2
    assert "values.npz: not a .npz file of plain arrays: " in capsys.readouterr().err
    spec.write_text(_chain((2, 2, "{sparse: pattern.npz}")))
    assert main(["plan", str(spec)]) == 2
    assert "a file that scipy.sparse.save_npz wrote" in capsys.readouterr().err


def test_arrays_of_the_other_byte_order(tmp_path: Path) -> None:
    values = {"F1": np.array([1.0, 2.0, 3.0]), "F2": np.array([[0.0, 2.0, 0.0], [5.0, 0.0, 7.0]])}
    listed = {"coo": [[0, 1], [1, 0], [1, 2]]}
    items: list[Any] = [{"shape": [3, 3], "structure": "diagonal"}, {"shape": [2, 3], "structure": listed}]
    plan = chainplan.plan(chainplan.chain(items)).plan
    assert plan is not None
    swapped = {name: array.astype(array.dtype.newbyteorder()) for name, array in values.items()}
    expected = chainplan.execute(plan, values)
    assert np.array_equal(chainplan.execute(plan, swapped)["x2", "x0"], expected["x2", "x0"])
    np.savez(tmp_path / "swapped.npz", **swapped)  # type: ignore[arg-type]
    assert all(array.dtype.isnative for array in archives.read(tmp_path / "swapped.npz").values())


LISTS_TOO_MUCH = {
    "three quarters of 20,000 x 20,000": _chain(
        (2, 20_000, "{reduce: whole}"), (2, 2, "{coo: [[0, 0], [1, 0], [1, 1]]}"), (20_000, 2, "{replicate: each}")
    ),
    "half of 10,000 x 10,000": _chain(
        (2, 10_000, "{reduce: whole}"), (2, 2, "{coo: [[0, 0], [1, 1]]}"), (10_000, 2, "{replicate: each}")
    ),
}


@limited.on_linux
def test_products_that_would_list_too_much_are_counted_by_their_lines(tmp_path: Path) -> None:
    commands = []
    for place, text in enumerate(LISTS_TOO_MUCH.values()):
        spec, plan = tmp_path / f"{place}.yaml", tmp_path / f"{place}.json"
        spec.write_text(text)
        commands += [
            ["plan", str(spec), "--format", "json", "-o", str(plan)],
            ["check", str(plan)],
            ["report", str(spec), "-o", str(tmp_path / "page.html")],
        ]
    for argv, (code, said) in zip(commands, within(ROOM, tmp_path, commands), strict=True):
        assert (code, "out of memory" in said) == (0, False), f"{argv}: {said}"
    for place in range(len(LISTS_TOO_MUCH)):
        assert json.loads((tmp_path / f"{place}.json").read_text())["counts"] == "exact"


@limited.on_linux
def test_a_product_that_fills_is_counted_exactly_without_being_listed(tmp_path: Path) -> None:
    n = 10_000
    arrow = [[0, j] for j in range(n)] + [[i, 0] for i in range(1, n)]
    spec, plan = tmp_path / "arrows.json", tmp_path / "plan.json"
    spec.write_text(json.dumps({"chain": [{"shape": [n, n], "structure": {"coo": arrow}}] * 2}))
    argv = ["plan", str(spec), "--format", "json", "-o", str(plan)]
    ((code, said),) = within(ROOM, tmp_path, [argv])
    assert code == 0, said
    found = json.loads(plan.read_text())
    assert (found["counts"], found["cost"]["fma"]) == ("exact", n * n + n - 1)


HEADERS = ("(" * 3000, "{'descr': '''", "[", "\0", "{'descr': '<f8',", "3", "{'descr': '<f8', 'shape': (-3,)}")


def _headed(text: str) -> bytes:
    """An array of numpy whose header is the text."""
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n" + bytes(72)


@pytest.mark.parametrize("header", HEADERS)
def test_headers_that_are_none_are_bad_input(header: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from scipy.sparse import eye_array, save_npz

    spec, values, pattern = tmp_path / "spec.yaml", tmp_path / "values.npz", tmp_path / "pattern.npz"
    spec.write_text("chain: [3, 3]")
    with zipfile.ZipFile(values, "w") as archive:
        archive.writestr("F1.npy", _headed(header))
    assert main(["run", str(spec), "--jacobians", str(values)]) == 2
    said = capsys.readouterr().err
    assert "its member 'F1.npy' does not begin as an array of numpy does; expected an archive of arrays" in said
    assert "Write it by numpy.savez" in said
    save_npz(tmp_path / "sound.npz", eye_array(3, format="csr"))
    with zipfile.ZipFile(tmp_path / "sound.npz") as sound, zipfile.ZipFile(pattern, "w") as archive:
        for name in sound.namelist():
            archive.writestr(name, _headed(header) if name == "indptr.npy" else sound.read(name))
    spec.write_text(_chain((3, 3, "{sparse: pattern.npz}")))
    assert main(["plan", str(spec)]) == 2
    assert "its member 'indptr.npy' does not begin as an array" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("format", 3), ("indices", [0.5, 1.5]), ("indptr", [0.0, 1.0, 2.0]), ("data", ["a", "b"]), ("shape", [[2, 2]])],
)
def test_pattern_files_of_other_kinds_of_arrays_are_bad_input(
    name: str, wrong: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"format": b"csr", "shape": [2, 2], "data": [1.0, 1.0], "indices": [0, 1], "indptr": [0, 1, 2]}
    np.savez(tmp_path / "pattern.npz", **{key: np.array(part) for key, part in parts.items()})  # type: ignore[arg-type]
    spec = tmp_path / "spec.yaml"
    spec.write_text(_chain((2, 2, "{sparse: pattern.npz}")))
    assert main(["plan", str(spec)]) == 0
    parts[name] = wrong
    np.savez(tmp_path / "pattern.npz", **{key: np.array(part) for key, part in parts.items()})  # type: ignore[arg-type]
    assert main(["plan", str(spec)]) == 2
    assert f"its '{name}' is " in capsys.readouterr().err
