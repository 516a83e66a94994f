"""`chainplan plan module:function`: the graph of a JAX function planned from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402

import chainplan.jax as planned  # noqa: E402
from chainplan_cli.main import main  # noqa: E402

MODULE = '''
"""Functions to be planned."""
import jax.numpy as jnp

class Models:
    def projected(x, p):
        return p @ (jnp.sin(x) * x)

projected = Models.projected
number = 3

def repeated(x, times, kind="sin"):
    for _ in range(times):
        x = getattr(jnp, kind)(x)
    return x

def picky(x):
    raise ValueError("only for Sundays")

def leaves(x):
    raise SystemExit(3)

class Moody:
    @property
    def function(self):
        raise RuntimeError("not today")

moody = Moody()
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models_of_test.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "broken_of_test.py").write_text("import no_such_module_at_all\n", encoding="utf-8")
    (tmp_path / "leaving_of_test.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_function_is_planned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "models_of_test:projected", "--args", "f64[100] f64[20, 100]"]) == 0
    assert capsys.readouterr().out.startswith("models_of_test:projected: ")
    arguments = ["models_of_test:Models.projected", "--args", "f32[100] f32[20,100]"]
    assert main(["plan", *arguments, "--format", "json", "-o", "plan.json"]) == 0
    assert main(["check", "plan.json"]) == 0

    def projected(x: Any, p: Any) -> Any:
        return p @ (jnp.sin(x) * x)

    x, p = jnp.linspace(0, 1, 100), jnp.ones((20, 100))
    found = planned.jacobian(projected, plan="plan.json")(x, p)
    assert jnp.allclose(found, jax.jacrev(projected)(x, p))


@pytest.mark.parametrize("command", ["compare", "explain", "report"])
def test_a_function_stands_in_the_place_of_a_spec(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    function = [command, "models_of_test:projected", "--args", "f64[100] f64[20, 100]", "--budget", "1"]
    assert main(function) == 0
    said = capsys.readouterr().out
    assert said.startswith("report.html: " if command == "report" else "models_of_test:projected: x0 (100)")
    if command == "report":
        assert "models_of_test:projected" in Path("report.html").read_text(encoding="utf-8")
    Path("spec.yaml").write_text("chain: [2, 3]\n", encoding="utf-8")
    assert main([command, "spec.yaml", "--args", "f64[3]"]) == 2
    assert "--args and --argnums are for module:function" in capsys.readouterr().err
    assert main([command, "models_of_test:projected"]) == 2
    assert "found no arguments" in capsys.readouterr().err


def test_values_and_positions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "models_of_test:repeated", "--args", "f64[] 4 'cos'"]) == 0
    assert "x0 (1)" in capsys.readouterr().out
    both = ["plan", "models_of_test:projected", "--args", "f64[4] f64[2,4]", "--argnums"]
    assert main([*both, "0,1", "--format", "json"]) == 0
    outputs = json.loads(capsys.readouterr().out)["outputs"]
    assert {o["input"] for o in outputs} == {"x0", "x1"}
    assert main([*both, "-1"]) == 0


NO_ARRAYS = [
    f"f64[{'9' * 5000}]",
    "f64[99999999999999999999]",
    "f64[٣]",
    "f64[1 2]",
    "f64[,,]",
    "{[1]:2}",
    "1if",
    "[" * 5000,
    "-" * 50_000 + "1",
    "9" * 5000,
]
"""What is neither a type of an array nor a Python value."""
LARGE = ["f64[20000001]", "f64[0,999999999999]", "f64[9999999] f64[9999999] f64[9999999]"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models_of_test:nothing"], "has no 'nothing'; expected a function"),
        (["models_of_test:number"], "found a int; expected a function"),
        (
            ["models_of_test:projected"],
            "found no arguments; expected those that it is called with. Write them in --args",
        ),
        (["no_such_module:f"], "module 'no_such_module' cannot be imported"),
        (["broken_of_test:f"], "No module named 'no_such_module_at_all'"),
        (["models_of_test:picky", "--args", "f64[3]"], "it fails: ValueError: only for Sundays. Expected arguments"),
        (["models_of_test:projected", "--args", "f64[3] f64[2,4]"], "it fails: TypeError"),
        (["models_of_test:projected", "--args", "f65[3]"], "found 'f65[3]'; expected an array"),
        (["models_of_test:projected", "--args", "x y"], "found 'x'; expected an array"),
        (["models_of_test:projected", "--args", "f64[99999999,9999999]"], "entries in all; expected"),
        *((["models_of_test:projected", "--args", text], "expected an array, such as") for text in NO_ARRAYS),
        *((["models_of_test:projected", "--args", text], "entries in all; expected") for text in LARGE),
        (["models_of_test:projected", "--args", "f64[3] f64[2,3]", "--argnums", "٠"], "--argnums: found '٠'"),
        (["leaving_of_test:f", "--args", "1"], "module 'leaving_of_test' cannot be imported: SystemExit: 3"),
        (["models_of_test:leaves", "--args", "f64[3]"], "it fails: SystemExit: 3"),
        (["models_of_test:moody.function", "--args", "1"], "has no 'moody.function'; expected a function"),
        (["models_of_test:projected", "--args", "i64[3] f64[2,3]"], "argument 0: found int64 of shape (3,)"),
        (["models_of_test:projected", "--args", "f64[3] f64[2,3]", "--argnums", "2"], "argnums: 2 is given"),
        (["models_of_test:projected", "--args", "f64[3] f64[2,3]", "--argnums", "one"], "--argnums: found 'one'"),
        (
            ["models_of_test:repeated", "--args", "f64[3] 0 'floor'", "--argnums", "1"],
            "argument 1: found int64 of shape ()",
        ),
        (["models_of_test:repeated", "--args", "f64[3] 1 'floor'"], "no path leads from the arguments"),
    ],
)
def test_refusals(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error) < 500
    assert "Traceback" not in error
    assert "Warning" not in error


def test_a_spec_has_no_arguments(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "spec.yaml").write_text("chain: [2, 3, 4]\n", encoding="utf-8")
    assert main(["plan", "spec.yaml", "--args", "f64[3]"]) == 2
    assert "a spec has no arguments" in capsys.readouterr().err


def test_a_file_of_that_name_is_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a:b").write_text("chain: [2, 3, 4]\n", encoding="utf-8")
    assert main(["plan", "a:b"]) == 0
    assert "24 fma" in capsys.readouterr().out
