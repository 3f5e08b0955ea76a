"""What a mutant has to get past: the tests that run its function, or the claims of a chapter."""

import ast
import json
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import CodeType

import engine
import pytest

QUIET = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:nbval", "-p", "no:randomly"]


class Cover:
    """Runs each test once and notes which functions of the package it enters."""

    def __init__(self, root: Path) -> None:
        import coverage

        self.root = root
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self.coverage = coverage.Coverage(
            data_file=None, config_file=False, source=[str(root / "klrl_lite")]
        )

    def pytest_collection_finish(self) -> None:
        """Begin once everything is imported."""
        self.coverage.start()

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Count what follows for this test."""
        self.coverage.switch_context(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the time of a test, its fixtures included, and whether it fails as things are."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed or report.skipped:
            self.failed.add(report.nodeid)

    def found(self) -> dict[str, object]:
        """Return the tests by function, and their times."""
        self.coverage.stop()
        data = self.coverage.get_data()
        tests: dict[str, list[str]] = {}
        for name in data.measured_files():
            path = Path(name).relative_to(self.root).as_posix()
            lines = data.contexts_by_lineno(name)
            for function, first, last in _spans(Path(name)):
                entered = {c for n in range(first, last + 1) for c in lines.get(n, []) if c}
                tests[f"{path}:{function}"] = sorted(entered - self.failed)
        seconds = {k: round(v, 4) for k, v in self.seconds.items() if k not in self.failed}
        return {"tests": tests, "seconds": seconds, "failed": sorted(self.failed)}


def _spans(path: Path) -> list[tuple[str, int, int]]:
    """Return functions and methods with the first and the last line of their bodies."""
    spans = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        spans += [
            (prefix + f.name, f.body[0].lineno, f.end_lineno or f.lineno)
            for f in inner
            if isinstance(f, ast.FunctionDef)
        ]
    return spans


def cover(root: Path, target: Path, tests: Sequence[str]) -> int:
    """Write which tests enter which functions."""
    plugin = Cover(root)
    pytest.main([*QUIET, *tests], plugins=[plugin])
    target.write_text(json.dumps(plugin.found()), encoding="utf-8")
    return 0


class Tests:
    """The tests that enter a mutant's function: first what has killed its kin, then short ones."""

    def __init__(self, cover: dict, mutants: Sequence[engine.Mutant], results: Path, budget: float):
        self.tests, self.seconds = cover["tests"], cover["seconds"]
        self.mutants, self.results, self.budget = mutants, results, budget
        self.killers: dict[str, Counter[str]] = defaultdict(Counter)
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure in whatever part of a test."""
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try the mutants where the tests would run."""
        self.items = {item.nodeid: item for item in session.items}
        engine.all_of(session.config.rootpath, self.mutants, self, self.results)
        return True

    def learn(self, mutant: engine.Mutant, done: dict[str, object]) -> None:
        """Remember what killed a mutant."""
        if done["status"] == "killed":
            self.killers[_place(mutant)][str(done["by"])] += 1

    def order(self, mutant: engine.Mutant) -> list[str]:
        """Return the tests that can say something about a mutant, the most telling first."""
        if "test" in mutant:
            return [str(mutant["test"])]
        likely = self.killers[_place(mutant)]
        chosen = [n for n in self.tests.get(_place(mutant), ()) if n in self.items]
        return sorted(chosen, key=lambda n: (-likely[n], self.seconds[n]))

    def __call__(self, mutant: engine.Mutant) -> str:
        """Run tests until one fails or the time is spent."""
        begin = time.process_time()
        nodes = self.order(mutant)
        if not nodes:  # no test enters the function
            return ""
        for node, following in zip(nodes, [*nodes[1:], None], strict=True):
            item = self.items[node]
            engine.limit(5.0 + 10 * self.seconds.get(node, 1.0))
            item.config.hook.pytest_runtest_protocol(
                item=item, nextitem=self.items[following] if following else None
            )
            if self.failed or time.process_time() - begin > self.budget:
                return self.failed
        return ""


def _place(mutant: engine.Mutant) -> str:
    return f"{mutant['path']}:{mutant['function']}"


def by_tests(
    root: Path,
    mutants: Sequence[engine.Mutant],
    results: Path,
    cover: Path,
    budget: float,
    tests: Sequence[str],
) -> int:
    """Try mutants on these tests, or on the one that a mutant names."""
    known = json.loads(cover.read_text(encoding="utf-8"))
    plugin = Tests(known, mutants, results, budget)
    chosen = {str(m["test"]).split("::")[0] for m in mutants if "test" in m}
    return int(pytest.main([*QUIET, *(sorted(chosen) or tests)], plugins=[plugin]))


def by_chapter(root: Path, mutants: Sequence[engine.Mutant], results: Path, notebook: Path) -> int:
    """Try mutants on the claims of one chapter; the unmutated chapter must pass."""
    import chapters

    from klrl_lite.claims import collect

    cells = [
        compile(source, f"{notebook.name}, cell {number}", "exec")
        for number, source in enumerate(chapters.code_of(notebook))
    ]

    def judge(mutant: engine.Mutant) -> str:
        engine.limit(300.0)
        scope: dict[str, object] = {}
        with collect() as records, warnings.catch_warnings():
            warnings.simplefilter("error")
            for number, cell in enumerate(cells):
                if by := _failure(cell, number, scope, records):
                    return by
        return ""

    engine.all_of(root, mutants, judge, results)
    return 0


def _failure(cell: CodeType, number: int, scope: dict, records: list[dict]) -> str:
    """Run one cell; name the claims that fail in it, or how it breaks."""
    seen = len(records)
    try:
        exec(cell, scope)
    except Exception as error:
        return f"cell {number} breaks: {error!r}"
    failed = [" ".join(r["ids"]) for r in records[seen:] if r["failure"]]
    return "claim " + " ".join(failed) if failed else ""
