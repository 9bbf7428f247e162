"""Running a study: study files, storages, workers, threads and GPUs."""
