"""A report of a study as one self-contained web page, for people who were not there."""

from __future__ import annotations

from optnas.reports.report.document import report

__all__ = ["report"]
