"""Stores the rates of a machine: one JSON file per BLAS, core type, number of threads and dtype.

`chainplan calibrate` measures and writes them (`costs.calibrate`), the objective `calibrated` reads them. The files lie
in the user's cache folder, or in `$CHAINPLAN_CACHE` where that is set; nothing is ever downloaded.
"""

from __future__ import annotations

import json
import os
import platform
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from chainplan.costs.timed import proper_rates
from chainplan.errors import SpecError

RATES_FORMAT = 4
"""Version of the files; every change of regimes, features or kernels raises it."""


class Machine(NamedTuple):
    """What the time of a kernel depends on besides the blocks."""

    blas: str
    core: str
    threads: int
    dtype: str


def this_machine(dtype: str = "float64") -> Machine:
    """Return the BLAS, core type and threads of this process, as OpenBLAS reports them where numpy uses it."""
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    blas = config["Build Dependencies"]["blas"]
    core, threads = _ask_openblas()
    name = f"{blas['name']} {blas['version']}"
    return Machine(name, core or processor(), threads or _expected_threads(), dtype)


def _ask_openblas() -> tuple[str | None, int | None]:
    """Ask the OpenBLAS that numpy has loaded for its core type and its number of threads; None where there is none."""
    import ctypes

    import numpy as np

    core: str | None = None
    threads: int | None = None
    try:
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        return core, threads
    for prefix, suffix in (("scipy_", "64_"), ("", "64_"), ("scipy_", ""), ("", "")):
        try:
            get_corename = library[f"{prefix}openblas_get_corename{suffix}"]
            get_num_threads = library[f"{prefix}openblas_get_num_threads{suffix}"]
        except AttributeError:
            continue
        get_corename.restype = ctypes.c_char_p
        core, threads = get_corename().decode(), get_num_threads()
        break
    return core, threads


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _expected_threads() -> int:
    """Return the number of threads that the environment sets for a BLAS, or the number of cores."""
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        if re.fullmatch("[0-9]{1,9}", number := os.environ.get(variable, "")):
            return int(number)
    return os.cpu_count() or 1


def cache_folder() -> Path:
    """Return `$CHAINPLAN_CACHE`, or else `chainplan` in the folder where the system keeps the caches of a user."""
    given = os.environ.get("CHAINPLAN_CACHE")
    if given:
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("chainplan", appauthor=False, opinion=False)


def rates_file(machine: Machine) -> Path:
    """Return the path of the file with the rates of a machine."""
    words = "-".join(re.sub(r"[^A-Za-z0-9.]+", "_", str(word)) for word in machine)
    return cache_folder() / f"rates-{RATES_FORMAT}-{words}.json"


def stored_rates(dtype: str = "float64") -> dict[str, tuple[int, ...]]:
    """Return the stored rates of this machine.

    Raises
    ------
    SpecError
        Where this machine has not been measured, or its file cannot be used.
    """
    machine = this_machine(dtype)
    path = rates_file(machine)
    again = "Run 'chainplan calibrate'" + ("." if dtype == "float64" else f" with --dtype {dtype}.")
    if not path.exists():
        raise SpecError(
            f"objective 'calibrated': found no rates for {machine.blas}, core {machine.core}, {machine.threads} "
            f"thread{'s' if machine.threads != 1 else ''}, {dtype} in '{path.parent}'; expected them to have been "
            f"measured on this machine. {again}"
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return proper_rates(document["rates"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"{path}: found no rates: {detail}; expected a file that calibrate wrote. {again}") from None


def store(machine: Machine, rates: dict[str, tuple[int, ...]]) -> Path:
    """Store the rates of a machine; the file appears complete or not at all.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    path = rates_file(machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "format": RATES_FORMAT,
        **machine._asdict(),
        "unit": "femtoseconds",
        "rates": {regime: list(values) for regime, values in rates.items()},
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
