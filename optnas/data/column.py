"""One column of a table as it is understood, and its values as that."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from optnas.data.cells import MARKS, MARKS_AMONG_NUMBERS, quoted
from optnas.data.date_texts import date_features, date_places
from optnas.data.number_texts import Decimal, numbers_in
from optnas.data.schemas.column import ColumnSchema, LeftOut
from optnas.data.schemas.columns import CategoryColumn, DateColumn, NumberColumn, YesNoColumn

__all__ = [
    "Column",
    "Reading",
    "alike",
    "amounts",
    "category",
    "date_column",
    "number",
    "refused",
    "told_marks",
]

Array = np.ndarray[Any, Any]

# A column of more different texts holds names or identifiers, not categories.
_MOST_CATEGORIES = 256
# So many different texts are told; fewer are too few to show that nearly all are distinct.
_MANY_CATEGORIES, _FEW = 20, 10
# Texts of so many words on average are sentences, no names.
_WORDS = 3.5
_FREE_TEXT = "make numbers of it, as by scikit-learn's TfidfVectorizer"
# Beyond it float64 cannot tell whole numbers apart.
_MOST_WHOLE = 2**53
_IDENTIFIER = re.compile(
    r"(?i:id|index|idx|nr|no|row|row.?(id|number|nr)|uid|uuid|key|)|.*([_ .-](?i:id)|[a-z]I[dD])"
)

_HAS = {"no value": "no value", "one value": "the same value in every row"}


@dataclasses.dataclass(frozen=True)
class Reading:
    """Settings for reading the columns of a table, as :func:`optnas.data.csv` takes them.

    Attributes:
        numbers: Columns to take as numbers, whatever else is in them.
        categories: Columns to take as categories, whatever is in them.
        dates: Columns to take as dates, with their format.
        missing: Texts that mean a missing value, besides the usual ones.
        decimal: The decimal mark; ``None`` where only each column itself can show it.
    """

    numbers: Sequence[str] = ()
    categories: Sequence[str] = ()
    dates: Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing: Sequence[str] = ()
    decimal: Decimal | None = None

    def marks(self, usual: Iterable[str] = MARKS) -> set[str]:
        """Return the texts that mean a missing value, in lower case: the ``usual`` ones and those given."""
        return {*usual, *(str(mark).strip().lower() for mark in self.missing)}

    def missing_texts(self, others: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the texts, in lower case, that mean a missing number or date, ``others`` too."""
        given = [str(mark).strip().lower() for mark in self.missing]
        return tuple(dict.fromkeys([*given, *sorted(MARKS_AMONG_NUMBERS), *(o.lower() for o in others)]))

    def without_marks(self, values: Array) -> Array:
        """Return numbers with NaN in place of those that mean a missing value."""
        marks = numbers_in([str(mark) for mark in self.missing]).values
        return np.where(np.isin(values, marks), np.nan, values) if len(marks) else values


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """A column of a table as it was read: its kind, its features, what was guessed.

    Attributes:
        name: Its name in the table.
        kind: ``number``, ``date``, ``yes or no``, ``category``, ``left out`` or ``refused``.
        detail: More about the kind, in a few words.
        missing: Number of rows without a value.
        notes: Guesses that a reader may want to overrule; of a refused column, why and what to do.
        numbers: Features to standardise, by name: float64, shape (rows,), NaN where missing.
        texts: The category of each row, shape (rows,), empty where missing.
        how: How its cells are read, without figures of the training part; of a refused column nothing.
    """

    name: str
    kind: str
    detail: str = ""
    missing: int = 0
    notes: tuple[str, ...] = ()
    numbers: Mapping[str, Array] = dataclasses.field(default_factory=dict)
    texts: Array | None = None
    how: ColumnSchema | None = None

    def features(self, rows: Any = slice(None)) -> int:
        """Return the number of features that it becomes where ``rows`` are the training part."""
        if self.texts is not None:
            return len(set(self.texts[rows]))
        if not self.numbers:
            return 0
        return len(self.numbers) + bool(np.isnan(next(iter(self.numbers.values()))[rows]).any())


def amounts(
    values: Array,
    whole: bool,
    reading: Reading,
    how: NumberColumn,
    detail: str = "",
    notes: tuple[str, ...] = (),
) -> Column:
    """Return a column of numbers; an identifier is left out, and what cannot be an amount is refused."""
    name = how.name
    values = reading.without_marks(values)
    known = values[~np.isnan(values)]
    if np.isinf(known).any():
        return refused(
            name,
            "holds an infinite number, or one beyond 1e308; mend it, say missing=[...] with its text, or"
            " leave it out",
        )
    if name in reading.numbers or len(known) < len(values) or not whole or len(values) < _FEW:
        return number(values, how, detail, notes)
    if np.abs(known).max(initial=0) > _MOST_WHOLE:
        return refused(
            name,
            "holds whole numbers beyond 2**53, identifiers rather than amounts; leave it out, or say"
            f" numbers=[{name!r}]",
        )
    counts_up = bool((np.diff(known) == 1).all())
    identifier = _IDENTIFIER.fullmatch(name) is not None or name.startswith("Unnamed: ")
    if identifier and (counts_up or len(np.unique(known)) == len(known)):
        why = "counts the rows" if counts_up else "is different in every row"
        note = f"{why}, so it is an identifier and left out; numbers=[{name!r}] keeps it"
        return Column(name, "left out", "identifier", 0, (note,), how=LeftOut(name=name))
    if counts_up:
        notes = (*notes, f"counts the rows up by 1; if it is a row number, leave it out by drop=[{name!r}]")
    return number(values, how, detail, notes)


