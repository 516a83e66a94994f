"""The command line through `main(argv)`, and once as the installed command."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from chainplan.report.registry import RENDERERS
from chainplan.report.words.table import columns
from chainplan.solvers.registry import SOLVERS
from chainplan_cli.common import SECONDS_TYPE, WholeNumberType
from chainplan_cli.group import COMMAND_SUMMARIES, group
from chainplan_cli.main import main
from chainplan_cli.plan import PLAN_FORMATS, SCHEDULE_FORMATS
from tests.reference import ROOT

SEED = str(ROOT / "examples" / "seed_chain.yaml")
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
SCHEDULABLE = [path for path in EXAMPLES if path.stem != "checkpointed_chain"]
"""Those whose states are given; evaluating them is one step after the other."""


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert "defect" not in captured.err
    return code, captured.out, captured.err


def test_plan_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "plan", SEED)
    assert (code, err) == (0, "")
    for text in ("1,002,000 fma", "proven optimal within bracketings", "3,000,000 fma", "2.99x", "(F4·(F3·F2))·F1"):
        assert text in out


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_example_plans_checks_and_runs(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = str(tmp_path / "plan.json")
    assert run(capsys, "plan", str(path), "--format", "json", "-o", saved)[0] == 0
    code, out, _ = run(capsys, "check", saved)
    assert code == 0
    assert "right" in out
    for argv in (["run", saved], ["run", str(path), "--dtype", "float32"], ["run", str(path), "--dtype", "int64"]):
        code, out, _ = run(capsys, *argv, "--seed", "3")
        assert code == 0
        assert "\n  valid: " in out
    assert run(capsys, "compare", str(path))[0] == 0


def test_formats_are_the_renderers() -> None:
    assert set(PLAN_FORMATS) == set(RENDERERS)


@pytest.mark.parametrize("form", PLAN_FORMATS)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_format(form: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machines = ("--machines", "2") if form in SCHEDULE_FORMATS else ()
    code, out, err = run(capsys, "plan", str(path), "--format", form, *machines)
    if machines and path not in SCHEDULABLE:
        assert (code, out) == (2, "")
        assert "machines: found 2 with limits.recompute" in err
        return
    assert code == 0
    assert out.endswith("\n")
    starts = {"json": "{", "markdown": "## ", "dot": "digraph plan {", "html": "<!doctype"}
    starts |= {"latex": "% ", "svg": "<svg ", "trace": '{"traceEvents"'}
    assert out.startswith(starts.get(form, path.stem))


@pytest.mark.parametrize("path", SCHEDULABLE, ids=lambda p: p.stem)
def test_every_example_is_scheduled(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = str(tmp_path / "plan.json")
    code, out, _ = run(capsys, "plan", str(path), "--machines", "2", "--budget", "5")
    assert code == 0
    assert "on 2 machines, proven optimal" in out
    assert run(capsys, "plan", str(path), "--machines", "2", "--format", "json", "-o", saved)[0] == 0
    code, out, _ = run(capsys, "check", saved)
    assert code == 0
    assert "scheduled on 2 machines in " in out
    assert run(capsys, "run", saved)[0] == 0


def test_a_false_schedule_is_found_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A longer schedule that claims to be optimal has the form and breaks no rule: planning again tells."""
    path, saved = str(ROOT / "examples" / "matrix_free_chain.yaml"), tmp_path / "plan.json"
    assert run(capsys, "plan", path, "--machines", "3", "--format", "json", "-o", str(saved))[0] == 0
    document = json.loads(saved.read_text())
    schedule = document["schedule"]
    shorter, now = schedule["makespan"], 0
    for task in sorted(schedule["tasks"], key=lambda task: task["id"]):
        length = task["end"] - task["start"]
        task.update(machine=0, start=now, end=now + length)
        now += length
    schedule.update(makespan=now, bound=now, one_machine=now)
    assert shorter < now
    saved.write_text(json.dumps(document))
    code, out, _ = run(capsys, "check", str(saved))
    assert code == 1
    last = out.splitlines()[-1]
    assert last.startswith("refuted: ")
    assert f"claims to be optimal, but one of {shorter:,} fma is found" in last
    schedule["tasks"][0]["start"] += 1
    saved.write_text(json.dumps(document))
    code, out, _ = run(capsys, "check", str(saved))
    assert (code, "expected its price" in out) == (1, True)


