"""Names and seams no tool checks, read from the syntax trees: one class a name, no retired name, no import cycle."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "qcqueue" / "reports"

# What these stood for has the name behind the arrow. `Outcome` is the core's alone.
RETIRED_CLASSES: Mapping[str, str] = {
    "Survey": "QueueScan",
    "Sight": "ScanResult",
    "Outlook": "QueueStats",
    "Pace": "CheckpointTuner",
    "Presence": "SessionLocks",
    "Tools": "SessionDeps",
    "Timeline": "TimeLedger",
    "Kept": "SavedWork",
    "Moment": "KillPoint, ChoiceContext",
    "Ring": "ScratchQueue",
    "Workplace": "QueueContext",
    "Seen": "QueueSummary",
    "Glance": "QueueSummary",
    "Standing": "BlobStatus",
    "JobAhead": "PendingJob",
    "Handover": "SpoolWriter",
    "Spread": "Quantiles",
    "Game": "simulator",
    "NearbyStore": "CachedStore",
    "Doubt": "caveats",
    "Run": "TrainingLoop, SimRun, TrackedRun",
    "Entry": "SpoolEntry, JournalEntry, CalendarEvent",
    "Verdict": "CheckStatus, StopAdvice, RetryAdvice",
    "Held": "TakenState, GpuUse, KernelHistory",
    "Progress": "TrainerProgress, CommitItem",
}
RETIRED_MODULES: Mapping[str, str] = {
    "estate": "salvage",
    "fate": "failure_policy",
    "remedies": "failure_policy",
    "survey": "queue_scan",
    "outlook": "queue_stats",
    "pace": "checkpoint_tuner",
    "presence": "session_locks",
    "tools": "session_deps",
    "timeline": "time_ledger",
    "plug": "kill_points",
    "rings": "scratch_queue",
    "place": "context",
    "workplace": "context",
    "telling": "progress_text",
    "room": "space_check",
    "foresight": "queue_summary",
    "upkeep": "gc",
    "findings": "checks",
    "words": "humanize",
    "spelling": "suggest",
    "story": "history",
    "ahead": "pending",
    "handover": "writer",
    "doom": "stopping_rule",
    "spread": "quantiles",
    "play": "simulator",
    "nearby": "cached",
    "home": "layout",
    "papers": "secret_json",
    "standing": "token_status",
    "honesty": "caveats",
    "judged": "predictions",
    "spending": "cost",
    "chances": "stats",
    "lives": "sim_session",
    "people": "operators",
    "places": "sim_machines",
    "paper": "null_trainer",
    "rivals": "contenders",
}


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in sorted((ROOT / "qcqueue").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def trees() -> dict[str, ast.Module]:
    """Return the syntax of every module, read once."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def classes() -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each class."""
    for module, tree in trees().items():
        yield from ((module, node.name) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported: nothing inside a function, nor what is for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from run_on_import(other)
            continue
        yield child
        yield from run_on_import(child)


def imported_on_import(module: str) -> set[str]:
    """Return the modules of the package that the import of one names."""
    found: set[str] = set()
    for node in run_on_import(trees()[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by a relative name"
            # Of a package either a module of it is meant, or what it defines itself.
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= whole if whole <= MODULES.keys() else {*whole, str(node.module)}
    return found & MODULES.keys() - {module}


def test_no_public_class_name_is_defined_twice() -> None:
    times = Counter(name for _, name in classes() if not name.startswith("_"))
    assert [(module, name) for module, name in classes() if times[name] > 1] == []


def test_no_class_has_a_retired_name() -> None:
    found = [f"{module}.{name}" for module, name in classes() if name.lstrip("_") in RETIRED_CLASSES]
    assert found == []
    assert [module for module, name in classes() if name.lstrip("_") == "Outcome"] == ["qcqueue.core.outcomes"]


def test_no_module_has_a_retired_name() -> None:
    """The report has its own issue: what it calls a timeline, findings and a paper are other things."""
    outside = {name for name, path in MODULES.items() if not path.is_relative_to(REPORTS)}
    assert sorted(name for name in outside if RETIRED_MODULES.keys() & set(name.split("."))) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports that run when a module is imported; those inside functions and for type checkers may point back."""
    graph = {module: imported_on_import(module) for module in MODULES}
    assert sum(map(len, graph.values())) > len(graph), "hardly anything imports anything: the trees are read wrongly"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        raise AssertionError(" -> ".join(exc.args[1])) from None
