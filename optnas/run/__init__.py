"""Running a study: storage, budgets, workers, progress."""
