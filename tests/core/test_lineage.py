"""Where a run may go on: what sessions and trainers are told, by policy and by what differs."""

from dataclasses import replace
from typing import Any

import pytest

from qcqueue.core.lineage import bound_to, computation, is_same_kind, obstacle, refusal
from qcqueue.core.records import Identity
from tests.support.specs import a_spec

T4 = Identity(
    processor="Tesla T4",
    instruction_set="avx512",
    threads=2,
    deterministic=True,
    python="3.12",
    framework="tensorflow",
    framework_version="2.20.0",
    library="keras",
    library_version="3.13.2",
    numpy="2.1",
    cuda="12.5.1",
    cudnn="9",
)
P100 = replace(T4, processor="Tesla P100-PCIE-16GB")


@pytest.mark.parametrize(
    ("driver", "tensorflow"),
    [
        ("Tesla T4", "Tesla T4"),
        ("NVIDIA A100-SXM4-40GB", "A100-SXM4-40GB"),
        ("NVIDIA L4", "nvidia l4"),
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel(R) Xeon(R) CPU @ 2.20GHz"),
        ("Tesla T4", "GPU"),
        ("", "Tesla T4"),
    ],
)
def test_one_kind_of_processor_may_have_two_names(driver: str, tensorflow: str) -> None:
    assert is_same_kind(driver, tensorflow)
    assert is_same_kind(tensorflow, driver)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tesla T4", "Tesla P100-PCIE-16GB"),
        ("Tesla P4", "Tesla P40"),
        ("NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-80GB"),
        ("NVIDIA L4", "NVIDIA L40S"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel(R) Xeon(R) CPU @ 2.00GHz"),
        ("Tesla T4", "AMD EPYC 7B12"),
    ],
)
def test_two_kinds_of_processor_are_told_apart(one: str, other: str) -> None:
    assert not is_same_kind(one, other)
    assert not is_same_kind(other, one)


def test_a_session_leaves_a_job_alone_that_wants_the_processor_it_began_on() -> None:
    same = a_spec(lineage="same")
    assert obstacle(same, T4, ("Tesla P100-PCIE-16GB", "AMD EPYC 7B12")) == (
        "it goes on only on a Tesla T4, and this machine has a Tesla P100-PCIE-16GB"
    )
    assert obstacle(same, T4, ("Tesla T4", "AMD EPYC 7B12")) is None
    assert obstacle(same, replace(T4, processor="AMD EPYC 7B12"), ("Tesla T4", "AMD EPYC 7B12")) is None
    assert obstacle(same, None, ("Tesla P100-PCIE-16GB",)) is None


def test_what_a_session_cannot_know_is_left_to_the_trainer() -> None:
    for spec in (a_spec(), a_spec(lineage="refuse")):
        assert obstacle(spec, T4, ("Tesla P100-PCIE-16GB",)) is None


def test_under_any_a_run_goes_on_everywhere() -> None:
    assert refusal("any", T4, P100) is None
    assert bound_to("any", T4) is None


def test_under_same_only_the_processor_counts() -> None:
    assert refusal("same", T4, P100) == "it goes on only on a Tesla T4, and this machine has a Tesla P100-PCIE-16GB"
    assert refusal("same", T4, replace(T4, framework_version="2.21.0", cudnn="10", threads=4)) is None
    assert bound_to("same", T4) == "a Tesla T4"
    assert bound_to("same", replace(T4, processor="NVIDIA A100")) == "an NVIDIA A100"


@pytest.mark.parametrize(
    "field",
    [
        *("processor", "instruction_set", "threads", "deterministic", "cuda", "cudnn"),
        *("framework", "framework_version", "library", "library_version"),
    ],
)
def test_refuse_refuses_everything_that_decides_bits(field: str) -> None:
    changed: dict[str, Any] = {field: "else"}
    assert refusal("refuse", T4, replace(T4, **changed))


def test_a_step_that_ends_otherwise_is_named_in_words() -> None:
    fused = replace(T4, step="fused", step_fingerprint="0123456789abcdef", tf32=True)
    assert refusal("refuse", fused, replace(fused, memory_limit=5)) is None
    assert refusal("refuse", fused, replace(T4, step="graph", step_fingerprint="fedcba9876543210", tf32=False)) == (
        'its spec says lineage = "refuse", and this machine has a graph step instead of fused, '
        "steps that end in other bits (fingerprint fedcba98 instead of 01234567) and TF32 off instead of on"
    )
    assert "an xla step instead of graph" in str(refusal("refuse", T4, replace(T4, step="xla")))


def test_refuse_names_every_difference_and_nothing_else() -> None:
    assert refusal("refuse", T4, replace(T4, python="3.13", numpy="2.2")) is None
    assert refusal("refuse", T4, replace(P100, library_version="3.14.0", cudnn="", instruction_set="avx2")) == (
        'its spec says lineage = "refuse", and this machine has processor Tesla P100-PCIE-16GB instead of Tesla T4, '
        "instruction set avx2 instead of avx512, Keras 3.14.0 instead of 3.13.2 and cuDNN none instead of 9"
    )
    assert bound_to("refuse", replace(T4, cuda="", cudnn="")) == (
        "a machine exactly like that of before (Tesla T4, TensorFlow 2.20.0 and Keras 3.13.2)"
    )


def test_how_a_run_computes_is_said_of_what_it_did_and_else_of_what_it_wants() -> None:
    fused = replace(T4, step="fused")
    assert computation(a_spec(), []) == "step auto, precision float32, TF32 on"
    assert computation(a_spec(), [T4, T4]) == "step graph, precision float32, TF32 on"
    half = a_spec(precision="mixed_float16", tf32=False)
    assert computation(half, [T4, fused, fused]) == "step graph then fused, precision mixed_float16, TF32 off"
