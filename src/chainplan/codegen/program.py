"""The scalar program as users see it: its derivatives, its texts, and itself as a function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainplan.codegen.compile import CompiledProgram, compiled_program
from chainplan.codegen.jacobian import jacobian_program
from chainplan.codegen.straight_line import StraightLine
from chainplan.codegen.targets.c import c_source
from chainplan.codegen.targets.casadi_function import casadi_function
from chainplan.codegen.targets.names import function_name
from chainplan.codegen.targets.registry import TARGETS
from chainplan.codegen.targets.sympy_expressions import sympy_expressions

if TYPE_CHECKING:
    import casadi
    import sympy


class ScalarProgram(StraightLine):
    """A straight-line program over reals.

    Make one by `chainplan.codegen.sources.jax_function` or another source, not by hand.

    Parameters
    ----------
    name : str
        The name of the program, which targets use unless they are given another one.
    inputs : tuple[InputArray, ...]
        The arrays that it takes; their entries are the values from 0 on, in row-major order.
    constants : tuple[float, ...]
        The constants, which are numbered on.
    lines : tuple[Line, ...]
        The operations in an order in which they can be computed, which are numbered on.
    outputs : tuple[OutputArray, ...]
        The arrays that it gives.
    variables : tuple[str, ...]
        The inputs by which derivatives are taken where none are named; where there are none, by all.
    counts : Mapping[str, OrderCount] | None
        Where the program holds derivatives: for each order of elimination, by its name, how many `values` it writes
        and, of the few shortest, how many `operations` remain after all passes.

    Examples
    --------
    >>> import chainplan.codegen
    >>> spec = {"input": {"x": 2}, "layers": [{"op": "tanh"}]}
    >>> program = chainplan.codegen.from_layers(spec)
    >>> program.operations, program.jacobian().operations
    (2, 6)
    """

    def jacobian(
        self,
        wrt: str | Sequence[str] | None = None,
        of: str | Sequence[str] | None = None,
        *,
        with_value: bool = True,
    ) -> ScalarProgram:
        """Return the program that computes a Jacobian, of all outputs by all inputs unless some are named.

        The Jacobian has a row for each entry of the outputs and a column for each entry of the inputs, one array after
        the other. Applied to a program that computes a Jacobian it gives the second derivatives, of rows x cols x cols,
        and so on; entries that are equal by symmetry are computed once.

        Parameters
        ----------
        wrt : str | Sequence[str] | None
            The names of inputs; by default `variables`.
        of : str | Sequence[str] | None
            The names of outputs; by default those of the highest derivative that the program computes.
        with_value : bool
            Whether the program also gives the outputs that it gave before.

        Returns
        -------
        ScalarProgram
            The program with as few operations as was found; `counts` says how many each order takes.

        Raises
        ------
        ArgumentError
            Where there is no input or output of a name.
        """
        return jacobian_program(self, wrt, of, with_value)

    def c_source(self, name: str | None = None, *, sparse: bool = False) -> str:
        """Return the program as one file of C99 that stands alone.

        Parameters
        ----------
        name : str | None
            The name of the function; the name of the program where it is left out.
        sparse : bool
            Whether an output with entries that are always zero is an array of the others alone. Constant arrays in the
            file, such as `arm_jacobian_rows` and `arm_jacobian_cols`, then hold the row and the column of each.

        Returns
        -------
        str
            The text of the file: a function of one point, and one of many points.

        Raises
        ------
        ArgumentError
            Where the name is not one that C takes.
        """
        return c_source(self, function_name(self.name if name is None else name), sparse)

    def python_source(self, name: str | None = None) -> str:
        """Return the program as a Python module that needs nothing but `math`, or numpy for many points.

        Parameters
        ----------
        name : str | None
            The name of the function; the name of the program where it is left out.

        Returns
        -------
        str
            The text of the module.

        Raises
        ------
        ArgumentError
            Where the name is not one that Python takes.
        """
        return self._written("python", name)

    def compile(self, target: str = "c") -> CompiledProgram:
        """Compile the program for this process.

        Parameters
        ----------
        target : str
            `c`, by a C compiler of this machine, whose objects are kept in the user's cache; `numba`, for small
            programs; or `python`.

        Returns
        -------
        CompiledProgram
            A function of arrays, an array for each input, whose `batch` takes many points. Where there is no C compiler
            it runs as Python, and a warning says so.

        Raises
        ------
        ArgumentError
            Where there is no such target, or the program is too large for it.
        SpecError
            Where Numba is not installed.
        """
        return compiled_program(self, target)

    def casadi(self, name: str | None = None) -> casadi.Function:
        """Return the program as a CasADi function of SX.

        Parameters
        ----------
        name : str | None
            The name of the function; the name of the program where it is left out.

        Returns
        -------
        casadi.Function
            A function with the inputs and outputs of the program; entries that are always zero are not stored.

        Raises
        ------
        SpecError
            Where CasADi is not installed.
        ArgumentError
            Where the name is not one that CasADi takes, or an array has more than two axes.
        """
        return casadi_function(self, function_name(self.name if name is None else name))

    def sympy(self) -> tuple[list[tuple[sympy.Symbol, sympy.Expr]], list[sympy.NDimArray]]:
        """Return the program as replacements and reduced expressions, as `sympy.cse` gives them.

        Returns
        -------
        tuple
            A pair of a symbol and what it stands for, for each operation that is used more than once, is a branch or
            would stand deep inside others; and an array of expressions for each output. The symbols of inputs are
            called x_0, x_1, … for an input x.

        Raises
        ------
        SpecError
            Where SymPy is not installed.
        """
        return sympy_expressions(self, function_name(self.name))

    def latex(self, name: str | None = None) -> str:
        r"""Return the program as equations in LaTeX, if it is small enough to be read.

        Parameters
        ----------
        name : str | None
            The name in the comment of the first line; the name of the program where it is left out.

        Returns
        -------
        str
            An `align*` environment: the replacements of `sympy`, and then each output as a number or a matrix.

        Raises
        ------
        SpecError
            Where SymPy is not installed.
        ArgumentError
            Where the program has too many operations.

        Examples
        --------
        >>> import sympy
        >>> from chainplan.codegen import from_sympy
        >>> x, y = sympy.symbols("x y")
        >>> print(from_sympy(x / y, [x, y]).latex().partition("\n")[2])
        \begin{align*}
        \mathrm{value} &= \frac{x_{0}}{x_{1}}
        \end{align*}
        <BLANKLINE>
        """
        return self._written("latex", name)

    def _written(self, target: str, name: str | None) -> str:
        return TARGETS[target].source(self, function_name(self.name if name is None else name))
