"""A study that runs itself, from Python and notebooks, and shows its front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import BaseStorage

from optnas import study as _study
from optnas.errors import UserError
from optnas.space import Node

if TYPE_CHECKING:
    import pandas

    from optnas.run.options import Callback

__all__ = ["Study"]


class Study(_study.Study):
    __doc__ = _study.Study.__doc__

    _opened: optuna.Study | None = None

    def run(
        self,
        trials: int = 100,
        *,
        storage: str = "sqlite:///optnas.db",
        workers: int = 1,
        threads: int | None = None,
        timeout: float | str | None = None,
        patience: int | None = None,
        enqueue: Sequence[str | Mapping[str, Any] | Node] = (),
        callbacks: Sequence[Callback] = (),
        publish: bool = True,
    ) -> optuna.Study:
        """Search, as ``optnas run`` does, and return the study in its storage.

        Args:
            trials: Number of trials that the study is to have in the end, over all runs.
            storage: The storage's URL.
            workers: Number of processes. With 1 trials run in this one; more load the study's file, in
                which the call stands under ``if __name__ == "__main__":``.
            threads: Number of threads of each worker; by default what is fastest.
            timeout: Seconds, or a text such as ``"1h30m"``, after which no further trial is started.
            patience: Number of trials after which to stop if none of them has changed the front.
            enqueue: Architectures or parameters to run first.
            callbacks: Called with the study and each finished trial, as in ``optuna.Study.optimize``;
                ``study.stop()`` in one ends the run. With several workers they are called here, shortly
                after the trial.
            publish: Whether notes and figures for optuna-dashboard are written as trials end.

        Raises:
            UserError: If an argument or the study is wrong, before a trial is written.
            EveryTrialFailed: If every trial fails for the same reason.
        """
        from optnas.run.command import search
        from optnas.run.files import is_loading, runs_when_loaded, source_of
        from optnas.run.options import RunOptions
        from optnas.shown import console

        source = source_of(self) if workers > 1 else None
        if is_loading() or (source is not None and runs_when_loaded(source)):
            raise UserError(
                "study.run would run again wherever this file is loaded: put it under"
                ' if __name__ == "__main__":'
            )
        options = RunOptions(
            trials,
            workers=workers,
            threads=threads,
            timeout=timeout,
            patience=patience,
            enqueue=tuple(enqueue),
            callbacks=tuple(callbacks),
            publish=publish,
        )
        self._opened = search(self, source, storage, options, console())
        return self._opened

    def open(self, storage: BaseStorage | str) -> optuna.Study:
        """Load this study from a storage or its URL, or create it there if it is new.

        Raises:
            UserError: If a study of that name has another space, other objectives or another training, or
                was measured on another device, or if this device cannot measure a metric that is needed.
        """
        from optnas.storages.opening import open_storage

        self._opened = super().open(open_storage(storage) if isinstance(storage, str) else storage)
        return self._opened

    def front(self, storage: BaseStorage | str | None = None) -> pandas.DataFrame:
        """Return the front as a table, one row a trial: values, architecture, costs, metrics, parameters.

        A notebook shows it with a chart and drawings.

        Of trials with equal values the first has a row, and the numbers of the others stand in its column
        ``equal``, if there are any.

        Args:
            storage: The storage or its URL; by default the one that this study ran in or was opened from
                last, else ``sqlite:///optnas.db``.

        Raises:
            UserError: If the storage does not have this study.
        """
        from optnas.reports.front_frame import front_frame
        from optnas.run.lookup import find_study
        from optnas.storages.opening import DEFAULT_STORAGE
        from optnas.trials.progress import equal_to, front

        found = self._opened if storage is None else None
        if isinstance(storage, BaseStorage):
            found = optuna.load_study(study_name=self.name, storage=storage)
        elif found is None:
            found = find_study(storage or DEFAULT_STORAGE, self.name)
        trials = found.get_trials(deepcopy=False)
        best = front(found, trials)
        return front_frame(found, trials, best, equal_to(best, trials))

    def _repr_html_(self) -> str:
        from optnas.reports.notebook import study_html

        return study_html(self, self._opened)
