"""Models from a folder of weights, run with torch in a process of their own."""
