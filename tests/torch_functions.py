"""Functions of PyTorch whose Jacobians are compared with those of `torch.func.jacrev`: by name, with their arguments.

Arguments are drawn in double precision; an entry has a function, its arguments and the positions to differentiate by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F


class Case(NamedTuple):
    """A function, its arguments and the positions to differentiate by; `way` is how it is to be computed, if told."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    argnums: int | tuple[int, ...] = 0
    way: str | None = None


def drawn(*shape: int) -> torch.Tensor:
    """Return numbers of the normal distribution."""
    return torch.randn(shape, dtype=torch.float64)


def _network(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers).double().eval()


class _ClipGradient(torch.autograd.Function):
    """The identity, with a derivative of 2."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return 2 * grad


def _rosenbrock(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


def _burgers(u: torch.Tensor) -> torch.Tensor:
    left, right = torch.roll(u, 1), torch.roll(u, -1)
    return -u * (right - left) / 2 + 0.1 * (right - 2 * u + left)


def _in_place(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros(6, dtype=x.dtype)
    y[:3] = x[:3] ** 2
    y[3:] += x[1:4].sin()
    y.mul_(2).add_(x[0])
    y[::2] *= x[4]
    return y


def _masked_in_place(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[y > 0] = 0.0
    return y * x


def _filled_rows(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty(4, 3, dtype=x.dtype)
    for i in range(4):
        y[i] = x[i] * (i + 1) if i == 0 else y[i - 1].clone() * x[i]
    return y


def _by_sign(x: torch.Tensor) -> torch.Tensor:
    return x**2 if x.sum() > 0 else x.sin()


def _until_small(x: torch.Tensor) -> torch.Tensor:
    while x.norm() > 1:
        x = x / 2
    return x * x


def _without_gradients(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        scale = x.norm()
    return x * scale


def _attention(x: torch.Tensor, wq: torch.Tensor, wk: torch.Tensor, wv: torch.Tensor) -> torch.Tensor:
    q, k, v = x @ wq, x @ wk, x @ wv
    return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1) @ v


def _tree(tree: dict[str, Any], scale: torch.Tensor) -> dict[str, Any]:
    return {"sum": tree["a"] + scale, "parts": (tree["b"][0] * scale, tree["b"][1].sum())}


def _lstm(x: torch.Tensor) -> torch.Tensor:
    made: torch.Tensor = _LSTM(x)[0]
    return made


def _gradient_step(w: torch.Tensor) -> torch.Tensor:
    data, target = _DATA, _TARGET
    residual = torch.tanh(data @ w) - target
    return w - 0.1 * data.mT @ (residual * (1 - torch.tanh(data @ w) ** 2))


torch.manual_seed(0)
_W = [drawn(4, 24) / 5 for _ in range(3)] + [drawn(24, 4) / 2 for _ in range(3)]
_DATA, _TARGET = drawn(7, 5), drawn(7)
_A, _B = drawn(6, 6), drawn(5, 5)
_INDEX, _ROWS = torch.tensor([3, 0, 2, 2]), torch.tensor([[0, 1], [2, 0], [1, 1]])
_SPD = _A @ _A.mT + 6 * torch.eye(6, dtype=torch.float64)
_LSTM = nn.LSTM(3, 4).double()
_MHA = nn.MultiheadAttention(8, 2, batch_first=True).double().eval()
_ENCODER = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0).double()
_X5, _X6, _X23, _X45 = drawn(5), drawn(6), drawn(2, 3), drawn(4, 5)


def _bottleneck(x: torch.Tensor) -> torch.Tensor:
    for i in range(3):
        x = x + _W[3 + i] @ torch.tanh(_W[i] @ x)
    return x


CASES: dict[str, Case] = {
    "square": Case(lambda x: x**2, (_X5,)),
    "polynomial": Case(lambda x: 3 * x**3 - x + 2, (_X5,)),
    "mixed elementwise": Case(lambda x: torch.sin(x) * torch.exp(-x) + x.abs().sqrt(), (_X5,)),
    "activations": Case(lambda x: F.gelu(x) + F.silu(x) + F.softplus(x) + F.elu(x) + F.leaky_relu(x), (_X45,)),
    "clamped": Case(lambda x: x.clamp(-0.5, 0.7) + torch.relu(x) + F.hardtanh(x), (_X45,)),
    "two arguments": Case(lambda x, y: torch.atan2(x, y) + x * y, (_X5, drawn(5)), (0, 1)),
    "broadcast": Case(lambda x, y: x * y + x - y / x, (drawn(3, 1), drawn(4)), (0, 1)),
    "second argument": Case(lambda x, y: x @ y, (drawn(3, 4), drawn(4)), 1),
    "last argument": Case(lambda x, y: x @ y.exp(), (drawn(3, 4), drawn(4)), (-1,)),
    "where": Case(lambda x: torch.where(x > 0, x**2, x.exp()), (_X45,)),
    "maximum": Case(lambda x, y: torch.maximum(x, y) * torch.minimum(x, y), (_X5, drawn(5)), (0, 1)),
    "scalar result": Case(lambda x: (x**2).sum(), (_X45,)),
    "scalar argument": Case(lambda x: x * torch.arange(4, dtype=torch.float64).sin(), (drawn(),)),
    "result is argument": Case(lambda x: x, (_X5,)),
    "constant result": Case(lambda x: _A[0], (_X5,)),
    "linear": Case(lambda x: _A @ x, (_X6,)),
    "result twice": Case(lambda x: (x.sin(), x.sin(), x), (_X5,)),
    "tree": Case(_tree, ({"a": _X5, "b": [drawn(2), drawn(3)]}, drawn()), (0, 1)),
    "tree of one": Case(_tree, ({"a": _X5, "b": [drawn(2), drawn(3)]}, drawn()), 0),
    "number beside": Case(lambda x, p, flag: x**p if flag else x, (_X5, 3, True)),
    "index beside": Case(lambda x, i: x[i] ** 2, (_X6, _INDEX)),
    "bottleneck": Case(_bottleneck, (drawn(24),)),
    "perceptron": Case(_network(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), (_X6,)),
    "perceptron of a batch": Case(_network(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)), (_X45,)),
    "residual network": Case(lambda x: x + torch.tanh(x @ _B) @ _B.mT, (_X45,)),
    "layer norm": Case(_network(nn.Linear(5, 6), nn.LayerNorm(6), nn.GELU()), (_X45,)),
    "layer norm by weights": Case(lambda x, w, b: F.layer_norm(x, (5,), w, b), (_X45, _X5, drawn(5)), (0, 1, 2)),
    "group norm": Case(_network(nn.GroupNorm(2, 4)), (drawn(3, 4, 5),)),
    "batch norm": Case(_network(nn.Linear(5, 5), nn.BatchNorm1d(5)), (_X45,)),
    "convolution": Case(_network(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU()), (drawn(1, 1, 5, 5),)),
    "convolution by weights": Case(lambda x, w: F.conv1d(x, w), (drawn(1, 2, 8), drawn(3, 2, 3)), (0, 1)),
    "transposed convolution": Case(_network(nn.ConvTranspose1d(2, 3, 3)), (drawn(1, 2, 5),)),
    "convolutional network": Case(
        _network(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)), (drawn(1, 1, 6, 6),)
    ),
    "average pooling": Case(_network(nn.AvgPool1d(2), nn.Sigmoid()), (drawn(1, 2, 6),)),
    "upsampling": Case(lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), (drawn(1, 1, 4),)),
    "attention": Case(_attention, (drawn(5, 4), drawn(4, 3), drawn(4, 3), drawn(4, 2))),
    "attention by weights": Case(_attention, (drawn(4, 3), drawn(3, 2), drawn(3, 2), drawn(3, 2)), (1, 2, 3)),
    "scaled attention": Case(lambda q: F.scaled_dot_product_attention(q, q, q), (drawn(1, 2, 4, 3),)),
    "several heads": Case(lambda x: _MHA(x, x, x, need_weights=False)[0], (drawn(1, 4, 8),)),
    "encoder": Case(_ENCODER, (drawn(1, 3, 8),)),
    "softmax of rows": Case(lambda x: torch.softmax(x, 0) + torch.log_softmax(x, 1), (_X45,)),
    "cross entropy": Case(lambda x: F.cross_entropy(x, _INDEX, reduction="none"), (_X45,)),
    "embedding": Case(lambda w: F.embedding(_ROWS, w).tanh().sum(1), (drawn(4, 3),)),
    "recurrent cell": Case(nn.GRUCell(3, 4).double(), (_X23,)),
    "recurrent network": Case(_lstm, (drawn(3, 1, 3),)),
    "index": Case(lambda x: x[_INDEX] * x[1:5:2].sum(), (_X6,)),
    "gather": Case(lambda x: x.gather(1, _ROWS % 3).exp(), (drawn(3, 3),)),
    "index select": Case(lambda x: x.index_select(0, _INDEX).T @ x, (_X45,)),
    "scatter add": Case(lambda x: torch.zeros(5, dtype=x.dtype).index_add(0, _INDEX, x) ** 2, (drawn(4),)),
    "stack and split": Case(lambda x: torch.stack([a * x.flip(0)[:2] for a in x.split(2)]), (_X6,)),
    "views": Case(lambda x: x.T.reshape(-1, 2).unsqueeze(0).permute(2, 0, 1).sin(), (_X45,)),
    "padding and rolling": Case(lambda x: F.pad(x, (1, 2)) * F.pad(x.roll(1), (2, 1)), (_X5,)),
    "triangles": Case(lambda x: torch.tril(x) @ torch.triu(x), (drawn(4, 4),)),
    "reductions": Case(lambda x: torch.stack([x.mean(0), x.amax(0), x.prod(0), x.logsumexp(0), x.var(0)]), (_X45,)),
    "norms": Case(lambda x: torch.stack([x.norm(), x.std(), torch.linalg.vector_norm(x, 1), x.max()]), (_X45,)),
    "cumulative": Case(lambda x: x.cumsum(0) * x.cumprod(0), (_X5,)),
    "sorted": Case(lambda x: x.sort()[0] * torch.arange(5) + x.topk(2)[0].sum(), (_X5,)),
    "einsum": Case(lambda x: torch.einsum("ij,jk,ik->i", x, x, x), (drawn(4, 4),)),
    "batched products": Case(lambda x, y: torch.bmm(x, y).relu(), (drawn(2, 3, 4), drawn(2, 4, 2)), (0, 1)),
    "outer": Case(lambda x, y: torch.outer(x, y) + x.dot(x), (drawn(3), drawn(4)), (0, 1)),
    "biased product": Case(lambda x, b: torch.addmm(b, x, _B), (_X45, drawn(5)), (0, 1)),
    "matrix power": Case(lambda x: torch.linalg.matrix_power(x, 3), (drawn(3, 3),)),
    "solve": Case(lambda x: torch.linalg.solve(_A + torch.diag(x), _X6), (_X6,)),
    "inverse and determinant": Case(lambda x: torch.linalg.inv(x) * torch.linalg.det(x), (_A,)),
    "cholesky": Case(lambda x: torch.linalg.cholesky(_SPD + torch.diag(x)), (_X6,)),
    "eigenvalues": Case(lambda x: torch.linalg.eigvalsh(x + x.mT), (_A,)),
    "fourier": Case(lambda x: torch.fft.rfft(x).abs(), (_X6,)),
    "rosenbrock": Case(_rosenbrock, (drawn(12),)),
    "burgers": Case(_burgers, (drawn(12),)),
    "gradient step": Case(_gradient_step, (_X5,)),
    "in place": Case(_in_place, (_X5,)),
    "masked in place": Case(_masked_in_place, (_X5,)),
    "filled rows": Case(_filled_rows, (drawn(4, 3),)),
    "detached": Case(lambda x: x * x.detach() + x, (_X5,)),
    "own derivative": Case(lambda x: _ClipGradient.apply(x) * x, (_X5,), 0, "jacrev"),
    "without gradients": Case(_without_gradients, (_X5,), 0, "jacrev"),
    "control flow": Case(_by_sign, (_X5.abs(),), 0, "jacrev"),
    "control flow, other side": Case(_by_sign, (-_X5.abs(),), 0, "jacrev"),
    "loop by values": Case(_until_small, (_X5,), 0, "jacrev"),
}
