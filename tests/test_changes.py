"""Which tasks a change of the file can have touched: in doubt, more; never fewer."""

import pytest

from grader.grading.changes import Touched, same_lines, touched
from grader.judge.offering import TASKS
from tests.gradings import REFERENCE, RIGHT_KL, SKELETON
from tests.zoo.build import REGIONS, with_answers

pytestmark = pytest.mark.quick

TEXT = REFERENCE.read_text(encoding="utf-8")
ALL = frozenset(task.id for task in TASKS)
HELPER = "def _helper(x):\n    return x\n"


def change(before: str, after: str) -> Touched:
    return touched(before.encode(), after.encode())


def replaced(old: str, new: str, text: str = TEXT) -> Touched:
    assert old in text
    return change(text, text.replace(old, new, 1))


def test_a_method_touches_its_task_and_those_that_call_it() -> None:
    seen = replaced(RIGHT_KL, "return self.mean.sum(dim=1)")
    assert seen == Touched(frozenset({"kl"}), frozenset({"kl", "forward", "training"}))


@pytest.mark.parametrize("region", REGIONS)
def test_each_answer_touches_at_least_its_own_task_and_training(region: str) -> None:
    """In the skeleton and in the reference."""
    task = region.partition(".")[0]
    seen = change(TEXT, with_answers(TEXT, {region: "return 12345"}))
    assert seen.directly == {task} and {task, "training"} <= seen.all
    todo = f'raise NotImplementedError("TODO: {task}")'
    seen = replaced(todo, "return 12345", SKELETON.read_text(encoding="utf-8"))
    assert seen.directly == {task}


def test_networks_touch_all_models_and_no_distribution() -> None:
    seen = change(TEXT, with_answers(TEXT, {"encoder": "self.out_features = 1"}))
    assert seen.directly == {"encoder"}
    assert seen.all == ALL - {"sample", "kl", "nll", "mode"}


def test_a_helper_touches_the_tasks_that_reach_it() -> None:
    """Also through other helpers."""
    text = TEXT.replace(RIGHT_KL, "return _other(self)") + f"\n\n{HELPER}\n\ndef _other(x):\n    return _helper(x)\n"
    seen = replaced("    return x\n", "    return 2 * x\n", text)
    assert seen == Touched(frozenset(), frozenset({"kl", "forward", "training"}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import math\n", "import math\nimport os\n"),
        ("class VAE(nn.Module):", "class VAE(nn.Module, metaclass=type):"),
        (RIGHT_KL, "return globals()['_helper'](self)"),
        (RIGHT_KL, "return self.__dict__['x']"),
        (RIGHT_KL, "return (self.mean"),
    ],
)
def test_in_doubt_everything_is_touched(old: str, new: str) -> None:
    """Imports, class heads, code that finds definitions in other ways than by name, and text that is no Python."""
    assert replaced(old, new).all == ALL


def test_comments_and_layout_touch_nothing() -> None:
    assert change(TEXT, TEXT) == Touched()
    assert replaced("import math\n", "import math\n\n\n# a comment\n") == Touched()
    assert replaced(RIGHT_KL, f'"""A docstring."""\n        {RIGHT_KL}') == Touched()


def test_lines_move_with_a_comment_above_them() -> None:
    """Reports that name lines are out of date then."""
    assert not same_lines(TEXT.encode(), TEXT.replace("import math\n", "import math\n# a comment\n").encode())
    assert same_lines(TEXT.encode(), TEXT.replace("import math\n", "import math  # a comment\n").encode())
