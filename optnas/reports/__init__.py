"""Reports of a study: tables in the terminal, data files, figures."""
