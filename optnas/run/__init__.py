"""Running a study: study files, workers, threads and GPUs."""
