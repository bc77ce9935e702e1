"""The skeleton is the reference without its answers: the two can not drift apart, and nothing leaks."""

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from grader.judge.offering import TASKS, load_offering
from solution.skeleton import REFERENCE, SKELETON, main, skeleton

ROOT = Path(__file__).parents[1]
WHOLE = load_offering(ROOT / "grader" / "offerings" / "full.toml")
COURSE = load_offering(ROOT / "grader" / "offerings" / "course.toml")
FIRST_LAB = load_offering(ROOT / "grader" / "offerings" / "first_lab.toml")
REFERENCE_TEXT = REFERENCE.read_text(encoding="utf-8")
SKELETON_TEXT = SKELETON.read_text(encoding="utf-8")
CODE_TASKS = [task.id for task in TASKS if task.id != "training"]
ANSWERS = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", REFERENCE_TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The skeleton, imported as a student's file is."""
    spec = importlib.util.spec_from_file_location("VAE_Model", SKELETON)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


# ## Made from the reference
def test_the_skeleton_is_what_the_reference_makes() -> None:
    assert skeleton(REFERENCE_TEXT, WHOLE) == SKELETON_TEXT, "run python -m solution.skeleton"


def test_one_command_compares_and_one_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "VAE_Model.py"
    for arguments, status in [(["--check"], 1), ([], 0), (["--check"], 0)]:
        monkeypatch.setattr(sys, "argv", ["skeleton", f"--out={tmp_path}", *arguments])
        assert main() == status
        assert target.exists() == (arguments == [] or status == 0)
    assert target.read_bytes() == SKELETON.read_bytes()
    target.write_text(SKELETON_TEXT + "\n", encoding="utf-8")
    assert main() == 1, "a skeleton edited by hand is noticed"


