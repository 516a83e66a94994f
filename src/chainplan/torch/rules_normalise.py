"""Softmax and normalisation: diagonals and corrections of low rank, through one or two inner entries a line."""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from torch import Tensor

from chainplan.torch.edges import ActiveNode, TorchEdge, blocks_edge, diagonal_edge, pick_edge, sign_edge
from chainplan.torch.forms import TensorBlock, parts
from chainplan.torch.indexing import taken
from chainplan.torch.types import Index, OperandValues, Value


def softmax(active: ActiveNode) -> list[TorchEdge]:
    """Make the edges of y = softmax(x) along an axis: diag(y) − y·yᵀ for each line, through one inner entry a line.

    Its derivative is Ȳ·diag(y) − (Ȳ·y)·yᵀ, so that a vector takes three multiply-adds an entry.
    """
    lines, length, order = _lines(active)

    def laid(given: OperandValues) -> Tensor:
        return _in_lines(active, active.apply(given)[0], lines, length)

    return [
        *order(0, "lines"),
        diagonal_edge("lines", "lines out", lines * length, lambda given: laid(given).reshape(-1)),
        blocks_edge("lines", "sums", lines, 1, length, False, lambda given: parts(lines, laid(given)[:, None, :])),
        blocks_edge("sums", "lines out", lines, length, 1, False, lambda given: parts(lines, -laid(given)[:, :, None])),
        *order("lines out", 0),
    ]


def log_softmax(active: ActiveNode) -> list[TorchEdge]:
    """Make the edges of log softmax along an axis: I − 1·softmax(x)ᵀ for each line, through one inner entry a line."""
    lines, length, order = _lines(active)

    def weights(given: OperandValues) -> TensorBlock:
        return parts(lines, -_in_lines(active, active.apply(given)[0], lines, length).exp()[:, None, :])

    return [
        *order(0, "lines"),
        sign_edge("lines", "lines out", lines * length),
        blocks_edge("lines", "sums", lines, 1, length, False, weights),
        pick_edge("sums", "lines out", np.repeat(np.arange(lines), length), lines),
        *order("lines out", 0),
    ]


def _lines(active: ActiveNode) -> tuple[int, int, Value]:
    """Return the number and the length of the lines along an axis, and what makes the edges that put them in order."""
    shape = active.shape(0) or (1,)
    axis = active.given["dim"] % len(shape)
    numbers = np.moveaxis(np.arange(prod(shape)).reshape(shape), axis, -1).ravel()

    def order(source: int | str, target: int | str) -> list[TorchEdge]:
        index = numbers if source == 0 else np.argsort(numbers)
        return [pick_edge(source, target, index, len(index))]

    return len(numbers) // shape[axis], shape[axis], order


def _in_lines(active: ActiveNode, value: Tensor, lines: int, length: int) -> Tensor:
    """Lay a result out as lines x length."""
    if value.ndim == 0:
        return value.reshape(1, 1)
    return value.movedim(active.given["dim"], -1).reshape(lines, length)


def layer_norm(active: ActiveNode) -> list[TorchEdge] | None:
    """Make the edges of layer normalisation: a line of weights for every line."""
    length = prod(active.given["normalized_shape"])
    size = prod(active.out_shape)
    return _normalisation(active, length, np.tile(np.arange(length), size // length))


def group_norm(active: ActiveNode) -> list[TorchEdge] | None:
    """Make the edges of group normalisation: a line is a group of channels, and each channel has a weight."""
    channels, area, groups = (active.given[name] for name in ("C", "HxW", "group"))
    own = np.repeat(np.arange(channels), area)
    return _normalisation(active, channels // groups * area, np.tile(own, prod(active.out_shape) // len(own)))


def _normalisation(active: ActiveNode, length: int, weight_of: Index) -> list[TorchEdge] | None:
    """Make the edges of a normalisation of lines, with x̂ = (x − mean)/σ: J = diag(w/σ)·(I − (1·1ᵀ + x̂·x̂ᵀ)/d) a line.

    Two inner entries a line hold the mean and the part along x̂ of a tangent. `weight_of` is the weight of each entry.
    """
    operands = active.operands
    names = [name for name in ("input", "weight", "bias") if active.given[name] is not None]
    place = {name: operands.index(active.given[name]) for name in names}
    if len(operands) != len(names) or len(set(operands)) != len(names) or active.outs != (0,):
        return None
    size, at = len(weight_of), place["input"]
    lines = size // length

    def normalised(given: OperandValues) -> tuple[Tensor, Tensor]:
        _, mean, slope = active.apply(given)
        slope = slope.reshape(lines, 1)
        return (given[at].reshape(lines, length) - mean.reshape(lines, 1)) * slope, slope

    def slopes(given: OperandValues) -> Tensor:
        slope = normalised(given)[1].expand(lines, length).reshape(-1)
        return slope * taken(given[place["weight"]].reshape(-1), weight_of) if "weight" in place else slope

    def sides(given: OperandValues) -> Tensor:
        hat = normalised(given)[0]
        return torch.stack([torch.ones_like(hat), hat], 1)

    edges: list[TorchEdge] = []
    if at in active.ins:
        edges = [
            sign_edge(at, "centred", size),
            blocks_edge(at, "means", lines, 2, length, False, lambda given: parts(lines, sides(given) / -length)),
            blocks_edge(
                "means", "centred", lines, length, 2, False, lambda given: parts(lines, sides(given).transpose(1, 2))
            ),
            diagonal_edge("centred", 0, size, slopes),
        ]
    width = int(weight_of.max()) + 1
    if place.get("weight") in active.ins:
        edges.append(pick_edge(place["weight"], "weights", weight_of, width))
        edges.append(diagonal_edge("weights", 0, size, lambda given: normalised(given)[0].reshape(-1)))
    if place.get("bias") in active.ins:
        edges.append(pick_edge(place["bias"], 0, weight_of, width))
    return edges
