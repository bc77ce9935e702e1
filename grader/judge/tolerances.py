"""Tolerances, and where they come from."""

# float64 in and out, but a constant such as log(2 pi) may have been made in float32 (relative error 3e-8 a term):
# 1e-5 is above all of these and below what half precision keeps (1e-3).
RTOL64 = 1e-5
ATOL64 = 1e-6

# float32: sums of D terms err by about sqrt(D) 6e-8 of their size, 3e-6 for D = 3072; the worst case, D 6e-8, is 2e-4.
RTOL32 = 2e-4
ATOL32 = 2e-4
