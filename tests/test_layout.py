"""The layout of the project: which package may import which, and that importing a module has no side effects.

The rules are checked by parsing import statements. Imports inside functions count like those at the top, and so does
`importlib.import_module("a.constant")`.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"assignment", "solution", "grader", "data", "tests"}
FILES = sorted(
    file
    for package in PACKAGES
    for file in (ROOT / package).rglob("*.py")
    if not any(part.startswith((".", "__pycache__")) for part in file.relative_to(ROOT).parts)
)
MODULES = {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in FILES}
LONGEST = 400


def imports(module: str) -> set[str]:
    """Return the full names of everything that a module imports, with relative imports resolved."""
    return set(_imported(module, MODULES[module]))


def _imported(module: str, file: Path) -> Iterator[str]:
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in MODULES else base
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def within(module: str, *packages: str) -> bool:
    """Return whether a module is one of the packages, or inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def of(*packages: str) -> list[str]:
    """Return the modules of the packages."""
    found = [module for module in MODULES if within(module, *packages)]
    assert found, f"no modules in {packages}"
    return found


def strangers(module: str, *allowed: str) -> set[str]:
    """Return the modules of the project that a module imports, except those in `allowed`."""
    return {name for name in imports(module) if within(name, *PACKAGES) and not within(name, *allowed)}


# ## The import parser itself
def test_imports_are_seen_in_all_their_forms() -> None:
    assert "grader.worker.wire" in imports("grader.sandbox.worker"), "from grader.worker import wire"
    assert "grader.worker.wire" in imports("grader.sandbox.unforked"), "from grader.worker.wire import Message"
    assert "grader.worker.probes.common" in imports("grader.worker.probes"), "from .found import Found"
    assert "grader.worker.probes" in imports("grader.worker.serve"), "inside a function"
    assert "grader.worker.serve" in imports("grader.sandbox.in_process"), "importlib.import_module"
    assert {"torch", "data"} <= imports("grader.judge.short_run")


# ## Allowed imports
@pytest.mark.parametrize("module", of("data"))
def test_data_imports_no_other_package(module: str) -> None:
    assert not strangers(module, "data")


@pytest.mark.parametrize("module", of("assignment"))
def test_the_assignment_imports_data_only(module: str) -> None:
    assert not strangers(module, "assignment", "data")


@pytest.mark.parametrize("module", of("solution"))
def test_the_solution_imports_the_assignment_and_data_and_what_an_offering_is(module: str) -> None:
    assert not strangers(module, "solution", "assignment", "data", "grader.judge.offering", "grader.judge.given")
    assert "assignment.VAE_Model" not in imports(module), "the solution must not use the student's file"


@pytest.mark.parametrize("module", of("grader"))
def test_the_grader_imports_neither_assignment_nor_solution(module: str) -> None:
    assert not strangers(module, "grader", "data")


@pytest.mark.parametrize("module", of("grader.report"))
def test_reports_import_the_result_model_only(module: str) -> None:
    assert not strangers(module, "grader.report", "grader.judge.result")


@pytest.mark.parametrize("module", [m for m in of("grader") if not within(m, "grader.platforms", "grader.instructor")])
def test_code_for_students_does_not_import_code_for_instructors(module: str) -> None:
    """Commands for instructors are looked up by name, if their folder exists."""
    assert not any(within(name, "grader.platforms", "grader.instructor") for name in imports(module))


@pytest.mark.parametrize("module", of("grader.platforms"))
def test_platforms_do_not_import_code_for_instructors(module: str) -> None:
    assert not any(within(name, "grader.instructor") for name in imports(module))


@pytest.mark.parametrize("module", of("grader.instructor"))
def test_code_for_instructors_does_not_import_platforms(module: str) -> None:
    assert not any(within(name, "grader.platforms") for name in imports(module))


@pytest.mark.parametrize("module", of("grader.instructor.gradebooks"))
def test_exports_import_results_but_no_grading_code(module: str) -> None:
    policy = ("grader.judge.offering", "grader.judge.late_policy", "grader.judge.result", "grader.grading.options")
    graded = (f"grader.instructor.{name}" for name in ("class_runs.grades", "class_runs.submissions", "csv_tables"))
    assert not strangers(module, "grader.instructor.gradebooks", "grader.report", "data.commandline", *graded, *policy)


def test_exports_need_no_third_party_packages() -> None:
    """Only a zip of reports needs more, to render pages."""
    for module in of("grader.instructor.gradebooks"):
        roots = {name.partition(".")[0] for name in imports(module)}
        assert roots <= set(sys.stdlib_module_names) | {"grader", "data"}


@pytest.mark.parametrize("module", of("grader.instructor.release"))
def test_a_release_reads_other_files_as_text(module: str) -> None:
    grading = (f"grader.grading.{name}" for name in ("options", "seeds", "grading_process"))
    allowed = ("grader.judge.offering", "grader.report.files", "data.commandline")
    assert not strangers(module, "grader.instructor.release", *allowed, *grading)


@pytest.mark.parametrize("module", of("grader.instructor.class_runs"))
def test_a_class_run_does_not_import_workers(module: str) -> None:
    assert not any(within(name, "grader.worker") for name in imports(module))


def test_archives_imports_the_standard_library_only() -> None:
    """It also runs as a separate program, without the project on its import path."""
    assert {name.partition(".")[0] for name in imports("grader.sandbox.archives")} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("module", of("grader.judge"))
