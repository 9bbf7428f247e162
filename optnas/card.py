"""Statements of people for a model card, which follow from no figure: licence, source, intended use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from optnas.errors import UserError, nearest

__all__ = ["Card"]

_LISTS = ("datasets", "language", "tags")
_MOST_CHARACTERS = 10_000


@dataclasses.dataclass(frozen=True)
class Card:
    """Statements of the model card that follow from no figure; what is not stated, the card says is not.

    The names are those of the metadata of Hugging Face's model cards where these have one.

    Attributes:
        license: Licence of the trained network, such as ``"apache-2.0"``.
        data_license: Licence of the data, such as ``"cc-by-4.0"``.
        data_source: Where the data is from: an address, or words.
        datasets: Ids of the data sets on the Hugging Face Hub, in a list.
        language: Codes of the languages of texts, such as ``["en"]``.
        tags: More tags for the metadata.
        intended_use: What the network is for.
        out_of_scope: What it is not for.
        contact: Whom to ask.

    Raises:
        UserError: If one is no text, or no list of texts.
    """

    license: str = ""
    data_license: str = ""
    data_source: str = ""
    datasets: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    intended_use: str = ""
    out_of_scope: str = ""
    contact: str = ""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            several = field.name in _LISTS
            if several and isinstance(value, str | list | tuple):
                value = (value,) if isinstance(value, str) else tuple(value)
                object.__setattr__(self, field.name, value)
            texts = value if several and isinstance(value, tuple) else [value]
            if not all(isinstance(text, str) and len(text) <= _MOST_CHARACTERS for text in texts):
                what = "a list of texts" if several else "a text"
                raise UserError(f"Card({field.name}={value!r:.60}): give {what}")

    @classmethod
    def of(cls, given: Any) -> Card:
        """Return what was given as a card: one, its statements by name, or ``None``.

        Raises:
            UserError: If it is none, or has a statement of no known name.
        """
        if given is None:
            return cls()
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            raise UserError(f"card={given!r:.60}: give optnas.Card(license=…) or a dictionary")
        known = [field.name for field in dataclasses.fields(cls)]
        for name in given:
            if name not in known:
                raise UserError(f"card has no {name!r}: {nearest(str(name), known)}")
        return cls(**given)

    @property
    def stated(self) -> dict[str, Any]:
        """Return what is stated, by name, as JSON has it."""
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in found.items() if value
        }
