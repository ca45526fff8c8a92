"""Read the answer out of a completion and score it."""
