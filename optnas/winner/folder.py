"""The folder of a trained network: weights, architecture, metrics and model card."""

from __future__ import annotations

import dataclasses
import json
import shutil
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from optnas.answers import answer_record
from optnas.data.schemas import schema_record
from optnas.errors import UserError
from optnas.files import replace_file
from optnas.space import ops_by_name
from optnas.space.own_ops import own_ops
from optnas.train.task import task_name
from optnas.winner.card import model_card, over_seeds
from optnas.winner.full_training import Plan, TrainingHistory
from optnas.winner.names import ARCHITECTURE, CARD, CHECKPOINTS, PICTURE, RECORD, SCHEMA, WEIGHTS
from optnas.winner.outputs import scaling_record

__all__ = ["Trained", "check_folder", "checkpoint_of", "finished", "write"]


@dataclasses.dataclass(frozen=True)
class Trained:
    """A fully trained network, with one seed or several.

    Attributes:
        study: The name of the study that the architecture is from.
        trial: The number of its trial; ``None`` for an architecture that was given as text.
        plan: The architecture, the task and all settings of the training.
        histories: The training history of each seed.
        tests: The metrics of each seed on the test part; each is empty if the data has no test part.
    """

    study: str
    trial: int | None
    plan: Plan
    histories: Sequence[TrainingHistory]
    tests: Sequence[Mapping[str, float]]

    @property
    def chosen(self) -> TrainingHistory:
        """The history of the best seed on the validation part (not the test part), whose weights are kept."""
        return min(self.histories, key=lambda history: self.plan.loss(history.metrics))

    @property
    def schema(self) -> dict[str, Any]:
        """The content of ``schema.json``: what goes in and what comes out."""
        task = self.plan.task
        return {
            "input": schema_record(task.data.schema),
            "answer": answer_record(task.answer),
            "output_scale": scaling_record(task),
        }

    @property
    def record(self) -> dict[str, Any]:
        """The content of ``metrics.json``: everything known about the network."""
        plan, data = self.plan, self.plan.task.data
        parts = {name: len(getattr(data.splits, name)) for name in ("train", "validation", "test")}
        own = [ops_by_name()[name] for name in own_ops(plan.architecture)]
        return {
            "study": self.study,
            "trial": self.trial,
            "task": task_name(plan.task),
            "architecture": str(plan.architecture),
            "own_ops": {op.name: {"module": op.module, "source": op.digest} for op in own},
            "costs": dict(plan.costs),
            "context": dict(plan.task.context),
            **_words(data.splits.words),
            "samples": parts,
            "batches_made": plan.task.batches_per_epoch,
            "answers": plan.task.answers,
            "settings": plan.settings,
            "seeds": [history.seed for history in self.histories],
            "weights_of_seed": self.chosen.seed,
            "validation": _over_seeds([history.metrics for history in self.histories]),
            "test": _over_seeds(self.tests),
            "trainings": [
                {
                    "seed": history.seed,
                    "epoch": history.best,
                    "ended": history.ended,
                    "seconds": round(history.seconds, 3),
                    "validation": history.metrics,
                    "test": dict(test),
                    "curve": history.curve,
                }
                for history, test in zip(self.histories, self.tests, strict=True)
            ],
            "versions": {package: version(package) for package in ("optnas", "torch")},
            "threads": torch.get_num_threads(),
        }


def _words(words: Sequence[Any]) -> dict[str, list[Any]]:
    """Return what tokens stand for, if that is known and JSON can hold it."""
    return {"words": list(words)} if words and all(isinstance(word, str | int) for word in words) else {}


def _over_seeds(found: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Return each metric's values over seeds, with their mean and sample standard deviation."""
    summary = {}
    for name in found[0]:
        values = [metrics[name] for metrics in found]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        summary[name] = {"mean": statistics.fmean(values), "deviation": deviation, "values": values}
    return summary


def check_folder(folder: Path) -> None:
    """Create ``folder`` if needed, and raise if it holds files that are not of ``optnas train``.

    Raises:
        UserError: If it does, or it cannot be created.
    """
    ours = {WEIGHTS, ARCHITECTURE, PICTURE, SCHEMA, RECORD, CARD, CHECKPOINTS}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {path.name.removesuffix(".part") for path in folder.iterdir()}
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be made: {error.strerror}") from None
    if not names & {RECORD, CHECKPOINTS}:
        ours = set()
    for name in sorted(names - ours):
        raise UserError(f"{folder} holds {name}, which is not of optnas train: give another folder by --out")


def checkpoint_of(folder: Path, seed: int) -> Path:
    """Return the path of a seed's checkpoint, which is kept until all seeds are trained; create its folder.

    Raises:
        UserError: If its folder cannot be created.
    """
    path = folder / CHECKPOINTS / f"seed-{seed}.safetensors"
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {path.parent} cannot be made: {error.strerror}") from None
    return path


def finished(folder: Path) -> dict[str, Any] | None:
    """Return the record of the network in ``folder``; ``None`` if its training is not finished.

    Raises:
        UserError: If ``metrics.json`` is not of ``optnas train``.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        dict(**record["settings"]), list(record["seeds"]), over_seeds(record)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise UserError(f"{path} is not of optnas train: give another folder by --out") from None
    return dict(record)


def write(folder: Path, trained: Trained) -> dict[str, Any]:
    """Write all files of a trained network's folder, and return the record.

    Raises:
        UserError: If a file cannot be written; the checkpoints are kept then.
    """
    record = trained.record
    weights = {name: value.clone().contiguous() for name, value in trained.chosen.weights.items()}
    replace_file(folder / WEIGHTS, save(weights))
    replace_file(folder / ARCHITECTURE, f"{record['architecture']}\n".encode())
    replace_file(folder / PICTURE, _picture(trained).encode())
    replace_file(folder / SCHEMA, f"{json.dumps(trained.schema, ensure_ascii=False)}\n".encode())
    task = trained.plan.task
    replace_file(folder / CARD, model_card(record, task.data.schema, task.answer, folder).encode())
    # Last, as it says that the other files are complete.
    replace_file(folder / RECORD, f"{json.dumps(record, indent=2)}\n".encode())
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return record


def _picture(trained: Trained) -> str:
    """Return the drawing of the network, its activations as they were learned."""
    plan = trained.plan
    shape, context = plan.task.data.shape, plan.task.context
    module = plan.architecture.build(shape, **context)
    module.load_state_dict(dict(trained.chosen.weights))
    return str(plan.architecture.draw(shape, module=module, **context).svg)
