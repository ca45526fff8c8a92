"""Serve the recipe that was chosen."""
