"""Keys, money, metering, reports: who may ask, how much they may spend, and what was spent."""
