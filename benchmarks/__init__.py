"""What Touchstone costs, each figure beside a bare aiohttp loop in the same run: `python -m benchmarks --help`."""
