"""Whose submission is whose line of a roster: by numbers, ids and addresses, and nobody is guessed at."""

from grader.instructor.class_runs.grades import record
from grader.instructor.class_runs.submissions import HandedIn, Student
from grader.instructor.csv_tables import Row
from grader.instructor.gradebooks.attempts import Attempt, Claim, Matched, by_student, claims, match_students
from grader.instructor.gradebooks.gradebook import Person
from tests.made_up_class import entry


def claim(student: Student, *others: Student) -> Claim:
    attempt = Attempt(HandedIn("a.py", (student, *others), "a"), record(entry("a")), 0)
    return Claim(student, attempt)


def person(line: int, *ids: str, number: str = "", name: str = "", system: str = "canvas") -> Person:
    return Person(Row(line, ()), name, ids, system, number)  # type: ignore[arg-type]


def lines(found: Matched) -> dict[int, list[str]]:
    """Return the ids of who was found, by line."""
    return {line: [claim.student.id for claim in them] for line, them in found.of.items()}


def canvas(number: str, own: str = "") -> Student:
    return Student(own or number, system="canvas", number=number)


def test_a_number_of_canvas_is_looked_up_among_its_numbers_alone() -> None:
    people = [person(2, "11", "77", number="11"), person(3, "12", "13", number="12")]
    found = match_students([claim(canvas("11")), claim(canvas("13")), claim(canvas("12", "mat-9"))], people)
    assert lines(found) == {2: ["11"], 3: ["mat-9"]}
    assert [one.student.id for one in found.strangers] == ["13"], "another one's SIS id is not it"


def test_numbers_of_another_system_mean_nothing() -> None:
    moodle = Student("11", "Jane Doe", system="moodle", number="11")
    found = match_students([claim(moodle)], [person(2, "11", number="11")])
    assert lines(found) == {} and len(found.strangers) == 1


def test_ids_logins_and_addresses_are_found_in_any_column_and_any_capitals() -> None:
    people = [person(2, "11", "0042", "jane@Example.edu"), person(3, "12", "jürgen")]
    found = match_students(
        [
            claim(Student("JANE@example.edu")),
            claim(Student("0042", system="gradescope", number="0042")),
            claim(Student("x", email="jane@example.edu")),
            claim(Student("Ju\u0308rgen")),
        ],
        people,
    )
    assert lines(found) == {2: ["JANE@example.edu", "0042", "x"], 3: ["Ju\u0308rgen"]}


def test_zeros_in_front_belong_to_an_id() -> None:
    assert not match_students([claim(Student("42"))], [person(2, "0042")]).of


def test_what_fits_two_lines_goes_to_neither() -> None:
    people = [person(2, "11", "5"), person(3, "5", "12")]
    found = match_students([claim(Student("5"))], people)
    assert not found.of and [one.student.id for one in found.ambiguous] == ["5"]


def test_a_full_name_counts_for_moodle_if_it_is_nobody_elses() -> None:
    people = [
        person(2, name="Jane Doe", system="moodle"),
        person(3, name="Ann Lee", system="moodle"),
        person(4, name="ann  lee", system="moodle"),
        person(5, name="Bob Ray", system="moodle"),
    ]
    jane, ann = (
        Student(str(i), name, system="moodle", number=str(i)) for i, name in ((1, "JANE  doe"), (2, "Ann Lee"))
    )
    found = match_students([claim(jane), claim(ann), claim(Student("x", "Bob Ray"))], people)
    assert lines(found) == {2: ["1"]}
    assert [one.student.id for one in found.by_name] == ["1"]
    assert [one.student.id for one in found.ambiguous] == ["2"]
    assert [one.student.id for one in found.strangers] == ["x"], "outside Moodle anyone may be called anything"


def test_two_participants_of_one_name_are_nobody() -> None:
    twins = [Student(number, "Jane Doe", system="moodle", number=number) for number in ("1", "2")]
    found = match_students([claim(twin) for twin in twins], [person(2, name="Jane Doe", system="moodle")])
    assert not found.of and len(found.strangers) == 2


def test_in_a_list_of_ones_own_numbers_are_ids() -> None:
    found = match_students([claim(canvas("11"))], [person(2, "11", system="")])
    assert lines(found) == {2: ["11"]}


def test_each_member_of_a_group_has_a_claim() -> None:
    one, other = Student("a"), Student("b")
    attempt = claim(one, other).attempt
    assert [found.student for found in claims([attempt])] == [one, other]


def test_without_a_roster_students_are_told_apart_by_id() -> None:
    groups = by_student([claim(Student("a")), claim(Student("b")), claim(Student("A "))])
    assert [[one.student.id for one in group] for group in groups] == [["a", "A "], ["b"]]