def number(
    values: Array, how: NumberColumn | YesNoColumn, detail: str = "", notes: tuple[str, ...] = ()
) -> Column:
    """Return a column of numbers, or of 0 and 1 for no and yes."""
    name = how.name
    known = values[~np.isnan(values)]
    missing = len(values) - len(known)
    if not len(known) or (not missing and known.min() == known.max()):
        return _nothing(name, "one value" if len(known) else "no value", missing)
    top = np.abs(known).max()
    # Only their ratio counts, and without the division the square of 1e300 would be infinite.
    low, high = np.percentile(known / (top or 1), (5, 95))
    if 0 < high - low < 1e-3 * np.std(known / (top or 1)):
        example = known[np.argmax(np.abs(known))]
        notes = (
            *notes,
            f"a few values such as {example:.6g} make all others almost equal; if they mean a missing value,"
            f" say missing=['{example:.15g}']",
        )
    return Column(name, how.kind, detail, missing, notes, {name: values}, how=how)


def date_column(
    seconds: Array, how: DateColumn, form: str = "", notes: tuple[str, ...] = (), *, zoned: bool = False
) -> Column:
    """Return a column of dates, in seconds since 1970; of texts that were read by the format ``form``."""
    name = how.name
    known = seconds[~np.isnan(seconds)]
    missing = len(seconds) - len(known)
    if not len(known) or (not missing and known.min() == known.max()):
        return _nothing(name, "one value" if len(known) else "no value", missing)
    detail = ", ".join(part for part in (form, "in UTC" if zoned else "") if part)
    if form[:2] in ("%d", "%m") and "%b" not in form.lower():
        order = "day first" if form.startswith("%d") else "month first"
        notes = (*notes, f"dates are read {order}")
    how = dataclasses.replace(how, places=date_places(seconds))
    return Column(name, how.kind, detail, missing, notes, date_features(name, seconds), how=how)


def category(
    name: str,
    texts: list[str] | None,
    reading: Reading,
    *,
    chosen: bool = False,
    declared: bool = False,
    what: str = "",
) -> Column:
    """Return a column of categories; refuse it if its texts are too many and nobody chose that."""
    if texts is None:
        return refused(name, "holds neither numbers nor texts; convert it, or leave it out")
    import pandas

    marks = set() if chosen or declared else reading.marks()
    codes, found = pandas.factorize(np.asarray(texts, dtype=object))
    gaps = np.array([not text or text.lower() in marks for text in found], dtype=bool)
    counts = np.bincount(codes, minlength=len(found))
    present, missing = [t for t, gap in zip(found, gaps, strict=True) if not gap], int(counts[gaps].sum())
    rows = len(texts) - missing
    if not present or (len(present) == 1 and not missing):
        return _nothing(name, "one value" if present else "no value", missing)
    named = what or "texts"
    scattered = not declared and len(present) > max(_FEW, rows / 2)
    if not chosen and (len(present) > _MOST_CATEGORIES or scattered):
        return refused(
            name,
            f"holds {len(present)} different {named} in {rows} rows ({quoted(present, 2)}), too many for"
            " categories; leave it out"
            + (f", or say numbers=[{name!r}]" if what else "")
            + (f", or {_FREE_TEXT}" if _is_free(present) else ""),
        )
    notes = told_marks(list(found), gaps, counts)
    if what:
        notes = (*notes, f"codes with leading zeros are categories; numbers=[{name!r}] takes them as numbers")
    if len(present) > _MANY_CATEGORIES:
        many = f"{len(present)} {named} become a feature each; drop=[{name!r}] leaves it out"
        if not declared and _is_free(present):
            many = f"is free text, whose words are not read: {many}, or {_FREE_TEXT}"
        notes = (*notes, many)
    notes = (*notes, *alike(present))
    of_row = np.where(gaps, "", found.astype(object))[codes]
    how = CategoryColumn(name=name, missing=("", *sorted(marks - {""})))
    return Column(name, how.kind, f"{len(present)} {named}", missing, notes, texts=of_row, how=how)


def _is_free(texts: Sequence[str]) -> bool:
    """Return whether texts are sentences or the like, of which new ones are to be expected."""
    return sum(len(text.split()) for text in texts) >= _WORDS * len(texts)


def alike(texts: Sequence[str]) -> tuple[str, ...]:
    """Return a note if two of ``texts`` differ in their case alone."""
    first: dict[str, str] = {}
    for text in texts:
        if (other := first.setdefault(text.casefold(), text)) != text:
            return (f"{other!r} and {text!r} differ in case alone and are two",)
    return ()


def told_marks(texts: Sequence[str], marks: Array, counts: Array) -> tuple[str, ...]:
    """Return a note of the texts that are taken as missing, if one of them is not empty."""
    told = [(text, int(n)) for text, mark, n in zip(texts, marks, counts, strict=True) if mark and text]
    if not told:
        return ()
    return (", ".join(f"{text!r} ({n} times)" for text, n in told[:3]) + " taken as missing",)


def _nothing(name: str, detail: str, missing: int) -> Column:
    """Return a column that is left out as it has nothing to learn from."""
    notes = (f"has {_HAS[detail]} and is left out",)
    return Column(name, "left out", detail, missing, notes, how=LeftOut(name=name))


def refused(name: str, why: str) -> Column:
    """Return a column that cannot be used, with the reason; "leave it out" is told with the way to."""
    return Column(name, "refused", "", 0, (why.replace("leave it out", f"leave it out by drop=[{name!r}]"),))
