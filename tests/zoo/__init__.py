"""The zoo: submissions that must lose points (wrong), that must lose none (equivalent), and every small change (mutants).

python -m tests.zoo                     the kill matrix of the wrong ones and the scores of the equivalent ones
python -m tests.zoo --mutants           every single-change mutant of the reference that survives
"""
