"""Measure candidates: engine, ledger, statistics."""