def test_the_plan_file_is_deterministic_but_for_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (json.loads(run(capsys, "plan", SEED, "--format", "json")[1]) for _ in range(2))
    assert first.pop("seconds") >= 0
    second.pop("seconds")
    assert first == second


def test_the_plan_file_says_what_the_contract_says(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(run(capsys, "plan", SEED, "--format", "json")[1])
    assert document["format"] == 1
    assert document["problem"]["name"] == "seed_chain"
    assert document["objective"] == "fma"
    assert (document["status"], document["optimal_within"]) == ("optimal", "bracketings")
    assert document["cost"]["fma"] == document["bound"]["fma"] == 1_002_000
    assert document["baselines"] == {"forward": {"fma": 3_000_000}, "reverse": {"fma": 3_000_000}}
    assert [step["id"] for step in document["steps"]] == list(range(7))
    assert document["steps"][-1] == {
        "id": 6,
        "op": "multiply",
        "left": 4,
        "right": 5,
        "onto": None,
        "rows": 1000,
        "cols": 1000,
        "structure": "dense",
        "fma": 1_000_000,
    }
    assert document["outputs"] == [{"output": "x4", "input": "x0", "id": 6}]


def test_run_takes_jacobians_from_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sizes = [1000, 1, 1000, 1, 1000]
    rng = np.random.default_rng(0)
    path = tmp_path / "values.npz"
    arrays = {f"F{i + 1}": rng.integers(-9, 9, (sizes[i + 1], sizes[i])) for i in range(4)}
    np.savez(path, **arrays)  # type: ignore[arg-type]
    code, out, _ = run(capsys, "run", SEED, "--jacobians", str(path))
    assert code == 0
    assert "valid: equal integers" in out
    del arrays["F2"]
    np.savez(path, **arrays)  # type: ignore[arg-type]
    code, _, err = run(capsys, "run", SEED, "--jacobians", str(path))
    assert code == 2
    assert "no Jacobian for 'F2'; expected an array of 1000 x 1" in err


def test_run_refuses_what_cannot_fit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "huge.yaml"
    spec.write_text("chain: [1000000000000, 1000000000000]\n")
    code, _, err = run(capsys, "run", str(spec))
    assert code == 2
    assert "8,000,000,000,000,000,000,000,000 bytes" in err
    assert run(capsys, "plan", str(spec))[0] == 0


BAD_INPUT = (
    (["plan"], "Missing argument"),
    (["plan", "no-such-file.yaml"], "no-such-file.yaml"),
    (["plan", SEED, "--solver", "chain-pd"], "Did you mean 'chain-dp'?"),
    (["plan", SEED, "--format", "pdf"], "'pdf' is not one of"),
    (["plan", SEED, "--budget", "-1"], "not in the range"),
    (["plan", SEED, "--machines", "0"], "not in the range"),
    (["plan", SEED, "--machines", "-1"], "not in the range"),
    (["plan", SEED, "--machines", "abc"], "not a valid integer"),
    (["plan", SEED, "--machines", "2.5"], "not a valid integer"),
    (["plan", SEED, "--machines", "2", "--search", "dask"], "--machines and --bandwidth are for --search here"),
    (["plan", SEED, "--format", "svg"], "expected --machines P"),
    (["plan", SEED, "--format", "trace"], "expected --machines P"),
    (["plan", SEED, "--budget", "nan"], "no number of seconds"),
    (["plan", SEED, "-o", "/no/such/folder/plan.json"], "'/no/such/folder' is no folder"),
    (["plan", SEED, "-o", str(ROOT)], "found a folder"),
    (["plan", SEED, "-o", ""], "found a folder"),
    (["plan", str(ROOT)], "directory"),
    (["plan", "a\0b"], "embedded null byte"),
    (["plan", "\ud800"], "surrogates not allowed"),
    (["plan", SEED, "--nodes", "9" * 400], "not in the range"),
    (["plann", SEED], "No such command"),
    (["check", SEED], "not a plan file"),
    (["check", "no-such-file.json"], "no-such-file.json"),
    (["run", SEED, "--jacobians", "no-such-file.npz"], "no-such-file.npz"),
)


OTHER_DIGITS = ("\u0663", "\uff13", "1_0", " 3 ", "3\n", "")
COUNTS = {
    "plan": ("--seed", "--machines", "--nodes", "--restarts"),
    "serve": ("--port",),
    "run": ("--seed",),
    "calibrate": ("--seed",),
}


@pytest.mark.parametrize("written", OTHER_DIGITS)
@pytest.mark.parametrize(("name", "option"), [(name, option) for name in COUNTS for option in COUNTS[name]])
def test_whole_numbers_are_written_in_plain_digits(
    name: str, option: str, written: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [name, *([SEED] if name in ("plan", "run") else []), option, written]
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert f"Invalid value for '{option}': {written!r} is not a valid integer" in err


@pytest.mark.parametrize("written", OTHER_DIGITS)
@pytest.mark.parametrize("name", ["plan", "compare", "explain", "check"])
def test_seconds_are_written_in_plain_digits(name: str, written: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, name, SEED, "--budget", written)
    assert (code, out) == (2, "")
    assert f"Invalid value for '--budget': {written!r} is no number of seconds" in err


def test_every_option_that_takes_a_number_is_of_the_two_types() -> None:
    for name in COMMAND_SUMMARIES:
        for option in group.get_command(click.Context(group), name).params:  # type: ignore[union-attr]
            kind = option.type
            if kind.name.startswith(("integer", "float")):
                assert isinstance(kind, WholeNumberType | type(SECONDS_TYPE)), (name, option.name)


def test_whole_numbers_may_be_written_short(capsys: pytest.CaptureFixture[str]) -> None:
    plain = run(capsys, "plan", SEED, "--seed", "10", "--nodes", "1000", "--machines", "20", "--format", "json")
    short = run(capsys, "plan", SEED, "--seed", "1e1", "--nodes", "1e3", "--machines", "2E1", "--format", "json")
    seconds = re.compile(r'"seconds": [^,]*')
    assert plain[0] == 0
    assert seconds.sub("", plain[1]) == seconds.sub("", short[1])
    for written, message in (("1.5e0", "not a valid integer"), ("1e16", "not in the range"), ("0e0", "not a valid")):
        code, _, err = run(capsys, "plan", SEED, "--machines", written)
        assert code == 2
        assert message in err


@pytest.mark.parametrize(("argv", "message"), BAD_INPUT, ids=lambda v: v if isinstance(v, str) else "")
def test_bad_input_is_exit_code_2(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert message in err


def test_no_plan_is_exit_code_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = tmp_path / "tight.yaml"
    spec.write_text("chain: [5, 5, 5]\nlimits: {memory: 10}\n")
    code, out, err = run(capsys, "plan", str(spec))
    assert code == 1
    assert "75 elements" in out
    assert "no plan: infeasible" in err
    saved = tmp_path / "plan.json"
    assert run(capsys, "plan", str(spec), "--format", "json", "-o", str(saved))[0] == 1
    document = json.loads(saved.read_text())
    assert (document["status"], document["cost"], document["needs"]) == ("infeasible", None, {"memory": 75})
    code, out, _ = run(capsys, "check", str(saved))
    assert (code, out.splitlines()[-1]) == (1, "proven again")
    assert run(capsys, "run", str(saved))[0] == 1


def test_a_failed_write_leaves_the_old_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    target = tmp_path / "plan.json"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    code, _, err = run(capsys, "plan", SEED, "-o", str(target))
    assert code == 2
    assert "No space left" in err
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_solvers_lists_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "solvers")
    assert code == 0
    assert all(f"{name}: " in out for name in SOLVERS)
    assert out.count("Refuses: ") == len(SOLVERS)


def test_compare_shows_all_and_says_who_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", str(ROOT / "examples" / "small_dag.yaml"))
    assert code == 0
    assert "chain-dp refuses: " in out
    assert all(name in out for name in SOLVERS)
    assert "vertex elimination\n" in out


@pytest.mark.parametrize("argv", [["--help"], ["--version"], *([name, "--help"] for name in COMMAND_SUMMARIES)])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *argv)
    assert code == 0
    assert "chainplan" in out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from chainplan_cli.main import main; main(['--help']);"
        "print({'numpy', 'yaml', 'rich', 'jinja2', 'chainplan.problem.graph'} & sys.modules.keys())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "set()"


def test_a_long_order_leaves_the_figures_beside_their_labels(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "powers.yaml").write_text("chain: [{name: A, shape: [100, 100], times: 16}]")
    _, out, _ = run(capsys, "plan", str(tmp_path / "powers.yaml"))
    assert "  cost       4,000,000 fma  proven" in out
    assert re.search(r"\n  order    \(\(+A", out)


def test_figures_are_right_aligned_where_nothing_stands_behind_them() -> None:
    assert columns([("a", "1,000", ""), ("b", "2", "")], right={1}, indent="") == ["a  1,000", "b      2"]


def test_planning_a_dense_chain_does_not_load_numpy() -> None:
    code = f"import sys; from chainplan_cli.main import main; main(['plan', {SEED!r}]); print('numpy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "False"


def test_the_installed_command() -> None:
    command = shutil.which("chainplan", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("chainplan is not installed beside this Python")
    done = subprocess.run([command, "plan", SEED], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "1,002,000 fma" in done.stdout
    assert subprocess.run([command, "plan", "nothing"], capture_output=True, check=False).returncode == 2
    silent = subprocess.run([command, "plan", "nothing"], capture_output=True, text=True, check=False)
    assert "Traceback" not in silent.stderr


def layered(layers: int, width: int) -> dict[str, Any]:
    """A graph that no search finishes: layers in which every vertex reads three of the layer before."""
    rng = random.Random(0)
    edges = []
    for layer in range(layers):
        for v in range(width):
            edges += [[f"{layer}.{u}", f"{layer + 1}.{v}"] for u in rng.sample(range(width), 3)]
    return {"dag": {"edges": edges}}


LONG = {
    "chain": {"chain": [{"shape": [7, 7], "tangent": 9, "adjoint": 9}] * 4000},
    "dag": layered(20, 6),
}


@pytest.mark.parametrize("kind", LONG)
def test_ctrl_c_prints_the_best_plan_so_far(kind: str, tmp_path: Path) -> None:
    import signal

    spec = tmp_path / "long.json"
    spec.write_text(json.dumps(LONG[kind]))
    argv = [sys.executable, "-m", "chainplan_cli.main", "plan", str(spec), "--budget", "600"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        first, second = process.stderr.readline(), process.stderr.readline()
        assert first.startswith("chainplan: ")
        assert second.startswith("chainplan: ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "interrupted" in out
    assert "Traceback" not in err
    assert kind == "chain" or "gap at most" in out


INTERRUPTED = """
import os, signal, sys

module = sys.argv.pop(1)

class Pressed:
    def find_spec(self, name, path, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
            raise ImportError("the signal came and nothing ended")

sys.meta_path.insert(0, Pressed())
from chainplan_cli.main import command
command()
"""
"""Ctrl-C in the moment in which a module is imported."""


@pytest.mark.parametrize(
    "module", ["click", "chainplan.errors", "chainplan_cli.group", "chainplan_cli.plan", "chainplan.planner", "yaml"]
)
def test_an_interrupted_start_ends_with_one_line(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, module, "plan", SEED], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "chainplan: interrupted\n")


def test_an_interrupted_command_ends_with_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chainplan.io.read.read_spec", interrupted)
    assert run(capsys, "plan", SEED) == (130, "", "chainplan: interrupted\n")


def as_anyone(argv: list[str], path: Path) -> tuple[int, str]:
    """Code and messages of a command for a user whom permissions bind, which they do not for root."""
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(said, 2)
        sys.stderr = os.fdopen(2, "w")
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
            os.setuid(65534)
        code = main(argv)
        sys.stderr.flush()
        os._exit(code)
    os.close(said)
    with os.fdopen(heard) as stream:
        text = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("read_only", ["file", "folder", "neither"])
def test_a_read_only_target_is_refused_before_the_search(read_only: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainplan.planner.plan", lambda *_, **__: os._exit(77))
    with tempfile.TemporaryDirectory() as name:
        folder, target = Path(name), Path(name, "plan.json")
        target.write_text("old")
        os.chown(folder, 65534, 65534) if os.geteuid() == 0 else None
        target.chmod(0o444 if read_only == "file" else 0o644)
        folder.chmod(0o555 if read_only == "folder" else 0o755)
        code, error = as_anyone(["plan", SEED, "-o", str(target)], target)
        assert target.read_text() == "old"
        folder.chmod(0o755)
    if read_only == "neither":
        assert code == 77
    else:
        assert code == 2
        assert "plan.json: cannot be written: Permission denied; expected a place where a file may be written" in error


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
@pytest.mark.parametrize("read_only", ["file", "folder"])
@pytest.mark.parametrize("argv", [["plan", SEED], ["report", SEED], ["example", "seed_chain"]], ids=lambda v: v[0])
def test_what_nobody_may_write_is_refused_to_root_too(
    argv: list[str], read_only: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("chainplan.planner.plan", lambda *_, **__: pytest.fail("searched"))
    target = tmp_path / "out"
    if read_only == "file":
        target.write_text("old")
        target.chmod(0o444)
    else:
        tmp_path.chmod(0o555)
    code, out, err = run(capsys, *argv, "-o", str(target))
    tmp_path.chmod(0o755)
    assert (code, out) == (2, "")
    assert "out: cannot be written: Permission denied; expected a place where a file may be written" in err
    assert target.read_text() == "old" if read_only == "file" else not target.exists()


@pytest.mark.parametrize("target", ["a\0b", "\ud800", "x" * 300, "/proc/plan.json"])
def test_a_place_that_cannot_be_written_is_refused(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "plan", SEED, "-o", target)
    assert code == 2
    assert "cannot be written" in err
    assert "expected a place where a file may be written. Write elsewhere." in err


def test_output_follows_links_keeps_permissions_and_spares_pipes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target, link, pipe = tmp_path / "plan.txt", tmp_path / "link", tmp_path / "pipe"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert run(capsys, "plan", SEED, "-o", str(link))[0] == 0
    assert link.is_symlink()
    assert "1,002,000 fma" in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o640
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run(capsys, "plan", SEED, "-o", str(pipe))[0] == 0
        assert b"1,002,000 fma" in os.read(reader, 1 << 16)
        assert pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_full_disk_is_no_defect(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chainplan_cli.group.import_module", fail)
    code, _, err = run(capsys, "plan", SEED)
    assert code == 1
    assert "cannot be read or written: No space left" in err


def test_a_pattern_file_beside_the_spec_goes_into_the_plan(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from scipy.sparse import random_array, save_npz

    folder = tmp_path / "model"
    folder.mkdir()
    save_npz(folder / "mesh.npz", random_array((60, 40), density=0.05, rng=1))
    spec, saved, values = folder / "spec.yaml", tmp_path / "plan.json", tmp_path / "values.npz"
    spec.write_text(
        "chain:\n  - {shape: [60, 40], structure: {sparse: mesh.npz}}\n"
        "  - {name: model, shape: [60, 60], structure: {banded: [1, 1]}, tangent: 500, adjoint: 900}\n"
        "  - {shape: [5, 60], structure: {selection: [0, 7, 7, 59, 3]}}\n"
    )
    assert run(capsys, "plan", str(spec), "--format", "json", "-o", str(saved))[0] == 0
    (folder / "mesh.npz").unlink()
    assert run(capsys, "check", str(saved))[0] == 0
    for dtype in ("int64", "float32"):
        code, out, _ = run(capsys, "run", str(saved), "--dtype", dtype)
        assert (code, "valid" in out) == (0, True)
    code, _, err = run(capsys, "plan", str(spec))
    assert (code, "spec.yaml:2:" in err, "mesh.npz" in err) == (2, True, True)
    np.savez(values, F1=np.ones((60, 40)))
    code, _, err = run(capsys, "run", str(saved), "--jacobians", str(values))
    assert (code, "nonzeros outside" in err) == (2, True)
