"""Plug-ins for Touchstone: a scorer, an answer reader, a reader of case files, a model kind."""
