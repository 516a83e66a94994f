"""The functions of the suite `torch`: networks, attention, stencils and linear algebra, in double precision.

Each entry makes a function and the point where it is differentiated; numbers are drawn with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Instance = tuple[Callable[..., Any], torch.Tensor]


def _drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def _residual() -> Instance:
    """Three residual layers through four hidden units."""
    layers = [(_drawn(4, 64) / 8, _drawn(64, 4) / 2) for _ in range(3)]

    def function(x: torch.Tensor) -> torch.Tensor:
        for a, b in layers:
            x = x + b @ torch.tanh(a @ x)
        return x

    return function, _drawn(64)


def _bottleneck() -> Instance:
    """A network 64-64-4-64-64."""
    w = [_drawn(64, 64) / 8, _drawn(4, 64) / 8, _drawn(64, 4) / 2, _drawn(64, 64) / 8]

    def function(x: torch.Tensor) -> torch.Tensor:
        for weights in w[:-1]:
            x = torch.tanh(weights @ x)
        return w[-1] @ x

    return function, _drawn(64)


def _projection() -> Instance:
    """An elementwise stage of 1000, and a projection to 200."""
    p = _drawn(200, 1000)
    return lambda x: p @ (torch.sin(x) * torch.exp(-x) + x**3), _drawn(1000)


def _burgers() -> Instance:
    """A right-hand side of Burgers' equation on 500 cells."""

    def function(u: torch.Tensor) -> torch.Tensor:
        left, right = torch.roll(u, 1), torch.roll(u, -1)
        return -u * (right - left) / 2 + 0.1 * (right - 2 * u + left)

    return function, _drawn(500)


def _rosenbrock() -> Instance:
    """The residuals of Rosenbrock's function of 300 variables."""
    return lambda x: torch.cat([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]]), _drawn(300)


def _attention() -> Instance:
    """One head of attention over 16 tokens."""
    q, k, v = _drawn(8, 4), _drawn(8, 4), _drawn(8, 4)
    return lambda x: torch.softmax(x @ q @ (x @ k).mT / 2, -1) @ (x @ v), _drawn(16, 8)


def _solve() -> Instance:
    """A linear system with unknowns on its diagonal."""
    a, b = _drawn(40, 40) + 10 * torch.eye(40, dtype=torch.float64), _drawn(40)
    return lambda x: torch.linalg.solve(a + torch.diag(x), b), _drawn(40)


def _network(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers).double().eval()


MAKERS: dict[str, Callable[[], Instance]] = {
    "residual": _residual,
    "bottleneck": _bottleneck,
    "projection": _projection,
    "burgers": _burgers,
    "rosenbrock": _rosenbrock,
    "attention": _attention,
    "solve": _solve,
    "rows": lambda: (_network(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 10)), _drawn(32, 20)),
    "classifier": lambda: (
        _network(nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 3)),
        _drawn(100),
    ),
    "convolution": lambda: (
        _network(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 10)),
        _drawn(1, 1, 14, 14),
    ),
    "layer norm": lambda: (
        _network(nn.Linear(16, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 8)),
        _drawn(16, 16),
    ),
    "softmax": lambda: (lambda x: torch.softmax(x, -1), _drawn(20, 20)),
    "elementwise": lambda: (lambda x: F.gelu(x) * x.sin(), _drawn(300)),
    "cumulative": lambda: (lambda x: torch.cumsum(x.sin(), 0), _drawn(200)),
    "scalar": lambda: (lambda x: (x.sin() ** 2).sum(), _drawn(1000)),
    "outer": lambda: (lambda x: torch.outer(x, x.tanh()), _drawn(40)),
}
"""By name: what makes a function and its point."""


def instance(name: str) -> Instance:
    """Make a function and its point."""
    torch.manual_seed(0)
    return MAKERS[name]()
