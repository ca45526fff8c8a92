"""Choose from what was measured; pure: no clock, network or disk."""
