"""Logging to TensorBoard: a run a trial, with its curves and its row of the HParams plugin."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from optnas.loggers.callback import LoggerCallback
from optnas.loggers.entry import Entry
from optnas.shown import plain

__all__ = ["TensorBoardCallback"]

_LONGEST_NAME = 150


class TensorBoardCallback(LoggerCallback):
    """Optuna callback that logs trials for TensorBoard, as ``FOLDER/STUDY/trial-00017``.

    Scalars are the objectives at rungs, then values, costs and metrics; the HParams plugin has a row for each
    trial with its parameters and how it ended, and the text plugin its architecture.

    Args:
        folder: The folder that ``tensorboard --logdir`` is given.
    """

    name: ClassVar[str] = "tensorboard"
    packages: ClassVar[tuple[str, ...]] = ("tensorboard", "torch.utils.tensorboard")

    def __init__(self, folder: str | Path = "runs") -> None:
        super().__init__()
        self.folder = Path(folder)

    def log(self, entry: Entry) -> None:
        parent = self.folder / _file_name(entry.study)
        parent.mkdir(parents=True, exist_ok=True)
        run = parent / f"trial-{entry.number:05}"
        try:
            run.mkdir()  # whoever makes it logs the trial
        except FileExistsError:
            return
        writer = self._module("torch.utils.tensorboard").SummaryWriter(str(run))
        try:
            self._write(writer, entry)
        except Exception:
            shutil.rmtree(run, ignore_errors=True)  # to be tried again
            raise
        finally:
            writer.close()

    def _write(self, writer: Any, entry: Entry) -> None:
        api: Any = self._module("tensorboard.plugins.hparams.api_pb2")
        data: Any = self._module("tensorboard.plugins.hparams.plugin_data_pb2")
        metadata: Any = self._module("tensorboard.plugins.hparams.metadata")
        start = data.SessionStartInfo(start_time_secs=entry.start, group_name=f"trial {entry.number}")
        for name, value in {**entry.params, "state": entry.state}.items():
            given = start.hparams[name]
            if isinstance(value, bool):
                given.bool_value = value
            elif isinstance(value, int | float):
                given.number_value = value
            else:
                given.string_value = str(value)
        status = api.STATUS_FAILURE if entry.state == "fail" else api.STATUS_SUCCESS
        end = data.SessionEndInfo(status=status, end_time_secs=entry.end)
        self._add(writer, metadata.SESSION_START_INFO_TAG, session_start_info=start)
        self._add(writer, metadata.SESSION_END_INFO_TAG, session_end_info=end)
        for step, values in entry.curve.items():
            for name, value in values.items():
                writer.add_scalar(f"rung/{name}", value, step, walltime=entry.end)
        for name, value in entry.figures.items():
            writer.add_scalar(name, value, 0, walltime=entry.end)
        for name in ("architecture", "reason"):
            if text := getattr(entry, name):
                # Indented, Markdown takes it for code, and not for markup.
                writer.add_text(name, f"    {text}", walltime=entry.end)

    def _add(self, writer: Any, tag: str, **content: Any) -> None:
        data: Any = self._module("tensorboard.plugins.hparams.plugin_data_pb2")
        metadata: Any = self._module("tensorboard.plugins.hparams.metadata")
        summary: Any = self._module("tensorboard.compat.proto.summary_pb2")
        plugin = data.HParamsPluginData(**content, version=metadata.PLUGIN_DATA_VERSION)
        found = summary.Summary()
        found.value.add(
            tag=tag,
            metadata=metadata.create_summary_metadata(plugin),
            tensor=metadata.NULL_TENSOR,
        )
        writer.file_writer.add_summary(found)


def _file_name(text: str) -> str:
    """Return a study's name as that of a folder, never of one elsewhere."""
    name = quote(plain(text), safe=" ")
    return re.sub(r"^\.", "%2E", name)[:_LONGEST_NAME]
