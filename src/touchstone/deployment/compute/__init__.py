"""Processes on this machine that run weights: how each kind is started, and who watches them."""
