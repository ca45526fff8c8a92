"""How to call one model."""
