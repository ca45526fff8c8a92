"""The starter models: what they learn from, and how they are made."""
