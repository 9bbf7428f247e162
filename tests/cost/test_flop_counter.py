"""FLOPs of people's own ops, against formulas written by hand."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from optnas.cost.flop_counter import counted, counting_flops

Computation = Callable[[], object]


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, device="meta", dtype=dtype)


def flops(compute: Computation) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with counting_flops() as count:
            compute()
    assert not count.uncounted
    return count.total


def sizes(rng: random.Random, count: int) -> list[int]:
    return [rng.randint(1, 9) for _ in range(count)]


def of_matmul(rng: random.Random) -> tuple[Computation, int]:
    """Return a product of any ranks: vectors, matrices, batches that are broadcast."""
    n, m, k = sizes(rng, 3)
    batch = sizes(rng, rng.randint(0, 2))
    one = [k] if rng.random() < 0.3 else [*rng.choice([[], batch]), n, k]
    other = [k] if rng.random() < 0.3 else [*rng.choice([[], batch]), k, m]
    rows = 1 if len(one) == 1 else n
    columns = 1 if len(other) == 1 else m
    batches = math.prod(torch.broadcast_shapes(one[:-2], other[:-2]))
    how = rng.choice([torch.matmul, lambda a, b: a @ b, lambda a, b: a.matmul(b)])
    return lambda: how(meta(*one), meta(*other)), 2 * batches * rows * columns * k


def of_einsum(rng: random.Random) -> tuple[Computation, int]:
    """Return a contraction of two tensors: some indices of both are summed, some kept, some of one alone."""
    size = dict(zip("abcdefgh", sizes(rng, 8), strict=True))
    both, left, right, summed = (
        "ab"[: rng.randint(0, 2)],
        "cd"[: rng.randint(0, 2)],
        "e",
        "gh"[: rng.randint(0, 2)],
    )
    one, other = [list(both + own + summed) for own in (left, right)]
    rng.shuffle(one)
    rng.shuffle(other)
    kept = list(both + left + right)
    rng.shuffle(kept)
    equation = f"{''.join(one)},{''.join(other)}->{''.join(kept)}"
    operands = [meta(*(size[name] for name in names)) for names in (one, other)]
    total = math.prod(size[name] for name in set(one + other))
    return lambda: torch.einsum(equation, *operands), 2 * total


def of_convolution(rng: random.Random) -> tuple[Computation, int]:
    dims, kernel, groups = rng.randint(1, 3), rng.randint(1, 3), rng.choice([1, 2])
    into, out = groups * rng.randint(1, 4), groups * rng.randint(1, 4)
    shape = [rng.randint(4, 7) for _ in range(dims)]
    transposed = rng.random() < 0.3
    kinds = (
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
        if transposed
        else (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    )
    module = kinds[dims - 1](into, out, kernel, groups=groups, device="meta")
    # Each input of a transposed convolution, else each output, meets every weight of its group once.
    places = shape if transposed else [size - kernel + 1 for size in shape]
    expected = 2 * math.prod(places) * into * out // groups * kernel**dims
    return lambda: module(meta(1, into, *shape)), expected


def of_attention(rng: random.Random) -> tuple[Computation, int]:
    heads, queries, keys, width = sizes(rng, 4)
    shapes = [(2, heads, rows, width) for rows in (queries, keys, keys)]
    return (
        lambda: functional.scaled_dot_product_attention(*(meta(*shape) for shape in shapes)),
        2 * 2 * 2 * heads * queries * keys * width,
    )


def of_bilinear(rng: random.Random) -> tuple[Computation, int]:
    one, other, out = sizes(rng, 3)
    module = nn.Bilinear(one, other, out, device="meta")
    return lambda: module(meta(3, one), meta(3, other)), 2 * 3 * out * one * other + 2 * 3 * out * other


def of_distances(rng: random.Random) -> tuple[Computation, int]:
    rows, columns, features = rng.randint(2, 40), rng.randint(2, 40), rng.randint(2, 9)
    batch = rng.choice([(), (3,)])
    return (
        lambda: torch.cdist(meta(*batch, rows, features), meta(*batch, columns, features)),
        2 * math.prod(batch) * rows * columns * features,
    )


def of_fft(rng: random.Random) -> tuple[Computation, int]:
    n, m = 2 ** rng.randint(1, 6), 2 ** rng.randint(1, 6)
    one, two = 5 * n * math.log2(n), 5 * n * m * math.log2(n * m)
    chosen: list[tuple[Computation, float]] = [
        (lambda: torch.fft.fft(meta(3, n)), 3 * one),
        (lambda: torch.fft.rfft(meta(3, n)), 3 * one),
        (lambda: torch.fft.irfft(meta(3, n // 2 + 1, dtype=torch.complex64), n), 3 * one),
        (lambda: torch.fft.ifft(meta(3, n, dtype=torch.complex64)), 3 * one),
        (lambda: torch.fft.fft2(meta(3, n, m)), 3 * two),
        (lambda: torch.fft.rfft2(meta(3, n, m)), 3 * two),
    ]
    compute, expected = rng.choice(chosen)
    return compute, round(expected)


def of_vectors(rng: random.Random) -> tuple[Computation, int]:
    n, m = sizes(rng, 2)
    chosen: list[tuple[Computation, int]] = [
        (lambda: torch.dot(meta(n), meta(n)), 2 * n),
        (lambda: torch.vdot(meta(n), meta(n)), 2 * n),
        (lambda: torch.mv(meta(n, m), meta(m)), 2 * n * m),
        (lambda: torch.addmv(meta(n), meta(n, m), meta(m), alpha=2), 2 * n * m),
        (lambda: torch.addr(meta(n, m), meta(n), meta(m)), 2 * n * m),
        (lambda: torch.outer(meta(n), meta(m)), 2 * n * m),
        (lambda: meta(n).outer(meta(m)), 2 * n * m),
        (lambda: torch.kron(meta(n, 2), meta(m, 3)), 2 * n * 2 * m * 3),
        (lambda: torch.inner(meta(n, m), meta(3, m)), 2 * n * m * 3),
        (lambda: torch.linalg.vecdot(meta(n, m), meta(n, m)), 2 * n * m),
        (lambda: torch.addbmm(meta(n, m), meta(2, n, 3), meta(2, 3, m)), 2 * 2 * n * 3 * m),
        (lambda: torch.tensordot(meta(n, 3, m), meta(3, m, 2), 2), 2 * n * 3 * m * 2),
        (lambda: torch.linalg.multi_dot([meta(n, m), meta(m, 4)]), 2 * n * m * 4),
    ]
    return rng.choice(chosen)


def of_recurrence(rng: random.Random) -> tuple[Computation, int]:
    steps, features, hidden = sizes(rng, 3)
    kind, gates = rng.choice([(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
    module = kind(features, hidden, batch_first=True, device="meta")
    return lambda: module(meta(2, steps, features)), 2 * 2 * steps * gates * hidden * (features + hidden)


KINDS = [
    of_matmul,
    of_einsum,
    of_convolution,
    of_attention,
    of_bilinear,
    of_distances,
    of_fft,
    of_vectors,
    of_recurrence,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__[3:])
def test_a_product_has_the_flops_of_its_formula(
    kind: Callable[[random.Random], tuple[Computation, int]],
) -> None:
    for seed in range(40):
        compute, expected = kind(random.Random(seed))
        assert flops(compute) == expected, f"seed {seed}"


def test_what_multiplies_number_by_number_is_no_product() -> None:
    x = meta(2, 3, 4, 5)
    norm = nn.BatchNorm2d(3, device="meta").eval()
    for compute in (
        lambda: x * x,
        lambda: norm(x),
        lambda: functional.layer_norm(x, (4, 5), meta(4, 5), meta(4, 5)),
        lambda: functional.prelu(x, meta(3)),
        lambda: torch.cat([x, x]).mean(dim=(2, 3)).softmax(dim=-1),
        lambda: functional.embedding(torch.zeros(3, dtype=torch.long, device="meta"), meta(9, 4)),
        lambda: functional.grid_sample(x, meta(2, 4, 4, 2), align_corners=False),
        lambda: torch.where(x > 0, x, x),
        lambda: torch.gather(x, 0, torch.zeros(1, 3, 4, 5, dtype=torch.long, device="meta")),
        lambda: functional.max_pool2d(x, 2),
    ):
        assert flops(compute) == 0


class Solves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.solve(torch.eye(4, device=x.device).expand(len(x), 4, 4), x)


def test_what_is_multiplied_without_a_formula_is_named_with_the_way_out() -> None:
    with pytest.warns(
        UserWarning, match=r"solver: what aten\._?linalg_solve\w* multiplies is unknown .*@op\(cost=…\)"
    ):
        assert counted(Solves(), (4, 3), called="solver").flops == 0


def test_frozen_weights_count_and_buffers_do_not() -> None:
    module = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)).to("meta").requires_grad_(False)
    assert counted(module, (4,)).params == 4 * 5 + 5 + 5 + 5


@pytest.mark.parametrize(
    "function",
    [functional.pdist, torch.linalg.matrix_exp, torch.linalg.inv, torch.linalg.svdvals, torch.linalg.eigvalsh,
     torch.linalg.det, torch.linalg.lu_factor, torch.linalg.qr, torch.linalg.cholesky, torch.linalg.pinv],
    ids=lambda function: function.__name__,
)  # fmt: skip
def test_functions_of_one_matrix_are_named_not_counted_as_nothing(function: Callable[..., object]) -> None:
    class OfWeights(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.square = nn.Parameter(torch.eye(4))

        def forward(self, x: Tensor) -> Tensor:
            found = function(self.square)
            return x + (found[0] if isinstance(found, tuple) else found).sum()

    with torch.device("meta"):
        module = OfWeights()
    with pytest.warns(UserWarning, match=r"give @op\(cost=…\)"):
        counted(module, (4,))
