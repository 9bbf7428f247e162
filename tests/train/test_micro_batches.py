from __future__ import annotations

import pytest
import torch
from torch import Tensor

from optnas import Training, data, parse, tasks
from optnas.train import fit
from optnas.train.device_share import Place
from optnas.train.micro_batches import OutOfMemory, in_pieces, is_out_of_memory

CPU = torch.device("cpu")


@pytest.mark.parametrize(("most", "tried"), [(64, [1]), (32, [1, 1, 2]), (9, [1, 1, 2, 4, 8])])
def test_smaller_pieces_are_tried_until_they_fit(most: int, tried: list[int]) -> None:
    seen = []

    def train(pieces: int) -> str:
        seen.append(pieces)
        if 64 // pieces > most:
            raise torch.OutOfMemoryError
        return "trained"

    assert in_pieces(train, 64, CPU, Place()) == ("trained", tried[-1])
    assert seen == tried


def test_the_memory_of_the_machine_can_run_out_too() -> None:
    def train(pieces: int) -> int:
        return torch.empty(2**50).numel() if pieces == 1 else pieces

    assert in_pieces(train, 64, CPU, Place()) == (2, 2)


def test_what_never_fits_ends_and_other_errors_are_not_retried() -> None:
    seen = []

    def train(pieces: int) -> None:
        seen.append(pieces)
        raise torch.OutOfMemoryError

    with pytest.raises(OutOfMemory, match="out of memory on cpu, even with batches in 4 pieces"):
        in_pieces(train, 8, CPU, Place())
    assert seen == [1, 1, 2, 4]
    with pytest.raises(ZeroDivisionError):
        in_pieces(lambda pieces: 1 // 0, 8, CPU, Place())


class Pairs(tasks.Task):
    """A loss of all pairs of a batch, whose sizes it notes."""

    data = data.digits()
    metrics = ("loss",)
    whole_batches = True

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:  # type: ignore[override]
        self.sizes.append(len(outputs))
        return torch.cdist(outputs, outputs).mean()

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        return {"loss": 0.0}


def test_a_loss_of_whole_batches_is_given_them_or_does_not_fit() -> None:
    task = Pairs()
    module = parse("seq(flatten, head)").build((1, 8, 8), outputs=10)
    fit(module, task, Training(epochs=1, batch_size=539), device=CPU, seed=0, pieces=7)
    assert task.sizes == [539, 539]
    Pairs.whole_batches = False
    fit(module, task, Training(epochs=1, batch_size=539), device=CPU, seed=0, pieces=7)
    assert set(task.sizes[2:]) == {77}
    Pairs.whole_batches = True

    def train(pieces: int) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(OutOfMemory, match="on cpu, and Pairs needs whole batches: try a smaller batch_size"):
        in_pieces(train, 8, CPU, Place(), task)


def test_batches_in_pieces_give_the_gradients_of_whole_ones() -> None:
    task = tasks.classification(data.digits())
    trained = []
    for pieces in (1, 3):
        torch.manual_seed(0)
        module = parse("seq(conv(4), relu, head)").build((1, 8, 8), outputs=10).double()
        module.register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
        training = Training(epochs=1, optimizer="sgd", precision="float32")
        fit(module, task, training, device=CPU, seed=0, pieces=pieces)
        trained.append(torch.cat([p.flatten() for p in module.parameters()]))
    assert torch.allclose(*trained, rtol=1e-9)


def test_whatever_is_tried_again_is_tried_alone() -> None:
    done: list[str] = []

    class Watched(Place):
        def alone(self) -> None:
            done.append("alone")

    def train(pieces: int) -> None:
        done.append(f"in {pieces}")
        if pieces < 2:
            raise torch.OutOfMemoryError

    in_pieces(train, 64, CPU, Watched())
    assert done == ["in 1", "alone", "in 1", "alone", "in 2"]


@pytest.mark.parametrize(
    ("message", "out"),
    [
        ("CUDA error: out of memory\nCUDA kernel errors might be …", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("CUDA error: an illegal memory access was encountered", False),
    ],
)
def test_cuda_and_its_libraries_run_out_in_words_of_their_own(message: str, out: bool) -> None:
    assert is_out_of_memory(RuntimeError(message)) == out
