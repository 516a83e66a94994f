"""Compiles C to shared objects by the compiler of this machine, and keeps them in the user's cache by their content.

The name of an object is a digest of all that it depends on: source, compiler and its version, options, processor. The
folder belongs to the user alone, and an object that somebody else could have written is not loaded. Where the cache
cannot be written, objects are kept for as long as the process runs.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from chainplan.costs.rate_store import cache_folder, processor

OPTIONS = (
    *("-std=c99", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fno-tree-slp-vectorize"),
    *("-fPIC", "-shared"),
)
"""Options for speed alone: products and sums may be fused, and straight lines are not turned into vectors."""
NATIVE_OPTIONS: tuple[tuple[str, ...], ...] = (
    ("-march=native", "-mprefer-vector-width=512", "-fno-ivopts", "-fno-tree-slsr"),
    ("-march=native", "-mprefer-vector-width=512"),
    ("-march=native",),
    ("-mcpu=native",),
    (),
)
"""Options that let the compiler use all instructions of this processor, by preference; not every compiler has them.

The widest vectors suit code that is nothing but vectors. GCC is kept from deriving the address of each row of an array
from that of another, which makes chains of additions that take longer than the arithmetic.
"""
MAX_COMPILE_SECONDS = 600


def compilers() -> Iterator[tuple[str, ...]]:
    """Yield the commands of C compilers: `$CC`, those on the path, that of the package `ziglang`."""
    given = shlex.split(os.environ.get("CC", ""))
    if given and shutil.which(given[0]):
        yield tuple(given)
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path:
            yield (path,)
    if find_spec("ziglang") is not None:
        yield (sys.executable, "-m", "ziglang", "cc")


def compiled(source: str) -> Path | None:
    """Return the shared object of a source, None where no compiler makes one."""
    for command in compilers():
        version = _version(command)
        if version is None:
            continue
        for native in NATIVE_OPTIONS:
            options = (*OPTIONS, *native)
            parts = (source, *command, version, *options, processor())
            name = hashlib.sha256("\0".join(parts).encode()).hexdigest()
            path = _folder() / f"{name}.so"
            if _trusted(path) or _made(command, options, source, path):
                return path
    return None


@cache
def _version(command: tuple[str, ...]) -> str | None:
    """Ask a compiler for its version, None where it cannot be run."""
    try:
        told = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout


def _folder() -> Path:
    """Return the folder of compiled code, which nobody else can write to; one of this process where there is none."""
    folder = cache_folder() / "code"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return Path(_own_folder())
    return folder if os.access(folder, os.W_OK | os.X_OK) and not _others_write(folder) else Path(_own_folder())


@cache
def _own_folder() -> str:
    """Make a folder for this process alone, which goes when it ends."""
    folder = tempfile.mkdtemp(prefix="chainplan-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _others_write(path: Path) -> bool:
    """Say whether somebody else may have written a file or folder."""
    if not hasattr(os, "getuid"):
        return False
    found = path.lstat()
    return found.st_uid != os.getuid() or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _trusted(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and not _others_write(path)


def _made(command: tuple[str, ...], options: tuple[str, ...], source: str, path: Path) -> bool:
    """Compile a source; the object appears complete or not at all."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        text, made = Path(folder, "code.c"), Path(folder, "code.so")
        text.write_text(source, encoding="utf-8")
        try:
            run = subprocess.run(
                [*command, *options, "-o", str(made), str(text), "-lm"],
                capture_output=True,
                timeout=MAX_COMPILE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        if run.returncode or not made.is_file():
            return False
        made.chmod(0o700)
        os.replace(made, path)
    return True
