"""Exams that every plug-in passes, ours and guests'."""
