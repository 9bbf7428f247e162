"""Arithmetic functions that PyTorch's operators apply number by number."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

__all__ = ["functions_of", "is_layout"]

# Functions in the formula of an activation that PyTorch computes as one operator, as in optnas.ops.
_FORMULAS = {
    "hardtanh": 2,
    "softplus": 3,
    "selu": 3,
    "gelu": 4,
    "silu": 2,
    "mish": 3,
    "hardsigmoid": 3,
    "hardswish": 4,
    "leaky_relu": 2,
    "elu": 3,
    "celu": 4,
    "_prelu_kernel": 2,
    "prelu": 2,
    "glu": 2,
    "log_sigmoid_forward": 3,
    "addcmul": 2,
    "addcdiv": 2,
    "lerp": 3,
    "rrelu_with_noise": 2,
    "_softmax": 3,
    "_safe_softmax": 3,
    "_log_softmax": 3,
    # A weighted sum of two neighbours in each dimension.
    "upsample_linear1d": 3,
    "upsample_bilinear2d": 7,
    "upsample_trilinear3d": 15,
    # A scale and a shift.
    "native_batch_norm": 2,
    "_native_batch_norm_legit": 2,
    "_native_batch_norm_legit_no_training": 2,
    "_batch_norm_with_update": 2,
    "native_layer_norm": 2,
    "native_group_norm": 2,
    "_fused_rms_norm": 2,
}

# Operators that look once at each number of their input.
_REDUCTIONS = frozenset(
    [
        "mean",
        "sum",
        "amax",
        "amin",
        "max",
        "min",
        "prod",
        "var",
        "std",
        "var_mean",
        "std_mean",
        "logsumexp",
        "argmax",
        "argmin",
        "cumsum",
        "cumprod",
        "nansum",
        "norm",
        "linalg_vector_norm",
        "any",
        "all",
        "aminmax",
        "logcumsumexp",
        "cummax",
        "cummin",
    ]
)

# Operators that write numbers elsewhere, or constants. Any other counts once for each number that it writes.
_MOVEMENTS = frozenset(
    [
        "cat",
        "stack",
        "index",
        "index_select",
        "gather",
        "take",
        "embedding",
        "roll",
        "flip",
        "repeat",
        "repeat_interleave",
        "zeros_like",
        "ones_like",
        "full_like",
        "new_zeros",
        "new_ones",
        "new_full",
        "fill",
        "fill_",
        "zero_",
        "im2col",
        "masked_fill",
        "masked_fill_",
        "masked_select",
        "where",
        "scatter",
        "slice_scatter",
        "select_scatter",
        "index_put",
        "index_put_",
        "tril",
        "triu",
        "rot90",
        "channel_shuffle",
        "pixel_shuffle",
        "pixel_unshuffle",
        "upsample_nearest1d",
        "upsample_nearest2d",
        "upsample_nearest3d",
        "rand_like",
        "randn_like",
        "bernoulli",
        "bernoulli_",
        "unfold",
        "max_unpool2d",
        "max_unpool3d",
        "one_hot",
        "nonzero",
    ]
)

# Operators that keep the numbers as they are, in another layout or type; padding is part of what follows.
_LAYOUTS = frozenset(
    [
        "clone",
        "contiguous",
        "copy",
        "copy_",
        "_to_copy",
        "_unsafe_view",
        "_reshape_copy",
        "view_copy",
        "alias",
        "lift_fresh",
        "detach",
        "detach_",
        "empty_like",
        "new_empty",
        "empty",
        "set_",
        "resize_",
        "_reshape_alias",
        "constant_pad_nd",
        "reflection_pad1d",
        "reflection_pad2d",
        "reflection_pad3d",
        "replication_pad1d",
        "replication_pad2d",
        "replication_pad3d",
    ]
)


def is_layout(operator: Any) -> bool:
    """Return whether an operator only copies its input, perhaps to another layout or type."""
    return operator.overloadpacket.__name__ in _LAYOUTS


def functions_of(operator: Any, args: Any, given: list[Tensor], outputs: list[Tensor]) -> int:
    """Return how many functions an operator applies to all numbers together.

    Args:
        operator: An operator of ATen.
        args: Its arguments.
        given: The tensors among them.
        outputs: The tensors that it returns.
    """
    packet = operator.overloadpacket.__name__
    name = packet.rstrip("_")
    numbers = outputs[0].numel()
    if name in _FORMULAS or packet in _FORMULAS:
        return _FORMULAS.get(name, _FORMULAS.get(packet, 1)) * numbers
    if "adaptive" in name:
        return _adaptive(given[0], outputs[0])
    if "pool" in name and "unpool" not in name:
        kernel = args[1] if isinstance(args[1], list | tuple) else [args[1]]
        spatial = int(name[name.index("pool") + 4])
        window: int = math.prod(kernel) ** (1 if len(kernel) == spatial else spatial)
        return numbers * window
    # The maximum of two tensors is max, too.
    if name in _REDUCTIONS and len(given) == 1:
        return given[0].numel()
    return 0 if packet in _MOVEMENTS else numbers


def _adaptive(given: Tensor, output: Tensor) -> int:
    """Return the sizes of all windows: output i of s covers floor(i·n/s) to ceil((i+1)·n/s) of n numbers."""
    total = 1
    for n, size in zip(given.shape, output.shape, strict=True):
        total *= n if n == size else sum(-(-(i + 1) * n // size) - i * n // size for i in range(size))
    return total
