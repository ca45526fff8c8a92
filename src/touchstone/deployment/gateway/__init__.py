"""The HTTP server that stands between keys and endpoints: what comes in is checked, counted and logged here."""
