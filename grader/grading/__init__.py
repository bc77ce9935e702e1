"""Grade one submission, from the file to the result: options, session, probes and verdicts."""
