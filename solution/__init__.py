"""What only an instructor has: the reference model, its skeleton maker and the full run."""
