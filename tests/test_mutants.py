"""Every single change of the reference costs points, but for those that change nothing that counts."""

from collections import Counter

import pytest

from tests.zoo.build import REGIONS
from tests.zoo.mutants import mutants
from tests.zoo.survivors import reasons, survivors

MUTANTS = mutants()


def test_every_answer_is_mutated_and_no_mutant_comes_twice():
    assert {mutant.region for mutant in MUTANTS} == set(REGIONS)
    assert max(Counter(mutant.source for mutant in MUTANTS).values()) == 1
    assert max(Counter(mutant.title for mutant in MUTANTS).values()) == 1


def test_the_usual_changes_are_among_them():
    titles = {mutant.title for mutant in MUTANTS}
    assert "mode: self.mean -> self.logvar in return self.mean" in titles
    assert "kl: self.mean ** 2 -> self.mean" in titles
    assert "nll: torch.sum -> torch.mean" in {title.split(" in ")[0] for title in titles}


def test_every_reason_belongs_to_a_mutant():
    assert reasons().keys() <= {mutant.title for mutant in MUTANTS}


@pytest.mark.slow
def test_a_sample_of_the_mutants_dies():
    known = reasons()
    unexplained = [mutant.title for mutant in survivors(MUTANTS[::70]) if mutant.title not in known]
    assert unexplained == []


@pytest.mark.long
def test_every_mutant_dies_or_is_equivalent():
    assert {mutant.title for mutant in survivors(MUTANTS)} == set(reasons())