def test_the_command_runs_from_the_root() -> None:
    command = [sys.executable, "-m", "solution.skeleton", "--check"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


# ## What is in it
def test_every_code_task_has_a_todo_under_its_heading() -> None:
    headings = list(re.finditer(r"# ## Task `(\w+)`", SKELETON_TEXT))
    assert sorted(heading[1] for heading in headings) == sorted(CODE_TASKS)
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        part = SKELETON_TEXT[heading.end() : following.start() if following else None]
        todos = re.findall(r'raise NotImplementedError\("TODO: (\w+)"\)', part)
        assert todos and set(todos) == {heading[1]}


def _todos(module: ModuleType) -> dict[str, list[Callable[[], Any]]]:
    """Return, for each task, calls that reach its TODOs."""
    x, z = torch.zeros(2, 3, 32, 32), torch.zeros(2, 4)
    q = module.DiagonalGaussianDistribution(z)
    encoder, decoder, vae = (part.__new__(part) for part in (module.Encoder, module.Decoder, module.VAE))
    for part in (encoder, decoder, vae):
        nn.Module.__init__(part)
    return {
        "encoder": [module.Encoder, lambda: encoder(x)],
        "decoder": [module.Decoder, lambda: decoder(z)],
        "sample": [q.sample, lambda: q.sample(z)],
        "kl": [q.kl],
        "nll": [lambda: q.nll(z, [1])],
        "mode": [q.mode],
        "encode": [lambda: vae.encode(x)],
        "decode": [lambda: vae.decode(z)],
        "prior_sample": [lambda: vae.sample(2)],
        "forward": [lambda: vae(x), lambda: vae(x, z)],
        "log_likelihood": [lambda: vae.log_likelihood(x)],
        "interpolate": [lambda: module.interpolate(vae, z[:1], z[1:], 5)],
    }


@pytest.mark.parametrize("task", CODE_TASKS)
def test_every_todo_says_which_task_it_is(module: ModuleType, task: str) -> None:
    for call in _todos(module)[task]:
        with pytest.raises(NotImplementedError, match=f"^TODO: {task}$"):
            call()


def test_what_is_given_works(module: ModuleType) -> None:
    mean, logvar = torch.tensor([[1.0, 2.0]]), torch.tensor([[-100.0, 100.0]])
    q = module.DiagonalGaussianDistribution(mean, logvar)
    assert q.logvar.tolist() == [[-30.0, 20.0]]
    assert torch.equal(q.var, q.logvar.exp())
    assert torch.equal(q.std, (0.5 * q.logvar).exp())
    assert torch.equal(module.DiagonalGaussianDistribution(mean).std, torch.ones(1, 2))


def _signature(function: Callable[..., Any]) -> str:
    """Return a signature, shapes included, in which the two modules' own classes have one name."""
    return str(inspect.signature(function)).replace("solution.VAE_Model.", "VAE_Model.")


def test_it_has_the_interface_of_the_reference(module: ModuleType) -> None:
    from solution import VAE_Model as reference

    for name in ("Encoder", "Decoder", "DiagonalGaussianDistribution", "VAE"):
        ours, theirs = getattr(module, name), getattr(reference, name)
        methods = [n for n, value in vars(theirs).items() if inspect.isfunction(value)]
        assert methods == [n for n, value in vars(ours).items() if inspect.isfunction(value)]
        for method in methods:
            assert _signature(getattr(ours, method)) == _signature(getattr(theirs, method))
    assert _signature(module.interpolate) == _signature(reference.interpolate)


# ## Nothing leaks
def test_no_mark_and_no_line_of_an_answer_is_left() -> None:
    assert "SOLUTION" not in SKELETON_TEXT
    kept = {line.strip() for line in SKELETON_TEXT.splitlines()}
    lines = [line.strip() for answer in ANSWERS for line in answer.splitlines()]
    assert len(ANSWERS) == 14 and len(lines) > 40
    assert not [line for line in lines if len(line) > 2 and line in kept]


HANDED_OUT = sorted(p for p in SKELETON.parent.iterdir() if p.suffix in (".py", ".md", ".ipynb"))


def _bare(code: str) -> str:
    """Return code without blanks, owners and decimals, so that a formula is found however it is set."""
    return re.sub(r"\s|\b(?:self|torch|math|q|posterior)\.|\.0\b|[`$()]", "", code)


@pytest.mark.parametrize("file", HANDED_OUT, ids=lambda file: file.name)
def test_nothing_that_a_student_receives_gives_an_answer_away(file: Path) -> None:
    text = _bare(file.read_text(encoding="utf-8"))
    for answer in ANSWERS:
        body = textwrap.indent(textwrap.dedent(answer), "    ")
        for part in ast.walk(ast.parse(f"def answer():\n{body}")):
            formula = _bare(ast.unparse(part)) if isinstance(part, (ast.BinOp, ast.Call)) else ""
            assert len(formula) < 12 or formula not in text


# ## Mistakes in the reference are refused
ANSWER = "# ## Task `kl`\ndef f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n"


def test_an_answer_becomes_a_todo_of_its_heading_and_depth() -> None:
    assert skeleton(ANSWER, WHOLE) == '# ## Task `kl`\ndef f():\n    raise NotImplementedError("TODO: kl")\n'
    assert '\n    raise NotImplementedError("TODO: nll")\n' in skeleton(ANSWER + ANSWER.replace("kl", "nll"), WHOLE)


@pytest.mark.parametrize("mark", ["### BEGIN SOLUTION", "### END SOLUTION"])
def test_a_mark_without_partner_is_refused_with_its_line(mark: str) -> None:
    with pytest.raises(ValueError, match="unmatched mark near line"):
        skeleton(ANSWER.replace(f"    {mark}\n", ""), WHOLE)


def test_a_forgotten_end_does_not_swallow_the_next_task() -> None:
    with pytest.raises(ValueError, match="mark"):
        skeleton(ANSWER.replace("    ### END SOLUTION\n", "") + ANSWER.replace("kl", "nll"), WHOLE)


def test_an_answer_without_heading_is_refused() -> None:
    with pytest.raises(ValueError, match="no task heading"):
        skeleton(ANSWER.replace("# ## Task `kl`\n", ""), WHOLE)


# ## Of other offerings
def test_a_given_task_is_solved_and_said_to_be_given() -> None:
    made = skeleton(REFERENCE_TEXT, COURSE)
    assert "# ## Given: `encoder`\nclass Encoder" in made and "# ## Task `kl`" in made
    assert not re.search("TODO: (encoder|decoder)|SOLUTION|Task `(encoder|decoder)`", made)
    assert set(re.findall(r"TODO: (\w+)", made)) == set(COURSE.graded) - {"training"}


def test_a_task_that_is_off_is_solved_and_not_mentioned() -> None:
    made = skeleton(REFERENCE_TEXT, FIRST_LAB)
    assert re.findall("# ## (.*)", made) == [f"Task `{task}`" for task in FIRST_LAB.graded]
    assert set(re.findall(r"TODO: (\w+)", made)) == set(FIRST_LAB.graded)
    assert ANSWERS[-1].rstrip() in made
