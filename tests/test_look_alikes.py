"""Look-alikes: copies are found whatever they are dressed up as, independent work is not, and no text stops the search.

Classes are mixed from the zoo's right answers: each student takes one of them for each task, so that short answers
coincide often, as they do in real classes.
"""

import ast
import itertools
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.instructor.class_runs.grades import record
from grader.instructor.pages import index, look_alikes
from grader.instructor.pages.class_pages import handed_out, write_class_reports
from grader.instructor.pages.look_alikes import LookAlikes, stream
from grader.judge.offering import OFFERING, load_offering
from solution.skeleton import skeleton
from tests.made_up_class import entry
from tests.test_html import Seen
from tests.zoo.build import REGIONS, reference, with_answers
from tests.zoo.entry import Equivalent
from tests.zoo.equivalent import EQUIVALENT, own_parts

ROOT = Path(__file__).resolve().parents[1]
GIVEN = [
    (ROOT / "assignment" / f"{name}.py").read_text(encoding="utf-8") for name in ("VAE_Model", "train", "evaluate")
]
LONG = ("encoder", "decoder", "log_likelihood")  # the tasks whose answers are long enough to tell authors apart
INDEPENDENT = [e for e in EQUIVALENT if e not in own_parts.EQUIVALENT]  # those share pieces with each other
TASKS = [region for region in REGIONS if "." not in region]
IMPORTS = "from torch import Tensor, nn\n"
Answers = dict[str, Equivalent | None]


# ## Making a class
def student(chance: random.Random) -> Answers:
    """Return whose answer a student has for each task; None is the reference's."""
    return {task: chance.choice([None, *(e for e in INDEPENDENT if _answers(e, task))]) for task in TASKS}


def _answers(one: Equivalent, task: str) -> dict[str, str]:
    found = {region: answer for region, answer in one.answers if region.split(".")[0] == task}
    return {} if one.swaps else found


def text(answers: Answers) -> str:
    """Return a student's file."""
    given_by = [one for one in dict.fromkeys(answers.values()) if one]
    regions = {r: a for task, one in answers.items() if one for r, a in _answers(one, task).items()}
    whole = with_answers(reference(), regions)
    whole = whole.replace(IMPORTS, IMPORTS + "".join(dedent(one.top) for one in given_by), 1)
    whole += "".join(dedent(one.bottom) for one in given_by)
    return whole.replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", "")


