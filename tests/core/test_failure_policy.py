"""What is done about a job that cannot be trained where it was tried: never more than its spec allows."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.failure_policy import Fail, Fault, Hold, SetAside, Tried, UseTheCpu, is_of_the_job, remedy
from qcqueue.core.outcomes import Cause, Trouble
from qcqueue.core.records import Identity, Rehearsal
from qcqueue.core.spec import Device, Lineage
from tests.support.specs import a_spec

NO_KERNEL = "DepthwiseConv2dNativeBackpropFilter has no deterministic implementation on Tesla T4"
NO_MEMORY = "Tesla T4 ran out of memory: Conv2D needs a tensor of shape [32,64,75,75]"
XEON = "Intel(R) Xeon(R) CPU @ 2.20GHz"
ON_A_T4 = Tried(processor="Tesla T4", on_gpu=True, begun_on=None, cpu=XEON)
OF_THE_PLACE = (Cause.DETERMINISM_REFUSED, Cause.OUT_OF_MEMORY)


def begun_on(processor: str) -> Identity:
    return Identity(
        processor=processor,
        instruction_set="avx512",
        threads=2,
        deterministic=True,
        python="3.12",
        framework="tensorflow",
        framework_version="2.20.0",
        library="keras",
        library_version="3.13.2",
        numpy="2.1",
    )


@pytest.mark.parametrize("cause", OF_THE_PLACE)
def test_where_the_spec_and_the_machine_allow_it_the_cpu_does_what_the_gpu_cannot(cause: Cause) -> None:
    assert remedy(cause, NO_KERNEL, a_spec(device="any"), ON_A_T4) == UseTheCpu(f"{NO_KERNEL}; it goes on on {XEON}")


@pytest.mark.parametrize(
    ("device", "changed"),
    [
        ("gpu", {}),
        ("any", {"cpu": None}),
        ("any", {"on_gpu": False, "processor": XEON}),
        ("cpu", {"on_gpu": False, "processor": XEON}),
    ],
)
def test_else_the_job_is_held(device: Device, changed: dict[str, Any]) -> None:
    for cause in OF_THE_PLACE:
        assert isinstance(remedy(cause, NO_KERNEL, a_spec(device=device), replace(ON_A_T4, **changed)), Hold)


@pytest.mark.parametrize("lineage", ["same", "refuse"])
def test_a_run_that_began_on_a_gpu_and_must_stay_there_does_not_go_to_the_cpu(lineage: Lineage) -> None:
    tried = replace(ON_A_T4, begun_on=begun_on("Tesla T4"))
    spec = a_spec(device="any", lineage=lineage)
    held = remedy(Cause.OUT_OF_MEMORY, NO_MEMORY, spec, tried)
    assert isinstance(held, Hold)
    assert "without a GPU" not in held.why
    assert isinstance(remedy(Cause.OUT_OF_MEMORY, NO_MEMORY, replace(spec, lineage="any"), tried), UseTheCpu)


def test_a_missing_kernel_is_named_with_the_choices() -> None:
    held = remedy(Cause.DETERMINISM_REFUSED, NO_KERNEL, a_spec(device="gpu"), ON_A_T4)
    assert held == Hold(
        f'{NO_KERNEL}. Choose: enqueue it under another name with device = "cpu" or determinism = "relaxed"'
    )
    held = remedy(Cause.DETERMINISM_REFUSED, NO_KERNEL, a_spec(device="any"), replace(ON_A_T4, cpu=None))
    assert held == Hold(
        f"{NO_KERNEL}. Choose: release it for a session on a machine without a GPU; or enqueue it under another name "
        'with device = "cpu" or determinism = "relaxed"'
    )


def test_a_run_that_began_elsewhere_may_go_back_there() -> None:
    tried = replace(ON_A_T4, begun_on=begun_on("Tesla P100-PCIE-16GB"))
    held = remedy(Cause.DETERMINISM_REFUSED, NO_KERNEL, a_spec(device="gpu"), tried)
    assert isinstance(held, Hold)
    assert "release it for a session where it began, on Tesla P100-PCIE-16GB; or" in held.why


def test_a_want_of_memory_is_told_with_the_choices() -> None:
    held = remedy(Cause.OUT_OF_MEMORY, NO_MEMORY, a_spec(device="gpu"), ON_A_T4)
    assert held == Hold(
        f"{NO_MEMORY}. Choose: release it for a session on a machine with more memory; or enqueue it under another "
        'name with a smaller batch_size or device = "cpu"'
    )
    message = "the system ended the trainer for want of memory"
    held = remedy(Cause.OUT_OF_MEMORY, message, a_spec(device="cpu"), replace(ON_A_T4, on_gpu=False))
    assert held == Hold(
        f"{message}. Choose: release it for a session on a machine with more memory; or enqueue it under another "
        "name with a smaller batch_size"
    )


@pytest.mark.parametrize("cause", sorted({*Cause} - {*OF_THE_PLACE}))
def test_what_would_end_the_same_way_anywhere_has_failed(cause: Cause) -> None:
    assert remedy(cause, "the loss became nan", a_spec(device="any"), ON_A_T4) == Fail()


@given(
    cause=st.sampled_from(Cause),
    device=st.sampled_from(["gpu", "cpu", "any"]),
    on_gpu=st.booleans(),
    cpu=st.sampled_from([None, XEON]),
    began=st.sampled_from([None, begun_on("Tesla T4"), begun_on(XEON)]),
    lineage=st.sampled_from(["any", "same", "refuse"]),
)
def test_whoever_has_to_choose_is_told_why_and_has_a_choice(
    cause: Cause, device: Device, on_gpu: bool, cpu: str | None, began: Identity | None, lineage: Lineage
) -> None:
    spec = a_spec(device=device, lineage=lineage)
    found = remedy(cause, NO_KERNEL, spec, Tried(processor="Tesla T4", on_gpu=on_gpu, begun_on=began, cpu=cpu))
    if isinstance(found, UseTheCpu):
        assert on_gpu
        assert (device, cpu) == ("any", XEON)
    if isinstance(found, Hold):
        assert found.why.startswith(f"{NO_KERNEL}. Choose: ")
        assert "enqueue it under another name with " in found.why


def test_a_rehearsal_says_how_it_went_and_comes_back_from_json() -> None:
    exact = Rehearsal(processor="Tesla T4", differs="", seconds=2.5)
    other = replace(exact, differs="2 of 9 values differed, the first was the loss of step 1")
    assert exact.sentence == "resume rehearsed on Tesla T4: exact"
    assert other.sentence == (
        "resume rehearsed on Tesla T4: not exact, 2 of 9 values differed, the first was the loss of step 1"
    )
    assert (exact.is_exact, other.is_exact) == (True, False)
    assert Rehearsal.from_json(other.to_json()) == other


@pytest.mark.parametrize("trouble", Trouble)
def test_a_trouble_of_a_machine_or_of_the_store_never_fails_a_job(trouble: Trouble) -> None:
    assert remedy(trouble, "no room is left", a_spec(device="any"), ON_A_T4) == SetAside(trouble)
    again = remedy(trouble, "no room is left", a_spec(device="gpu"), replace(ON_A_T4, lacked_memory=True))
    assert isinstance(again, Hold if trouble is Trouble.MEMORY else SetAside)


def test_a_want_of_memory_that_came_twice_is_the_jobs_and_gets_the_choices() -> None:
    twice = replace(ON_A_T4, lacked_memory=True)
    assert isinstance(remedy(Trouble.MEMORY, NO_MEMORY, a_spec(device="any"), twice), UseTheCpu)
    held = remedy(Trouble.MEMORY, NO_MEMORY, a_spec(device="gpu"), twice)
    assert held == remedy(Cause.OUT_OF_MEMORY, NO_MEMORY, a_spec(device="gpu"), ON_A_T4)


HERE = Fault("s9", "m1")
SAME_SESSION, ANOTHER_SESSION, ANOTHER_MACHINE = Fault("s9", "m1"), Fault("s8", "m1"), Fault("s7", "m2")


@pytest.mark.parametrize(
    ("earlier", "machine_has_failed_another", "is_final"),
    [
        ([], False, False),
        ([SAME_SESSION], False, False),
        ([ANOTHER_SESSION], False, True),
        ([ANOTHER_SESSION], True, False),  # one machine cannot fail two jobs
        ([ANOTHER_SESSION, ANOTHER_SESSION], True, False),  # however often it tries
        ([ANOTHER_MACHINE], False, True),
        ([ANOTHER_MACHINE], True, True),
        ([SAME_SESSION, ANOTHER_MACHINE], True, True),
        ([SAME_SESSION], True, False),
    ],
)
def test_an_unexplained_fault_is_the_jobs_where_it_came_twice_and_not_by_one_machine_alone_that_failed_another(
    earlier: list[Fault], machine_has_failed_another: bool, is_final: bool
) -> None:
    assert is_of_the_job(HERE, earlier, machine_has_failed_another=machine_has_failed_another) == is_final
