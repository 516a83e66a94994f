"""Builds the compiled routines of chainplan: for the wheel, for editable installations, and in place by hand.

`python hatch_build.py` compiles them in place. Where no C compiler is found, or it fails, the wheel is pure Python and
everything else is the same; the command says so and ends with 1.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
FOLDER = Path("src", "chainplan", "compiled")
LIMITED_API = ("Py_LIMITED_API", "0x030B0000")
OPTIONS = [] if os.name == "nt" else ["-std=c11", "-O3", "-Wall", "-Wextra"]


class CompiledRoutinesHook(BuildHookInterface):
    """Compiles before a wheel is packed, and names the platform in its tag where that worked."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the compiled object to the wheel; `version` is `editable` where the sources are used in place."""
        built = compile_in_place()
        if built is not None:
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{platform}"
            build_data["artifacts"].append(f"/{built.relative_to(ROOT).as_posix()}")


def compile_in_place(options: list[str] | None = None) -> Path | None:
    """Compile all C files into one object beside them and return its path, or None where that failed.

    `options` are more options for the compiler and the linker.
    """
    try:
        from numpy import get_include
        from setuptools import Distribution, Extension
        from setuptools.command.build_ext import build_ext
    except ImportError as error:
        return _failed(f"{error.name} is not installed")
    more = options or []
    extension = Extension(
        "chainplan.compiled._core",
        sorted(str(path) for path in (ROOT / FOLDER).glob("*.c")),
        define_macros=[LIMITED_API],
        include_dirs=[get_include()],
        extra_compile_args=OPTIONS + more,
        extra_link_args=more,
        depends=sorted(str(path) for path in (ROOT / FOLDER).glob("*.h")),
        py_limited_api=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        command = build_ext(Distribution({"name": "chainplan", "ext_modules": [extension]}))
        command.build_lib, command.build_temp, command.force = str(ROOT / "src"), folder, True
        try:
            command.ensure_finalized()
            command.run()
        except Exception as error:
            return _failed(str(error))
    return Path(command.get_ext_fullpath(extension.name))


def _failed(why: str) -> None:
    """Say why nothing was compiled."""
    print(f"chainplan: its routines in C were not compiled, which only costs speed: {why}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(compile_in_place(sys.argv[1:]) is None)
