"""The reason for which a function is left to PyTorch's own modes."""

from __future__ import annotations


class NotTraced(Exception):
    """The reason why no plan is made for a function; `jacobian` catches it and uses `torch.func.jacrev`.

    With `by_values` the reason is that the steps of the function depend on values.
    """

    def __init__(self, reason: str, by_values: bool = False) -> None:
        super().__init__(reason)
        self.by_values = by_values
