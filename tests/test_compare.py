"""Two class runs compared: which scores changed, by which checks, and why."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from grader.instructor.class_runs.grades import Entry, record
from grader.instructor.pages import compare
from grader.instructor.pages.class_pages import write_class_reports
from grader.instructor.pages.compare import Comparison, Mended
from tests.made_up_class import PARTS, WRONG, a_class, entry
from tests.test_html import Seen
from tests.wording import numbers

OLD, NEW = {"sha256": "a" * 64, "grader": "1" * 40}, {"sha256": "a" * 64, "grader": "2" * 40}


def compared(old: Sequence[Entry], new: Sequence[Entry]) -> Comparison:
    return compare.compare([record(one) for one in old], [record(one) for one in new], "old")


def save(folder: Path, entries: Sequence[Entry]) -> None:
    for one in entries:
        if one.results:
            (folder / one.submission).mkdir(parents=True)
            (folder / one.submission / "results.json").write_text(json.dumps(one.results))


def test_the_same_run_twice_has_no_changes() -> None:
    found = compared(a_class(), a_class())
    assert (found.both, found.changes, found.mended, found.new, found.gone) == (12, (), (), (), ())
    (line,) = compare.lines(found)
    assert numbers(line) == ["0", "12"]


def test_a_mended_check_is_found_behind_the_scores() -> None:
    old = [entry(name, {"kl": "wrong"}, made=OLD) for name in "abc"] + [entry("d", made=OLD)]
    new = [entry(name, made=NEW) for name in "abcd"]
    found = compared(old, new)
    assert [change.submission for change in found.changes] == ["a", "b", "c"]
    assert found.mended == (Mended("kl", "its gradient", 3, 0), Mended("kl", "the closed form", 3, 0))
    (change, *_) = found.changes
    assert (change.before, change.after, change.reasons) == (1400, 2200, (f"grader: {'1' * 12} → {'2' * 12}",))
    assert [(task.task, task.before, task.after) for task in change.tasks] == [("kl", 200, 1000)]
    assert [(c.title, c.points) for c in change.tasks[0].checks] == [("the closed form", 500), ("its gradient", 300)]


def test_equal_sums_of_other_tasks_are_a_change() -> None:
    found = compared([entry("a", {"kl": "not attempted"})], [entry("a", {"training": "not attempted"})])
    assert [task.task for task in found.changes[0].tasks] == ["kl", "training"]


def test_the_greatest_change_comes_first() -> None:
    old = [entry("little", {"mode": "wrong"}), entry("much", {"kl": "crashed"})]
    assert [c.submission for c in compared(old, [entry("little"), entry("much")]).changes] == ["much", "little"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (entry("a", {"kl": "wrong"}, made={"sha256": "x"}), entry("a", made={"sha256": "y"}), "the file is different"),
        (entry("a", {"kl": "wrong"}, seed=1), entry("a", seed=2), "seed: 1 → 2"),
        (entry("a", {"kl": "wrong"}, sandbox="user"), entry("a"), "sandbox: user → process"),
        (entry("a", {"kl": "wrong"}), entry("a"), "no recorded difference: due to chance, timing or the machine"),
        (Entry("a", "no Python"), entry("a"), "not graded before: no Python"),
        (entry("a"), Entry("a", "too large"), "not graded now: too large"),
    ],
)
def test_a_change_has_its_reason(old: Entry, new: Entry, reason: str) -> None:
    assert compared([old], [new]).changes[0].reasons == (reason,)


def test_points_that_an_offering_changed_are_a_reason() -> None:
    new = entry("a")
    assert new.results is not None
    for test in new.results["tests"]:
        if test["tags"] == ["mode"]:
            test["score"], test["max_score"] = 2 * test["score"], 2 * test["max_score"]
    (reason,) = compared([entry("a")], [new]).changes[0].reasons
    assert reason.endswith("mode: 2 → 4")


def made(**settings: Any) -> dict[str, Any]:
    plain = {"training_cpu_s": 60.0, "memory_mib": 3072.0}
    default = {"sha256": "a" * 64, "limits": plain, "versions": {"torch": "2.4"}, "secret": "12ab", "tasks": ""}
    return {**default, **settings}


LESS = {"training_cpu_s": 1.0, "memory_mib": 3072.0}


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        ({}, {"limits": LESS}, ("training_cpu_s: 60 → 1",)),
        ({}, {"limits": {"training_cpu_s": 60.0, "memory": 3.5}}, ("memory_mib: 3072 → none", "memory: none → 3.5")),
        ({"versions": {"numpy": "1"}}, {"versions": {"numpy": "2"}}, ("numpy: 1 → 2",)),
        ({}, {"secret": "34cd"}, ("secret: 12ab → 34cd",)),
        ({}, {"tasks": "kl or mode"}, ("tasks: all → kl or mode",)),
        ({"data": "sample"}, {"data": "svhn"}, ("data: sample → svhn",)),
        ({"offering": "{60}"}, {"offering": "{1}", "limits": LESS}, ("training_cpu_s: 60 → 1",)),
        ({}, {"sha256": "b" * 64}, ()),
        ({"limits": None}, {"limits": LESS}, ()),
    ],
    ids=["limit", "other limits", "version", "secret", "tasks", "data", "in one piece", "file", "not recorded before"],
)
def test_settings_that_differ_are_named_though_no_score_changed(
    before: dict[str, Any], after: dict[str, Any], differs: tuple[str, ...]
) -> None:
    another_seed = "secret" in after or "sha256" in after
    old, new = entry("a", made=made(**before), seed=1), entry("a", made=made(**after), seed=1 + another_seed)
    found = compared([old], [new])
    assert (found.changes, found.settings) == ((), differs)
    assert compare.lines(found)[1:] == [f"    differs  {one}" for one in differs]
    assert all(one in Seen(compare.compare_page(found, "VAE")).text for one in differs)


def test_a_setting_that_differs_for_some_says_for_how_many() -> None:
    old = [entry("a", sandbox="user"), entry("b"), Entry("c", "no Python")]
    (setting,) = compared(old, [entry("a"), entry("b"), entry("c")]).settings
    assert setting.startswith("sandbox: user → process") and numbers(setting) == ["1", "2"]


def test_two_runs_with_nobody_in_common_are_not_called_the_same() -> None:
    found = compared([entry("a")], [entry("b")])
    first, *rest = compare.lines(found)
    assert numbers(first) == [] and rest == ["new: b", "gone: a"]
    (lead,) = Seen(compare.compare_page(found, "VAE")).texts_of("p", "lead")
    assert lead and numbers(lead) == [], "not: 0 of 0 scores changed"


def test_new_and_gone_submissions_are_listed() -> None:
    found = compared([entry("both"), entry("gone")], [entry("both"), entry("new")])
    assert (found.both, found.new, found.gone) == (1, ("new",), ("gone",))


def test_checks_of_one_run_only_are_compared_with_none() -> None:
    old, new = entry("a"), entry("a")
    assert new.results is not None
    test = next(t for t in new.results["tests"] if t["name"] == "kl: its gradient")
    test["extra_data"].update(id="test_another", title="another")
    test["score"] = 1.0
    checks = compared([old], [new]).changes[0].tasks[0].checks
    assert [(c.title, compare.status(c.before), compare.status(c.after)) for c in checks] == [
        ("its gradient", "passed", "no such check"),
        ("another", "no such check", "passed"),
    ]


def test_the_terminal_reads_scores_reasons_and_checks() -> None:
    found = compared([entry("a", {"kl": "kl_missing_half"}, made=OLD), entry("b")], [entry("a", made=NEW), entry("c")])
    lines = compare.lines(found)
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 4, 0, 4, 4, 8, 8, 0, 0]
    changed, setting, score, reason, task, *checks = (line.strip() for line in lines)
    assert numbers(changed) == ["1", "1"]
    assert all(line.endswith("grader: 111111111111 → 222222222222") for line in (setting, reason))
    assert score == "a: 14 -> 22"
    assert task.startswith("kl: 2 -> 10;") and "kl_missing_half ->" in task
    assert [check.split(": ") for check in checks[:2]] == [
        ["failed -> passed", title] for kind, title, _ in PARTS if kind != "shape"
    ]
    assert checks[2:] == ["new: c", "gone: b"]


def test_the_page_says_the_same(tmp_path: Path) -> None:
    save(tmp_path / "old", [entry("a", {"kl": "kl_missing_half"}, made=OLD), entry("gone")])
    new, out = [entry("a", made=NEW), entry("new")], tmp_path / "out"
    written = write_class_reports(out, new, title="VAE", catalogue={}, given=[], compare_with=tmp_path / "old")
    assert written.comparison is not None
    seen = Seen((out / "compare.html").read_text(encoding="utf-8"))
    assert seen.texts_of("h3") == ["a 14 → 22 ▲ +8"]
    assert seen.texts_of("h4") == ["kl 2 → 10 ▲ +8"]
    reason, misconception = seen.texts_of("p", "fine")
    assert reason == "grader: 111111111111 → 222222222222"
    assert "kl_missing_half →" in misconception
    assert [numbers(check) for check in seen.texts_of("summary")] == [["5"], ["3"]]
    assert all("failed → passed, +" in check for check in seen.texts_of("summary"))
    when, output = seen.terms()[0]
    assert when == "before" and WRONG.expected in output
    index = Seen((out / "index.html").read_text(encoding="utf-8"))
    (changes,) = index.texts_of("section", "changes")
    assert numbers(changes) == ["1", "1", "1", "1"], "changed, of how many, new, gone"
    assert "./compare.html" in [a.get("href") for a in index.named("a")]
    assert "compare.html" not in (out / "index-anonymous.html").read_text(encoding="utf-8")


def test_a_run_is_not_compared_with_itself_nor_with_any_folder(tmp_path: Path) -> None:
    save(tmp_path / "out", [entry("a")])
    for folder, complaint in (("out", "output folder of this run"), (".", "holds no class run")):
        with pytest.raises(ValueError, match=complaint):
            write_class_reports(
                tmp_path / "out", [entry("a")], title="VAE", catalogue={}, given=[], compare_with=tmp_path / folder
            )


def test_hostile_text_stays_text_on_the_page_and_in_the_terminal() -> None:
    evil = "<script>{{7*7}}\u202e\x1b[31m"
    found = compared([entry(evil, {"kl": "wrong"}, evil), entry(f"gone {evil}")], [entry(evil), entry(f"new {evil}")])
    page = compare.compare_page(found, "VAE")
    assert "<script" not in page
    assert "49" not in Seen(page).text
    for text in (page, "\n".join(compare.lines(found))):
        assert "\u202e" not in text
        assert "\x1b" not in text
