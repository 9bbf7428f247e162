"""The command ``optnas report``: the page of a study, and the same as a PDF."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from optnas.errors import UserError
from optnas.files import replace_file
from optnas.reports.report import report
from optnas.reports.report.baselines import Baseline, baselines
from optnas.run.files import load_study, output_to_stderr
from optnas.run.lookup import find_study
from optnas.run.notes import data_is_known

__all__ = ["write_report"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MOST_SECONDS = 120


def write_report(url: str, reference: str | None, path: Path, *, pdf: bool) -> list[Path]:
    """Write the report of a study, and return the files.

    Args:
        url: The storage's URL.
        reference: The study's name or its file, which has the data that simple models are fitted to.
        path: The web page to write.
        pdf: Whether to write a PDF beside it.

    Raises:
        UserError: If there is no such study, a file cannot be written, or a PDF is asked for and there is no
            browser to print it.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"{path}: a report is a web page; give a file that ends in .html")
    browser = _browser() if pdf else None
    study = find_study(url, reference)
    simple: list[Baseline] | None = None
    file = None
    if reference is not None and ".py" in reference and reference != study.study_name:
        data_is_known()
        with output_to_stderr():
            declared = load_study(reference)
        file = reference
        simple = [] if declared.task is None else baselines(declared.task)
    replace_file(path, report(study, simple, file=file))
    if browser is None:
        return [path]
    return [path, _printed(browser, path)]


def _browser() -> str:
    for name in _BROWSERS:
        if (found := shutil.which(name)) is not None:
            return found
    raise UserError("--pdf: no Chromium or Chrome is installed to print it; leave --pdf away, or install one")


def _printed(browser: str, page: Path) -> Path:
    """Print a page to a PDF beside it."""
    to = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--no-sandbox",  # the page is our own, and root has no sandbox
            "--disable-gpu",
            f"--user-data-dir={profile}",
            "--no-pdf-header-footer",
            "--virtual-time-budget=10000",
            f"--print-to-pdf={to.resolve()}",
            page.resolve().as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_MOST_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"{browser} could not print {page}: {error}") from None
    if done.returncode or not to.exists():
        reason = done.stderr.strip().split("\n")[-1]
        raise UserError(f"{browser} could not print {page}: {reason}")
    return to
