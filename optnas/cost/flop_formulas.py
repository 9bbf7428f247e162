"""FLOPs of operators that multiply tensors and that ``torch.utils.flop_counter`` passes over.

2 × multiply-accumulates, as there. Each formula takes the shapes of an operator's tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

__all__ = ["PRODUCT_FUNCTIONS", "formulas", "is_uncounted_product"]

Shape = Sequence[int]

PRODUCT_FUNCTIONS = frozenset(
    {"einsum", "outer", "ger", "kron", "linalg_vecdot", "vecdot", "cosine_similarity"}
)
"""Names of functions that multiply tensors by ``aten.mul``: that is a product there, and not elementwise."""

# Operators of several tensors that multiply no two of them, or only number by number.
_NO_PRODUCTS = frozenset(
    [
        "_batch_norm_impl_index",
        "_batch_norm_with_update",
        "_embedding_bag",
        "_fused_rms_norm",
        "_index_put_impl_",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "_prelu_kernel",
        "_to_copy",
        "_unsafe_index",
        "_weight_norm_interface",
        "batch_norm",
        "binary_cross_entropy",
        "bucketize",
        "cat",
        "copy",
        "copy_",
        "embedding",
        "embedding_bag",
        "gather",
        "grid_sampler_2d",
        "grid_sampler_3d",
        "huber_loss",
        "index",
        "index_add",
        "index_copy",
        "index_fill",
        "index_put",
        "index_put_",
        "index_reduce",
        "index_select",
        "instance_norm",
        "kl_div",
        "lerp",
        "masked_scatter",
        "masked_select",
        "max",
        "max_unpool2d",
        "max_unpool3d",
        "median",
        "min",
        "mse_loss",
        "multi_margin_loss",
        "native_batch_norm",
        "native_dropout",
        "native_group_norm",
        "native_layer_norm",
        "nll_loss2d_forward",
        "nll_loss_forward",
        "normal",
        "normal_",
        "rrelu_with_noise",
        "scatter",
        "scatter_add",
        "scatter_reduce",
        "searchsorted",
        "select_scatter",
        "set_",
        "slice_scatter",
        "smooth_l1_loss",
        "stack",
        "take",
        "take_along_dim",
        "uniform_",
        "unsafe_index",
        "where",
    ]
)


@cache
def formulas() -> dict[Any, Callable[..., int]]:
    """Return the formulas by operator, for ``FlopCounterMode(custom_mapping=…)``."""
    import torch

    aten = torch.ops.aten
    found: dict[str, Callable[..., int]] = {
        "mv": lambda matrix, vector: 2 * math.prod(matrix),
        "addmv": lambda bias, matrix, vector: 2 * math.prod(matrix),
        "dot": lambda one, other: 2 * math.prod(one),
        "vdot": lambda one, other: 2 * math.prod(one),
        "addr": lambda bias, one, other: 2 * one[0] * other[0],
        "addbmm": lambda bias, one, other: 2 * math.prod(one) * other[-1],
        "_trilinear": _trilinear,
        "_cdist_forward": _distances,
        "_euclidean_dist": _distances,
        "_fft_c2c": lambda x, dim, *_: _fft(x, dim),
        "_fft_r2c": lambda x, dim, *_: _fft(x, dim),
        "_fft_c2r": lambda x, dim, normalization, last: _fft([*x[: dim[-1]], last, *x[dim[-1] :][1:]], dim),
    }
    return {getattr(aten, name): _of_inputs(formula) for name, formula in found.items()}


def _of_inputs(formula: Callable[..., int]) -> Callable[..., int]:
    """Return a formula that ignores the output's shape and keyword arguments such as alpha."""
    return lambda *shapes, out_shape=None, **_: formula(*shapes)


def _trilinear(
    first: Shape,
    second: Shape,
    third: Shape,
    expand1: Shape,
    expand2: Shape,
    expand3: Shape,
    summed: Shape,
    *_: int,
) -> int:
    """Return the FLOPs of a sum over a product of three tensors, such as ``nn.Bilinear``.

    The first two are contracted over what the third does not have, and the result with the third.
    """
    dims = len(first) + len(expand1)

    def expanded(shape: Shape, inserted: Shape) -> list[int]:
        sizes = iter(shape)
        return [1 if dim in inserted else next(sizes) for dim in range(dims)]

    shapes = (expanded(first, expand1), expanded(second, expand2), expanded(third, expand3))
    sizes = [max(each) for each in zip(*shapes, strict=True)]
    whole = math.prod(sizes)
    contracted = math.prod(sizes[dim] for dim in summed if dim in expand3)
    return 2 * whole + 2 * whole // contracted


def _distances(one: Shape, other: Shape, *_: Any) -> int:
    """Return the FLOPs of the distances between all pairs of rows: a product of two matrices."""
    batch = max(math.prod(one[:-2]), math.prod(other[:-2]))
    return 2 * batch * one[-2] * other[-2] * one[-1]


def _fft(shape: Shape, dims: Shape) -> int:
    """Return 5·n·log2(n) for each transform of n numbers (Cooley & Tukey 1965), in one dimension or more."""
    n = math.prod(shape[dim] for dim in dims)
    return round(5 * math.prod(shape) * math.log2(max(n, 1)))


# Functions of one matrix, which multiply its rows or columns.
_OF_ONE_MATRIX = frozenset(
    ["_linalg_det", "_linalg_eigh", "_linalg_eigvals", "_linalg_slogdet", "_linalg_svd", "_pdist_forward",
     "cholesky", "cholesky_inverse", "geqrf", "linalg_cholesky", "linalg_eig", "linalg_eigh", "linalg_inv",
     "linalg_householder_product", "linalg_lu", "linalg_lu_factor", "linalg_matrix_exp",
     "linalg_matrix_power",
     "linalg_pinv", "linalg_qr", "linalg_svd", "matrix_exp"]
)  # fmt: skip


def is_uncounted_product(operator: Any, tensors: int) -> bool:
    """Return whether an operator without a formula may multiply tensors, of which it takes that many."""
    import torch

    name = operator.overloadpacket.__name__
    if name.removesuffix("_ex") in _OF_ONE_MATRIX:
        return True
    if tensors < 2 or operator.is_view or torch.Tag.pointwise in operator.tags:
        return False
    return name not in _NO_PRODUCTS and not name.startswith(("_foreach", "_assert", "sym_"))
