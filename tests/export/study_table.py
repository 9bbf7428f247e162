"""What files of each task compute, tried on the ready studies: ``python -m tests.export.study_table``."""

from __future__ import annotations

import functools
import random
from typing import Any

import torch
from torch import Tensor, nn

from optnas.data.trees import leaves, mapped
from optnas.export.format import Run
from optnas.export.traced import Traced
from optnas.run.files import load_study
from optnas.winner.model import Model
from optnas.winner.outputs import scaling, scaling_record
from tests.export.helpers import model_of, traced_of
from tests.export.readme_tables import TRIED, outcome, write
from tests.files import REPOSITORY

STUDIES = (
    "activations.py",
    "anomalies.py",
    "cartpole.py",
    "detection.py",
    "diffusion.py",
    "digits.py",
    "forecasting.py",
    "gan.py",
    "recommending.py",
    "segmentation.py",
    "series.py",
    "speech.py",
    "tabular.py:diabetes",
    "text.py:transformer",
    "translation.py",
)


@functools.cache
def model_of_study(name: str) -> Model:
    """Return a network of a study's space as if it was trained."""
    study = load_study(str(REPOSITORY / "studies" / name))
    task = study.task
    assert task is not None
    architecture = study.space.sample(random.Random(0))
    made = model_of(architecture, task.data.schema, **task.context)
    return Model(made.network, scaling(scaling_record(task)), made.schema, task.answer, made.record)


def row(name: str, outcomes: dict[str, str]) -> str:
    """Return the row of a study."""
    model = model_of_study(name)
    traced = traced_of(model)
    taken, made = (_tensors(each) for each in (traced.inputs, traced.outputs))
    unread = model.answer.unread().replace("``", "`")
    told = [f"`{name}`", taken, f"{made}: {unread}", *(outcomes[each] for each in TRIED)]
    return f"| {' | '.join(told)} |\n"


def _tensors(each: Any) -> str:
    return ", ".join(
        f"`{name}` {figures['dtype']} ({', '.join(['batch', *map(str, figures['shape'][1:])])})"
        for name, figures in each.items()
    )


def table() -> str:
    """Return the table."""
    head = f"| study | takes | puts out | {' | '.join(TRIED)} |\n" + "| --- " * (3 + len(TRIED)) + "|\n"
    return head + "".join(row(name, outcome(model_of_study(name), TRIED)) for name in STUDIES)


class OfFile(nn.Module):
    """Module that an exported file computes: all that whoever reads predictions has of the network."""

    def __init__(self, run: Run, traced: Traced) -> None:
        super().__init__()
        self.run, self.like = run, traced.model(traced.batch(1))
        self.dtypes = [each.dtype for each in leaves(traced.samples)]

    def forward(self, x: Any) -> Any:
        given: list[Tensor] = [each.to(to) for each, to in zip(leaves(x), self.dtypes, strict=True)]
        found = iter(self.run(given))
        return mapped(lambda _: next(found), self.like)


if __name__ == "__main__":
    torch.set_num_threads(1)
    write("study_table", table())
