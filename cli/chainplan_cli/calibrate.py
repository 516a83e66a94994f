"""`chainplan calibrate`: measure the rates of the kernels on this machine, for `--objective calibrated`."""

from __future__ import annotations

import click

from chainplan_cli.common import seed_option

RATED_DTYPES = ("float64", "float32", "int64")


@click.command()
@click.option("--dtype", type=click.Choice(RATED_DTYPES), default="float64", show_default=True)
@seed_option
def command(dtype: str, seed: int) -> int:
    """Time the kernels on random blocks, fit their rates, and keep them for --objective calibrated.

    It takes less than five seconds; let the machine do nothing else meanwhile. The rates lie in the user's cache folder
    (or $CHAINPLAN_CACHE), one file per BLAS, core type, number of threads and dtype.
    """
    from chainplan.costs.calibrate import measure
    from chainplan.costs.rate_store import store, this_machine
    from chainplan.kernels.default_rates import FEMTOSECONDS_PER_NANOSECOND, REGIMES
    from chainplan.report.words.table import columns

    machine = this_machine(dtype)
    fits = measure(dtype, seed=seed)
    rows = [("kernel", "points", "residual", "worst", "ns per call, per entry, per multiplication")]
    for fit in fits:
        named = (
            f"{rate / FEMTOSECONDS_PER_NANOSECOND:.3g} / {name}"
            for name, rate in zip(REGIMES[fit.regime], fit.rates, strict=True)
        )
        shares = (f"{100 * fit.typical:.0f} %", f"{100 * fit.worst:.0f} %")
        rows.append((fit.regime, str(fit.points), *shares, "  ".join(named)))
    path = store(machine, {fit.regime: fit.rates for fit in fits})
    threads = f"{machine.threads} thread{'s' if machine.threads != 1 else ''}"
    click.echo(f"{machine.blas}, core {machine.core}, {threads}, {machine.dtype}\n")
    click.echo("\n".join(columns(rows, right={1, 2, 3}, indent="  ")))
    click.echo(f"\n  residual: root mean square of (predicted / measured - 1)\n  kept in {path}")
    return 0
