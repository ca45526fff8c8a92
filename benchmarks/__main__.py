"""All benchmarks one after the other: `python -m benchmarks`, some fifteen minutes; with `--quick` some one."""

from __future__ import annotations

from benchmarks import cpu_per_case, memory, recorded, report_million, startup
from benchmarks.table import command

if __name__ == "__main__":
    command(startup.figures, cpu_per_case.figures, recorded.figures, memory.figures, report_million.figures)
