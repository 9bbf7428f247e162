"""Showing a study: tables in the terminal, files, figures."""
