"""Final measurement of all seeds of a training: the only place that looks at the test part."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from optnas.errors import UserError
from optnas.tasks import Task
from optnas.winner.assessment import assess, metrics_on, network_of
from optnas.winner.baselines import compared
from optnas.winner.facts import data_facts
from optnas.winner.full_training import TrainingHistory
from optnas.winner.gaps import without_columns
from optnas.winner.jobs import Job
from optnas.winner.part_outputs import answers_alone
from optnas.winner.trained import Trained

__all__ = ["check_ensemble", "conclude"]


def check_ensemble(task: Task, seeds: int) -> None:
    """Raise ``UserError`` if the answers of several seeds have no mean, so that no ensemble is possible."""
    if seeds < 2:
        raise UserError("--ensemble: it is of several seeds: give --seeds 2 or more")
    if not answers_alone(task):
        raise UserError(
            f"--ensemble: {type(task).__name__} answers with neither a class nor values for each sample, of"
            " which there is a mean"
        )


def conclude(
    job: Job, histories: Sequence[TrainingHistory], refits: Sequence[TrainingHistory], task: Task
) -> Trained:
    """Measure a network that is fully trained with all seeds, and return all that is to be kept of it.

    Args:
        job: What was asked for.
        histories: The training of each seed, with its choice of an epoch.
        refits: The training of each seed on all data; empty if that was not asked for.
        task: The task that kept weights were trained on.
    """
    trained = Trained(job.study, job.trial, job.plan, histories, [], refits=refits, task=task)
    plan, kept = trained.kept_plan, list(trained.kept.values())
    seed = trained.chosen.seed
    ensemble, measured = None, kept if job.ensemble else [trained.kept[seed]]
    if job.ensemble:
        ensemble = {
            # The trainings on all data have learned from the validation part.
            "validation": metrics_on(job.plan, "validation", histories),
            "test": metrics_on(plan, "test", kept),
        }
        assessment = assess(job.plan, histories, measured)
    else:
        assessment = assess(job.plan, [trained.chosen], measured)
    part = "test" if len(task.data.splits.test) else "validation"
    module = network_of(plan, measured).cpu()
    return dataclasses.replace(
        trained,
        tests=[metrics_on(plan, "test", [training]) for training in kept],
        assessment=assessment,
        ensemble=ensemble,
        baselines=compared(job.plan.task, task),
        facts=data_facts(job.plan.task.data, task.answer),
        gaps=without_columns(module, task, part),
        card=job.card,
    )
