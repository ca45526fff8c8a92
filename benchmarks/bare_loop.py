"""
The reference: a bare aiohttp client that sends the same requests and reads the JSON of the replies, nothing else.

`python -m benchmarks.bare_loop BASE_URL CASES.csv MODEL IN_FLIGHT` prints how many answers were right.
"""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from benchmarks.items import SYSTEM


async def ask_all(base_url: str, cases: Path, model: str, in_flight: int) -> int:
    """Right answers over all cases; `in_flight` workers share one iterator."""
    right = 0
    url = f"{base_url}/chat/completions"

    async def work(rows: Iterator[dict[str, str]], session: aiohttp.ClientSession) -> None:
        nonlocal right
        for row in rows:
            request = {
                "model": model,
                "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": row["input"]}],
                "temperature": 0.0,
                "max_tokens": 16,
            }
            async with session.post(url, json=request) as response:
                reply = await response.json()
            right += f"({row['target']})" in reply["choices"][0]["message"]["content"]

    with cases.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        connector = aiohttp.TCPConnector(limit=in_flight)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(work(rows, session) for _ in range(in_flight)))
    return right


if __name__ == "__main__":
    print(asyncio.run(ask_all(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))
