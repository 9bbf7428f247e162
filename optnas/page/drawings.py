"""Cache of the drawings of trials as SVG, each drawn at its first request."""

from __future__ import annotations

import threading
from collections import OrderedDict

import optuna
from optuna.trial import FrozenTrial

from optnas.reports.about import architecture_drawing
from optnas.trials.optuna_internals import id_of

__all__ = ["Drawings"]

_MOST_CHARACTERS = 16_000_000


class Drawings:
    """Cache of drawings as SVG, the least recently used of which go first; threads may share it."""

    def __init__(self, most: int = _MOST_CHARACTERS) -> None:
        self._most = most
        self._size = 0
        self._known: OrderedDict[tuple[int, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, study: optuna.Study, trial: FrozenTrial, text: str) -> str:
        """Return the drawing of a trial's architecture, of which ``text`` is the record.

        Raises:
            UserError: If the text is no architecture.
        """
        key = (id_of(trial), text)
        with self._lock:
            svg = self._known.get(key)
        if svg is None:
            # Not under the lock: one that takes long holds up no other.
            svg = architecture_drawing(study, trial).svg
        with self._lock:
            if key not in self._known:
                self._known[key] = svg
                self._size += len(svg)
            self._known.move_to_end(key)
            while self._size > self._most and len(self._known) > 1:
                self._size -= len(self._known.popitem(last=False)[1])
        return svg
