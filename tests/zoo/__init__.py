"""The zoo: submissions that must lose points (wrong, mutants) and that must lose none (equivalent).

python -m tests.zoo             the kill matrix of the wrong ones, and the scores of the equivalent ones
python -m tests.zoo mutants     every single change of the reference that costs no points, and why
"""
