"""The user's cases: read, check, describe."""
