"""One submission from file to result: its options, its session, its probes, its verdicts."""
