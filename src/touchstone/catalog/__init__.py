"""What exists: providers, offers, prices."""
