from __future__ import annotations

from optnas.train import training_environment


def test_a_training_process_keeps_its_memory_unless_the_user_says_otherwise() -> None:
    environment = training_environment({"HOME": "/", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=2"})
    tunables = environment["GLIBC_TUNABLES"].split(":")
    assert environment["HOME"] == "/"
    assert "glibc.malloc.hugetlb=2" in tunables
    assert "glibc.malloc.hugetlb=1" not in tunables
    assert "glibc.malloc.trim_threshold=4294967296" in tunables
    assert training_environment(environment) == environment


def test_matrices_of_a_worker_s_sampler_get_one_thread_unless_someone_says_otherwise() -> None:
    assert training_environment({})["OPENBLAS_NUM_THREADS"] == "1"
    assert training_environment({"OPENBLAS_NUM_THREADS": "4"})["OPENBLAS_NUM_THREADS"] == "4"
