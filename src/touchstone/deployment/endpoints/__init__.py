"""Which recipe answers under which name, and how it is asked."""
