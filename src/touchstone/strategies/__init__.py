"""Ways to prepare a model for a task; each returns a Candidate."""