def test_the_judge_imports_neither_worker_nor_sandbox_nor_reports(module: str) -> None:
    assert not strangers(module, "grader.judge", "data")


@pytest.mark.parametrize("module", of("grader.sandbox"))
def test_the_sandbox_imports_only_wire_from_the_worker(module: str) -> None:
    if module == "grader.sandbox.in_process":  # no sandbox at all: it runs the probes in the judge's process
        assert strangers(module, "grader.sandbox") == {"grader.worker.serve", "grader.worker.probes"}
    else:
        assert not strangers(module, "grader.sandbox", "grader.worker.wire")


@pytest.mark.parametrize("module", of("grader.worker"))
def test_the_worker_imports_itself_and_torch_only(module: str) -> None:
    """The project is not on a worker's import path; the package is called `worker` there."""
    outside = {name for name in imports(module) if not within(name, "grader.worker", "worker")}
    roots = {name.partition(".")[0] for name in outside}
    assert roots <= set(sys.stdlib_module_names) | {"torch", "numpy", "safetensors"}
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level or not (node.module or "").startswith("grader"), "import relatively"


@pytest.mark.parametrize("module", ["grader.worker.standins"])
def test_stand_ins_import_sys_math_and_torch_only(module: str) -> None:
    assert {name.partition(".")[0] for name in imports(module)} <= {"sys", "math", "torch"}


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, "grader", "assignment", "data")])
def test_only_the_solution_and_the_tests_import_the_solution(module: str) -> None:
    assert not any(within(name, "solution", "tests") for name in imports(module))


# ## Folders and files
def test_every_folder_is_a_package_or_has_a_readme() -> None:
    for folder in ROOT.iterdir():
        if folder.is_dir() and not folder.name.startswith(".") and folder.name in _tracked_folders():
            documented = (folder / "__init__.py").exists() or (folder / "README.md").exists()
            assert documented, f"what is {folder.name}/ for?"


def _tracked_folders() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    tracked = {line.split("/")[0] for line in listed.stdout.splitlines() if "/" in line}
    return tracked or PACKAGES  # a copy without git: the known packages


def test_every_package_except_tests_is_a_command() -> None:
    for package in ("assignment", "solution", "grader", "data"):
        assert f"{package}.__main__" in MODULES


def test_the_file_list_in_the_grader_readme_is_complete() -> None:
    """The README names each file of grader/, or its folder."""
    text = (ROOT / "grader" / "README.md").read_text(encoding="utf-8")
    for module in of("grader"):
        file = MODULES[module]
        inner = file.parent.name if file.parent.parent.name in ("worker", "grader") else ""
        known = f"`{file.name}`" in text or (inner == "probes" and f"`{inner}/`" in text)
        assert known or file.name == "__init__.py" or file.name.startswith("test_"), (
            f"grader/README.md does not name {module}"
        )


# Names that two modules may share: the two sides of the sandbox; a probe and the diagnosis of the same subject; the
# standard files of packages and programs; and the skeleton and the solution.
MIRRORED = {"__init__", "__main__", "VAE_Model", "zygote", "unforked", "submission", "layers"}
OF_ONE_SUBJECT = {
    "distribution",
    "training",
    "encoder",
    "decoder",
    "encode",
    "decode",
    "sample",
    "prior_sample",
    "kl",
    "nll",
}


def test_no_two_modules_have_the_same_name() -> None:
    names: dict[str, list[str]] = {}
    for module in MODULES:
        if not within(module, "tests"):
            names.setdefault(MODULES[module].stem, []).append(module)
    twice = {name: modules for name, modules in names.items() if len(modules) > 1}
    assert set(twice) <= MIRRORED | OF_ONE_SUBJECT, twice


@pytest.mark.parametrize("module", [m for m in MODULES if not within(m, "tests")])
def test_every_module_has_a_docstring(module: str) -> None:
    assert ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))


@pytest.mark.parametrize("module", [m for m in MODULES if not within(m, "tests")])
def test_files_are_short(module: str) -> None:
    lines = MODULES[module].read_text(encoding="utf-8").splitlines()
    # The assignment asks for a single file.
    limit = 2 * LONGEST if module in ("solution.VAE_Model", "assignment.VAE_Model") else LONGEST
    assert len(lines) <= limit


# ## Importing has no side effects
WATCHED = """
import contextlib, importlib, io, os, random, signal, sys, threading, warnings
import numpy, torch
from pathlib import Path

def state():
    return (
        random.getstate(), numpy.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes(),
        torch.get_default_dtype(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(),
        torch.is_grad_enabled(), numpy.geterr(), os.getcwd(), dict(os.environ), threading.active_count(),
        sys.getrecursionlimit(), signal.getsignal(signal.SIGINT), sorted(os.listdir()),
    )

warnings.simplefilter("error")
torch.set_num_threads(1)
for name in sys.argv[1:]:
    before, printed = state(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        importlib.import_module(name)
    assert not printed.getvalue(), f"{name} prints {printed.getvalue()!r}"
    assert state() == before, f"{name} changes the state of the process"
for heavy in ("matplotlib.pyplot", "scipy", "torchvision"):
    assert heavy not in sys.modules, f"{heavy} was imported by a module's top level"
"""


def test_importing_any_module_has_no_visible_effect(tmp_path: Path) -> None:
    names = [m for m in MODULES if not within(m, "tests") and not m.endswith("__main__")]
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{WATCHED}"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, *names], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
