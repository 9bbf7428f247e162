"""A fully trained network, and what its folder's JSON says of it."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from optnas.answers import Answer, answer_record
from optnas.card import Card
from optnas.data.schemas import schema_record
from optnas.drawing.comparison import activations_of, is_searched
from optnas.drawing.learned import with_learned
from optnas.space import Node, Site, ops_by_name
from optnas.space.own_ops import own_ops
from optnas.tasks import Task
from optnas.train.task import task_name
from optnas.train.used_settings import settings_without_effect
from optnas.winner.assessment import Assessment
from optnas.winner.full_training import Plan, TrainingHistory
from optnas.winner.outputs import scaling_record

__all__ = ["Trained"]


@dataclasses.dataclass(frozen=True)
class Trained:
    """A fully trained network, with one seed or several.

    Attributes:
        study: The name of the study that the architecture is from.
        trial: The number of its trial; ``None`` for an architecture that was given as text.
        plan: The architecture, the task and all settings of the training.
        histories: The training history of each seed.
        tests: The metrics of each seed on the test part; each is empty if the data has no test part.
        assessment: The calibration and the confusions of what is kept.
        refits: The trainings of each seed on all data, whose weights are kept; none without ``--all-data``.
        task: The task that kept weights were trained on; that of the plan by default.
        ensemble: Metrics of the ensemble of all seeds by part; ``None`` if one seed alone is kept.
        baselines: What simple models have, as :func:`~optnas.winner.baselines.compared` returns it.
        facts: What is known of the data, as :func:`~optnas.winner.facts.data_facts` returns it.
        gaps: Metrics without columns, as :func:`~optnas.winner.gaps.without_columns` returns them.
        card: What people state of it.
    """

    study: str
    trial: int | None
    plan: Plan
    histories: Sequence[TrainingHistory]
    tests: Sequence[Mapping[str, float]]
    assessment: Assessment = dataclasses.field(default_factory=Assessment)
    refits: Sequence[TrainingHistory] = ()
    task: Task | None = None
    ensemble: Mapping[str, Mapping[str, float]] | None = None
    baselines: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    gaps: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    card: Card = Card()  # noqa: RUF009 - it is frozen

    @property
    def chosen(self) -> TrainingHistory:
        """The history of the best seed on the validation part (not the test part), whose weights are kept."""
        return min(self.histories, key=lambda history: self.plan.loss(history.metrics))

    @property
    def kept(self) -> dict[int, TrainingHistory]:
        """The trainings whose weights may be kept, by seed: those on all data if there are such."""
        return {history.seed: history for history in self.refits or self.histories}

    @property
    def kept_plan(self) -> Plan:
        """The plan with the task that kept weights were trained on."""
        return dataclasses.replace(self.plan, task=self.task or self.plan.task)

    @property
    def module(self) -> nn.Module:
        """The architecture's module with the best seed's weights, on the CPU and in evaluation mode."""
        plan = self.kept_plan
        module: nn.Module = plan.architecture.build(plan.task.data.shape, **plan.task.context)
        module.load_state_dict(dict(self.kept[self.chosen.seed].weights))
        return module.eval()

    @cached_property
    def answer(self) -> Answer:
        """The answer that users read, with what depends on the network."""
        return self.kept_plan.task.answer_of(self.module)

    @property
    def schema(self) -> dict[str, Any]:
        """The content of ``schema.json``: what goes in and what comes out."""
        task = self.kept_plan.task
        return {
            "input": schema_record(task.data.schema),
            "answer": answer_record(self.answer),
            "output_scale": scaling_record(task, self.assessment.temperature),
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
            **({} if self.learned == plan.architecture else {"learned": str(self.learned)}),
            **({"activations": self.activations} if self.activations else {}),
            "own_ops": {op.name: {"module": op.module, "source": op.digest} for op in own},
            "costs": dict(plan.costs),
            "context": dict(plan.task.context),
            "samples": parts,
            "batches_made": plan.task.batches_per_epoch,
            "settings": plan.settings,
            "settings_without_effect": sorted(settings_without_effect(plan.task, plan.training)),
            **({"card": self.card.stated} if self.card.stated else {}),
            **({"data": dict(self.facts)} if self.facts else {}),
            **({"gaps": dict(self.gaps)} if self.gaps else {}),
            "seeds": [history.seed for history in self.histories],
            "weights_of_seed": self.chosen.seed,
            "validation": _over_seeds([history.metrics for history in self.histories]),
            "test": _over_seeds(self.tests),
            **self.assessment.record(),
            **({} if self.ensemble is None else {"ensemble": {"seeds": list(self.kept), **self.ensemble}}),
            **({} if self.baselines is None else {"baselines": dict(self.baselines)}),
            **self._all_data(),
            "trainings": [
                {
                    "seed": history.seed,
                    "epoch": history.best,
                    "ended": history.ended,
                    "seconds": round(history.seconds, 3),
                    "validation": history.metrics,
                    "test": dict(test),
                    "curve": history.curve,
                    "losses": history.losses,
                }
                for history, test in zip(self.histories, self.tests, strict=True)
            ],
            "versions": {package: version(package) for package in ("optnas", "torch")},
            "threads": torch.get_num_threads(),
        }

    @cached_property
    def learned(self) -> Node:
        """The architecture with the constants that its activations learned, in four digits."""
        plan = self.kept_plan
        site = Site.of(plan.task.data.shape, plan.task.context)
        return with_learned(plan.architecture, self.module, site, digits=4)

    @property
    def activations(self) -> dict[str, int]:
        """Counts of its activations by text, if some are expressions or learned; else nothing."""
        found = activations_of(self.learned)
        return {str(node): count for node, count in found.items()} if any(map(is_searched, found)) else {}

    def _all_data(self) -> dict[str, Any]:
        if not self.refits:
            return {}
        return {
            "all_data": {
                "samples": len(self.kept_plan.task.data.splits.train),
                "trainings": [
                    {
                        "seed": refit.seed,
                        "epochs": refit.best,
                        "seconds": round(refit.seconds, 3),
                        "losses": refit.losses,
                    }
                    for refit in self.refits
                ],
            }
        }


def _over_seeds(found: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Return each metric's values over seeds, with their mean and sample standard deviation."""
    summary = {}
    for name in found[0]:
        values = [metrics[name] for metrics in found]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        summary[name] = {"mean": statistics.fmean(values), "deviation": deviation, "values": values}
    return summary