def disguised(source: str, chance: random.Random) -> str:
    """Return a copy with other names of local variables, methods in another order, no comments, another layout."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        nodes = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        local = {n.id for n in nodes if isinstance(n.ctx, ast.Store)} - {a.arg for a in function.args.args}
        for node in nodes:
            if node.id in local:
                node.id = names.setdefault(node.id, f"v{chance.randrange(10**6)}")
    for one in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        methods = [node for node in one.body if isinstance(node, ast.FunctionDef)]
        chance.shuffle(methods)
        one.body = [node for node in one.body if not isinstance(node, ast.FunctionDef)] + list(methods)
    return ast.unparse(tree)


@dataclass(frozen=True)
class Search:
    """A class, disguised copies of its first ones, and the share of each pair that has a noticeable one."""

    students: list[Answers]
    found: LookAlikes
    shares: dict[frozenset[str], float]


def search(students: int, copies: int, seed: int) -> Search:
    """Make a class and search it, far below the threshold."""
    chance = random.Random(seed)
    answers = [student(chance) for _ in range(students)]
    sources = [(f"{i}", text(one)) for i, one in enumerate(answers)]
    sources += [(f"copy of {i}", disguised(source, chance)) for i, (_, source) in enumerate(sources[:copies])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look_alikes, "MOST_PAIRS", 10**6)
        found = look_alikes.find_look_alikes(sources, GIVEN, threshold=0.3)
    return Search(answers, found, shares(found))


def shares(found: LookAlikes) -> dict[frozenset[str], float]:
    return {frozenset((pair.first.submission, pair.second.submission)): pair.share for pair in found.pairs}


@pytest.fixture(scope="module")
def searched() -> Search:
    return search(40, copies=6, seed=20140401)


# ## Copies and independent work
def copied(one: Search, copies: int) -> list[float]:
    """Return the shares of copies with what they were made from."""
    return [one.shares.get(frozenset((f"{i}", f"copy of {i}")), 0.0) for i in range(copies)]


def independent(one: Search) -> list[float]:
    """Return the shares of pairs with other long answers; what the short ones are is left to chance."""
    pairs = itertools.combinations(range(len(one.students)), 2)
    apart = [(i, j) for i, j in pairs if all(one.students[i][t] is not one.students[j][t] for t in LONG)]
    return [one.shares.get(frozenset((f"{i}", f"{j}")), 0.0) for i, j in apart]


def test_disguised_copies_are_found_far_above_the_threshold(searched: Search) -> None:
    assert min(copied(searched, 6)) >= 0.8 > look_alikes.THRESHOLD


def test_independent_work_lies_far_below_it(searched: Search) -> None:
    assert len(independent(searched)) > 300
    assert max(independent(searched)) <= 0.6 < look_alikes.THRESHOLD


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_threshold_holds_in_large_classes(seed: int) -> None:
    large = search(300, copies=20, seed=seed)
    assert len(independent(large)) > 25_000
    assert max(independent(large)) < look_alikes.THRESHOLD <= 0.8 <= min(copied(large, 20))


def test_the_lines_shown_are_shared_ones_and_the_students_own(searched: Search) -> None:
    pair = next(p for p in searched.found.pairs if (p.first.submission, p.second.submission) == ("0", "copy of 0"))
    given = {line.strip() for whole in GIVEN for line in whole.splitlines()}
    for side in (pair.first, pair.second):
        assert len(side.lines) >= 20
        assert sum(line.text.strip() in given for line in side.lines) <= 2
        assert [line.number for line in side.lines] == sorted({line.number for line in side.lines})
        for before, line in itertools.pairwise(side.lines):
            assert line.gap == (line.number > before.number + 1)
    assert text(searched.students[0]).splitlines()[pair.first.lines[0].number - 1] == pair.first.lines[0].text


def test_untouched_skeletons_and_one_common_answer_are_nothing_to_look_at() -> None:
    assert look_alikes.find_look_alikes([("a", GIVEN[0]), ("b", GIVEN[0])], GIVEN).pairs == ()
    short = GIVEN[0].replace('raise NotImplementedError("TODO: mode")', "return self.mean")
    assert look_alikes.find_look_alikes([("a", short), ("b", short)], GIVEN).pairs == ()


def test_what_a_good_part_of_a_class_wrote_is_explained_by_the_task() -> None:
    chance = random.Random(1)
    same = text(student(chance))
    few = [(f"same {i}", same) for i in range(3)]
    others = [(f"other {i}", text(student(chance))) for i in range(5)]
    assert len(look_alikes.find_look_alikes(few + others, GIVEN, threshold=0.9).pairs) == 3
    many = [(f"same {i}", same) for i in range(12)]
    assert look_alikes.find_look_alikes(many + others, GIVEN, threshold=0.9).pairs == ()


def test_only_the_closest_pairs_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_alikes, "MOST_PAIRS", 2)
    source = text(student(random.Random(2)))
    found = look_alikes.find_look_alikes([(f"{i}", source) for i in range(4)], GIVEN)
    assert (len(found.pairs), found.more, found.compared) == (2, 4, 4)


# ## What counts as the same
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("total = a + b", "x=y  +  z   # sum"),
        ("f('text', 1)", 'g("another text", 1)'),
        ("x = '''a\nb'''\ny", "x = 'ab'\ny"),
        ("a = (1,\n     2)", "a = (1, 2)"),
        ("a = \\\n  1", "a = 1"),
        ("\ufeffa = 1\r\nb = 2\r\n", "a = 1\nb = 2\n"),
    ],
)
def test_names_texts_comments_and_layout_do_not_count(one: str, other: str) -> None:
    words = stream(one).words.replace(stream("\ufeff").words, "")
    assert words == stream(other).words


@pytest.mark.parametrize(("one", "other"), [("a + b", "a - b"), ("x[1]", "x[2]"), ("if a: b", "while a: b")])
def test_operators_numbers_and_keywords_do(one: str, other: str) -> None:
    assert stream(one).words != stream(other).words


def test_tokens_know_their_lines() -> None:
    assert stream('a\n\n"""b\nc"""\nd').lines.tolist() == [1, 3, 5]


# ## Texts of strangers
SIZE = 1 << 20
STRANGE: dict[str, Callable[[], str]] = {
    "blanks after a soft keyword": lambda: "match" + " " * SIZE,  # 35 s for 64 KiB with Pygments
    "one line": lambda: "x" * SIZE,
    "blanks": lambda: " \n" * (SIZE // 2),
    "quotes": lambda: "'" * SIZE,
    "texts that never end": lambda: "'''\\" * (SIZE // 4),
    "backslashes": lambda: "'" + "\\" * SIZE,
    "brackets": lambda: "(" * SIZE,
    "digits": lambda: "1" * SIZE,
    "no text at all": lambda: "".join(chr(i % 0x250) for i in range(SIZE)),
    "halves of surrogate pairs": lambda: "\ud800" * 1000,
    "zeros": lambda: "\0" * SIZE,
    "prefixes": lambda: "rb" * (SIZE // 2),
}


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE.keys())
def test_any_text_is_read_in_a_moment(make: Callable[[], str]) -> None:
    source = make()
    begun = time.process_time()
    stream(source)
    assert time.process_time() - begun < 5.0  # 0.1 s at most on an idle machine


def test_strange_texts_are_searched_with_the_others() -> None:
    chance = random.Random(4)
    mine = text(student(chance))
    strange = [(f"strange {i}", make()) for i, make in enumerate(STRANGE.values())]
    found = look_alikes.find_look_alikes([*strange, ("a", mine), ("b", disguised(mine, chance)), ("empty", "")], GIVEN)
    assert frozenset("ab") in shares(found)
    assert "strange 0" in found.cut


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(alphabet=st.characters(codec=None) | st.sampled_from("'\"\\\n#x1 \0")), max_size=4))
def test_no_text_stops_the_search(sources: list[str]) -> None:
    found = look_alikes.find_look_alikes([(f"{i}", source) for i, source in enumerate(sources)], sources[:1])
    assert found.pairs == ()


@pytest.mark.parametrize("sources", [[], [("a", "")], [("a", "x"), ("b", "")]])
def test_nothing_to_compare_is_no_error(sources: Sequence[tuple[str, str]]) -> None:
    assert look_alikes.find_look_alikes(sources, []) == LookAlikes((), 0, 0, ())


def test_code_that_an_offering_hands_out_is_nobodys_own() -> None:
    course = load_offering(OFFERING.parent / "offerings" / "course.toml")
    begun = skeleton(reference(), course)
    for offering, alike in ((load_offering(), 1), (course, 0)):
        found = look_alikes.find_look_alikes([("a", begun), ("b", begun)], handed_out(offering))
        assert len(found.pairs) == alike


# ## On the page
def test_without_the_library_the_page_says_that_nobody_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "copydetect"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "copydetect", None)
    source = text(student(random.Random(6)))
    entries = [entry("a", source=source), entry("b", source=source)]
    written = write_class_reports(tmp_path, entries, title="VAE", catalogue={}, given=GIVEN)
    assert written.look_alikes is None
    (section,) = Seen(written.index.read_text(encoding="utf-8")).texts_of("section", "look-alikes")
    assert "pip install copydetect" in section


def test_the_page_shows_pairs_with_their_lines_and_accuses_nobody() -> None:
    chance = random.Random(5)
    mine = text(student(chance)) + "\n# <script>alert('{{7*7}}')</script>\n"
    entries = [entry("ann", source=mine), entry("bob", source=disguised(mine, chance))]
    records = [record(one) for one in entries]
    found = look_alikes.find_look_alikes([(one.submission, one.source) for one in records], GIVEN)
    page = index.index_page(records, title="VAE", catalogue={}, look_alikes=found)
    words = Seen(page).text
    assert "Places to look, no verdicts" in words
    assert found.pairs[0].first.lines[0].text.strip() in words
    for word in ("plagiar", "cheat", "suspic", "guilt", "fraud"):
        assert word not in page.lower()
    anonymous = index.index_page(records, title="VAE", catalogue={}, look_alikes=found, anonymous=True)
    assert found.pairs[0].first.lines[0].text.strip() not in Seen(anonymous).text
