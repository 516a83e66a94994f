"""Neural networks at fixed weights: perceptron, residual autoencoder with a bottleneck, transformer encoder block.

Weights are matrices rows x cols = outputs x inputs, applied from the left. They are arguments, not constants, so that
the perceptron can be differentiated by them, too.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import jax
import jax.numpy as jnp
from jax import Array

from bench.instances.functions.function import Float, Function, drawn, weights

HEADS = 2


def mlp(x: Array, w1: Array, b1: Array, w2: Array, b2: Array, w3: Array, b3: Array) -> Array:
    """Two hidden layers with tanh and a linear output. Goodfellow et al., chapter 6."""
    return w3 @ jnp.tanh(w2 @ jnp.tanh(w1 @ x + b1) + b2) + b3


def _residual(x: Array, inner: Array, outer: Array) -> Array:
    return x + outer @ jnp.tanh(inner @ x)


def bottleneck(x: Array, i1: Array, o1: Array, down: Array, up: Array, i2: Array, o2: Array) -> Array:
    """A residual block, a code of few elements, back to full width, a second residual block.

    The Jacobian has the rank of the code: its columns by reverse order before it and its rows by forward order behind
    it are few. He et al. 2016, equation 1; Hinton and Salakhutdinov 2006.
    """
    code = jnp.tanh(down @ _residual(x, i1, o1))
    return _residual(up @ code, i2, o2)


def layer_norm(x: Array) -> Array:
    """Every row less its mean, over its standard deviation. Ba et al. 2016, equation 3, without gain and bias."""
    rest = x - jnp.mean(x, axis=-1, keepdims=True)
    return rest / jnp.sqrt(jnp.mean(rest * rest, axis=-1, keepdims=True) + 1e-5)


def attention(query: Array, key: Array, value: Array) -> Array:
    """Values weighted by the softmax of scaled products; tokens x width each. Vaswani et al., equation 1."""
    scores = query @ key.T / key.shape[-1] ** 0.5
    return jax.nn.softmax(scores, axis=-1) @ value


def encoder(x: Array, wq: Array, wk: Array, wv: Array, wo: Array, w1: Array, b1: Array, w2: Array, b2: Array) -> Array:
    """Encoder block on tokens x width: attention in two heads, then a feed-forward layer, each added and normalised.

    Vaswani et al., sections 3.1 to 3.3; no positional encoding, no dropout.
    """
    q, k, v = (jnp.split(x @ w.T, HEADS, axis=-1) for w in (wq, wk, wv))
    heads = [attention(q[i], k[i], v[i]) for i in range(HEADS)]
    x = layer_norm(x + jnp.concatenate(heads, axis=-1) @ wo.T)
    return layer_norm(x + jax.nn.relu(x @ w1.T + b1) @ w2.T + b2)


def tanh_layers(x: Array, w1: Array, w2: Array, w3: Array) -> Array:
    """Three layers with tanh and no bias, the simplest network. Goodfellow et al., chapter 6."""
    return jnp.tanh(w3 @ jnp.tanh(w2 @ jnp.tanh(w1 @ x)))


def gelu_batch(x: Array, w1: Array, b1: Array, w2: Array, b2: Array) -> Array:
    """One hidden layer with the Gaussian error unit, on every row of a batch. Hendrycks and Gimpel 2016."""
    return jax.vmap(lambda one: w2 @ jax.nn.gelu(w1 @ one + b1) + b2)(x)


def convolutional(x: Array, k1: Array, k2: Array, w: Array) -> Array:
    """An image of one channel through two convolutions with tanh, means of 2 x 2 and a linear output. LeCun 1998."""

    def layer(image: Array, kernel: Array) -> Array:
        made = jax.lax.conv_general_dilated(image, kernel, (1, 1), "SAME")
        return jax.lax.reduce_window(jnp.tanh(made), 0.0, jax.lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") / 4

    return w @ layer(layer(x[None, None], k1), k2).ravel()


def bottleneck_loss(x: Array, *layers: Array) -> Array:
    """Half the squared difference of an input and what a bottleneck network makes of it."""
    return 0.5 * jnp.sum((bottleneck(x, *layers) - x) ** 2)


def fitted(points: int) -> Callable[..., Array]:
    """Outputs of the perceptron at points of the unit cube, by all weights: what a fit to data differentiates."""
    places = drawn("mlp-fit/points", points, 4)

    def outputs(p: Array) -> Array:
        """One vector of weights and biases, layer by layer."""
        ends = [0, 32, 40, 104, 112, 136, 139]
        w1, b1, w2, b2, w3, b3 = (p[a:b] for a, b in pairwise(ends))
        layers = w1.reshape(8, 4), b1, w2.reshape(8, 8), b2, w3.reshape(3, 8), b3
        return jax.vmap(lambda x: mlp(x, *layers))(places).ravel()

    return outputs


def _mlp_arguments(name: str, sizes: tuple[int, int, int, int]) -> tuple[Float, ...]:
    found = [drawn(f"{name}/x", sizes[0])]
    for i in (1, 2, 3):
        found += [weights(f"{name}/W{i}", sizes[i], sizes[i - 1]), drawn(f"{name}/b{i}", sizes[i], scale=0.1)]
    return tuple(found)


def _bottleneck_arguments(width: int, code: int) -> tuple[Float, ...]:
    shapes = [(width, width), (width, width), (code, width), (width, code), (width, width), (width, width)]
    return drawn("bottleneck/x", width), *(weights(f"bottleneck/{i}", *shape) for i, shape in enumerate(shapes))


def _encoder_arguments(tokens: int, width: int, hidden: int) -> tuple[Float, ...]:
    projections = (weights(f"encoder/{name}", width, width) for name in ("Q", "K", "V", "O"))
    first = weights("encoder/W1", hidden, width), drawn("encoder/b1", hidden, scale=0.1)
    second = weights("encoder/W2", width, hidden), drawn("encoder/b2", width, scale=0.1)
    return drawn("encoder/x", tokens, width, scale=1.5), *projections, *first, *second


MLP = Function(
    "mlp",
    mlp,
    _mlp_arguments("mlp", (32, 64, 64, 10)),
    (0,),
    "I. Goodfellow, Y. Bengio and A. Courville, Deep Learning (2016), chapter 6",
    "10 x 32: ten outputs by the input, through two hidden layers of 64",
)
MLP_WEIGHTS = Function(
    "mlp-weights",
    mlp,
    _mlp_arguments("mlp-weights", (4, 8, 8, 3)),
    (1, 2, 3, 4, 5, 6),
    "I. Goodfellow, Y. Bengio and A. Courville, Deep Learning (2016), chapter 6",
    "3 x 139: three outputs by all weights and biases, through two hidden layers of 8",
)
MLP_FIT = Function(
    "mlp-fit",
    fitted(60),
    (drawn("mlp-fit/weights", 139),),
    (0,),
    "I. Goodfellow, Y. Bengio and A. Courville, Deep Learning (2016), chapter 6",
    "180 x 139: three outputs at 60 points by all weights and biases, through two hidden layers of 8",
)
BOTTLENECK = Function(
    "bottleneck",
    bottleneck,
    _bottleneck_arguments(64, 4),
    (0,),
    "K. He et al., CVPR 2016, equation 1; G. Hinton and R. Salakhutdinov, Science 313 (2006) 504-507",
    "64 x 64: width 64 before and behind a code of four elements",
)
ENCODER = Function(
    "encoder",
    encoder,
    _encoder_arguments(4, 16, 32),
    (0,),
    "A. Vaswani et al., Attention Is All You Need, NeurIPS 2017, sections 3.1 to 3.3",
    "64 x 64: four tokens of width 16 by themselves, two heads, 32 hidden",
)
_DEEP = "I. Goodfellow, Y. Bengio and A. Courville, Deep Learning (2016), chapter 6"
TANH_LAYERS = Function(
    "tanh-layers",
    tanh_layers,
    (drawn("tanh/x", 100), *(weights(f"tanh/{i}", 100, 100) for i in range(3))),
    (0,),
    _DEEP,
    "100 x 100: three layers of 100",
    group="real",
)
GELU_BATCH = Function(
    "gelu-batch",
    gelu_batch,
    (
        drawn("gelu/x", 64, 10),
        weights("gelu/1", 64, 10),
        drawn("gelu/b1", 64),
        weights("gelu/2", 3, 64),
        drawn("b2", 3),
    ),
    (0,),
    "D. Hendrycks and K. Gimpel, Gaussian Error Linear Units, arXiv 1606.08415",
    "192 x 640: three outputs of each of 64 rows of ten",
    batches=(1,),
    group="real",
)
CNN = Function(
    "cnn",
    convolutional,
    (drawn("cnn/x", 12, 12), drawn("cnn/1", 4, 1, 3, 3), drawn("cnn/2", 8, 4, 3, 3), weights("cnn/w", 10, 72)),
    (0,),
    "Y. LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86 (1998) 2278-2324",
    "10 x 144: ten outputs of an image of 12 x 12, through two convolutions",
    batches=(1, 64),
)
_LOSS = (bottleneck_loss, _bottleneck_arguments(64, 4), (0,), BOTTLENECK.source)
BOTTLENECK_LOSS = Function("bottleneck-loss", *_LOSS, "1 x 64: loss by the input", "hessian", (1, 64))
