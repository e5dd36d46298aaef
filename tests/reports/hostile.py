"""Names that would like to be more than names, and a study in which every text from outside is one of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qcqueue.core.records import Identity
from qcqueue.core.states import State
from qcqueue.datasets.format import Dataset, Split, arrange
from qcqueue.queue.sessions import SessionLine, accounts_of
from qcqueue.queue.values import EpochLine, HistoryLine, JobDetail
from qcqueue.reports.study import ReportInput
from tests.reports.studies import START_S, T4, a_dataset, a_job, a_proof, a_spec, epochs_of, some_sessions, the_study

MARKUP = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</title><h1>owned</h1>",
    "</style><style>main{display:none}",
    "</text></svg><iframe src=//evil.example>",
    "</td></tr></table></main><form action=//evil.example>",
    '" onmouseover="alert(1)" style="background:url(//evil.example/x)',
    "x;background:url(//evil.example/x)",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "var(--x) color-mix(in srgb, #ffffff 9999%, #000000)",
    "<!-- ",
    "--><!doctype html>",
    "]]><![CDATA[",
    "&lt;b&gt;&#60;i&#62;",
    "{{7*7}}${7*7}<%= 7*7 %>",
)
"""HTML, SVG, CSS and scripts."""

NAMES = (
    *MARKUP,
    # formulas
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("//evil.example";"click")',
    "+1+1",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "x;=1+1",  # a formula where cells are separated by semicolons
    "\uff1d1+1",  # a full-width equals sign, which spreadsheets of some languages take for one
    "a,b;c\"d\"'e'\r\nf\tg",
    # paths and file names
    "../../../escaped",
    "..\\..\\escaped",
    "/absolute",
    "C:\\Windows\\x",
    "CON",
    "..",
    ".hidden",
    "-rf *",
    # TeX and Markdown
    "\\input{/etc/passwd}",
    "\\end{tabular}\\write18{id} %$&#_{}~^",
    "$x_1^2$ 100 % & ~ \\\\",
    "*[1em] \\\\",
    "[click](javascript:alert(1)) ![x](//evil.example/x.png)",
    "| a | b |\n|---|---|\n<b>`code`</b> **bold**",
    # letters that hide, turn, break off, or are many
    "x\x00y\x1b[31m",
    "good\u202etcejer",
    "a\u2028b\u2029c\u0085d",
    "\ud800half",
    "\u200b\u200d\ufeff",
    "Z\u0351\u036f\u0345a\u0327\u0323lgo" * 5,
    "Ω 日本語 🙂 👩‍🔬",
    "wide " * 60,
    "W" * 300,
    "",
)


def a_hostile_study(name: str) -> ReportInput:
    """A study of a finished, a failed and a running job in which every text that can come from outside is `name`."""
    classes = tuple(f"{name}{place or ''}" for place in range(3))
    details = tuple(_renamed(detail, name, classes, place) for place, detail in enumerate(_jobs(classes)))
    done = details[0].line.name
    dataset = replace(
        a_dataset(classes=classes, source=name, note=name, attribution=name),
        name=name,
    )
    sessions = tuple(_attributed(session, name, done) for session in some_sessions())
    proof = replace(
        a_proof(is_equal=False, undisturbed={name: name}, cut={name: "0"}),
        job=done,
        ran_on=name,
        kills=(name, name),
        kills_by_moment={name: 2},
        facts=(name,),
        warning=name,
    )
    answers = np.linspace(0, 1, 36, dtype=np.float32).reshape(12, 3)
    answers /= answers.sum(axis=1, keepdims=True)
    return the_study(
        details,
        title=name or None,
        datasets=(dataset,),
        sessions=sessions,
        accounts=accounts_of(sessions),
        proofs=(proof,),
        answers={done: {f"{which}/{split}": answers for which in ("best", "last") for split in ("validation", "test")}},
        images={"d" * 64: _pictures(name, classes)},
        unread=(name,),
    )


def _jobs(classes: Sequence[str]) -> list[JobDetail]:
    return [
        a_job(a_spec("VGG16", epochs=12), epochs_of(12, cuts=(5,)), classes=classes),
        a_job(a_spec("Xception"), epochs_of(7, seed=3), state=State.FAILED),
        a_job(a_spec("DenseNet121"), epochs_of(9, cuts=(4,), seed=2), state=State.RUNNING),
    ]


def _renamed(detail: JobDetail, name: str, classes: Sequence[str], place: int) -> JobDetail:
    written = name.encode(errors="replace").decode()  # half a character has no digest, so no spec ever holds one
    spec = replace(detail.spec, study=written, name=f"{written}{place or ''}", model=written, dataset=written)
    line = replace(
        detail.line,
        name=spec.full_name,
        study=name,
        model=name,
        session=name if detail.line.session else None,
        failure_message=name if detail.line.failure_cause else None,
    )
    identity = Identity(
        processor=name,
        instruction_set=name,
        threads=2,
        deterministic=True,
        python=name,
        framework="tensorflow",
        framework_version=name,
        library="keras",
        library_version=name,
        numpy=name,
        cuda=name,
        cudnn=name,
    )
    return replace(
        detail,
        spec=spec,
        line=line,
        epochs=tuple(_moved(epoch, identity) for epoch in detail.epochs),
        attempts=tuple(replace(it, session_id=name, host=name, reason=name) for it in detail.attempts),
        history=(HistoryLine(at_s=START_S, who=name, what=name, attempt=1, why=name),),
    )


def _moved(epoch: EpochLine, identity: Identity) -> EpochLine:
    """Let the second attempt run elsewhere, so that the notes on mixed hardware name it."""
    return replace(epoch, identity=identity if epoch.attempt > 1 else replace(T4, processor=identity.processor + "1"))


def _attributed(session: SessionLine, name: str, job: str) -> SessionLine:
    return replace(
        session,
        id=name + session.id,
        host=name,
        processor=name,
        ended_how=name if session.ended_how else None,
        profile=name,
        machine=name,
        attempts=tuple(replace(attempt, job_name=job) for attempt in session.attempts),
    )


def _pictures(name: str, classes: Sequence[str]) -> Dataset:
    """Four pictures of each class to train on, to validate and to test."""
    count = 12 * len(Split)
    labels = np.arange(count, dtype=np.uint8) % 3
    return arrange(
        names=[f"{name}{index}" for index in range(count)],
        images=np.arange(count * 75 * 75 * 3, dtype=np.uint32).astype(np.uint8).reshape(count, 75, 75, 3),
        columns=(labels, (np.arange(count) // 12).astype(np.uint8), np.ones(count, np.uint8)),
        classes=classes,
        source=name,
        note=name,
        attribution=name,
    )
