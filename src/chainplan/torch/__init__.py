"""Jacobians of PyTorch functions by planned orders; needs the extra `chainplan[torch]`.

Nothing else of chainplan imports this package, so that planning does not pay for PyTorch.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as _error:
    from chainplan.errors import missing_extra as _missing_extra

    raise ImportError(_missing_extra("chainplan.torch", "PyTorch", "torch")) from _error

from chainplan.torch.jacobians import Jacobian, jacobian

__all__ = ["Jacobian", "jacobian"]
