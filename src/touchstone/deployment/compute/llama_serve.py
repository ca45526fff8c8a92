"""
The program that runs llama.cpp: writes a folder as GGUF where it must, then serves it on 127.0.0.1.

With `xllamacpp` the server lives in this process, which is confined as those are that load weights elsewhere: what it
opens is opened by llama.cpp's own code, not by the interpreter. A `llama-server` takes this process's place instead.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from touchstone.models.local.confine import confine
from touchstone.models.local.model import folder_digest

_PAGES = "null"
"""Origins whose pages may read answers: only ones without an origin, so that none of a browser's may."""


def gguf_of(weights: Path, adapter: Path | None, precision: str, cache: Path) -> Path:
    """
    The file itself, or the one that a folder was written as, found again by the digest of all that shapes it.

    Raises:
        SystemExit: it cannot be written; the reason was printed.
    """
    if weights.is_file():
        return weights
    digest = hashlib.sha256(f"1|{precision}|{folder_digest(weights)}".encode())
    if adapter is not None:
        digest.update(folder_digest(adapter).encode())
    shared = weights.parent / "tokenizer.json"
    if not (weights / "tokenizer.json").exists() and shared.is_file():
        digest.update(shared.read_bytes())
    target = cache / f"{digest.hexdigest()[:32]}.gguf"
    if not target.exists():
        done = subprocess.run(  # noqa: S603 - an argument list of our own making
            [
                sys.executable,
                "-P",
                "-m",
                "touchstone.deployment.compute.gguf_write",
                f"--folder={weights}",
                f"--target={target}",
                f"--precision={precision}",
                *(() if adapter is None else (f"--adapter={adapter}",)),
            ],
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            sys.exit(done.returncode)
    return target


def program_arguments(given: argparse.Namespace, file: Path) -> list[str]:
    """The argument list of a `llama-server` (its `tools/server/README.md`); values stand behind their options."""
    found = [
        given.program,
        "--model", str(file),
        "--alias", given.name,
        "--host", "127.0.0.1",
        "--port", str(given.port),
        "--parallel", str(given.parallel),
        "--jinja",
        "--no-webui",
        "--offline",
        "--cache-ram", "0",
    ]  # fmt: skip
    if given.context is not None:
        found += ["--ctx-size", str(given.context * given.parallel)]
    if given.threads is not None:
        found += ["--threads", str(given.threads)]
    if given.gpu_layers is not None:
        found += ["--n-gpu-layers", str(given.gpu_layers)]
    return found


def parameters(given: argparse.Namespace, file: Path) -> Any:
    """The same for `xllamacpp`."""
    found = importlib.import_module("xllamacpp").CommonParams()
    found.model.path = str(file)
    found.model_alias = {given.name}
    found.hostnames = ["127.0.0.1"]
    found.port = given.port
    found.n_parallel = given.parallel
    found.use_jinja = True
    found.ui = False
    found.endpoint_slots = False
    found.endpoint_props = False
    found.offline = True
    found.cache_ram_mib = 0  # by default it keeps up to 8 GiB of earlier prompts, and nothing here reckons with them
    found.cors_origins = _PAGES
    if given.context is not None:
        found.n_ctx = given.context * given.parallel
    if given.threads is not None:
        found.cpuparams.n_threads = given.threads
    if given.gpu_layers is not None:
        found.n_gpu_layers = given.gpu_layers
    return found


def main() -> None:
    """Read the arguments and serve until a signal asks to stop."""
    parser = argparse.ArgumentParser(prog="touchstone.deployment.compute.llama_serve", allow_abbrev=False)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--gpu-layers", type=int)
    parser.add_argument("--precision", choices=("f32", "f16", "q8_0"), default="f16")
    parser.add_argument("--program")
    given = parser.parse_args()
    # The home of a managed process is a folder of its own that its replicas share.
    file = gguf_of(given.weights, given.adapter, given.precision, Path.home())
    if given.program is not None:
        os.execv(given.program, program_arguments(given, file))  # noqa: S606 - no shell, and it takes our place
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    library: Any = importlib.import_module("xllamacpp")
    wanted = parameters(given, file)
    confine()
    server = library.Server(wanted)
    stop.wait()
    del server
    sys.stdout.flush()
    os._exit(0)  # nothing that a library registered for its end is wanted, and none of it may hang


if __name__ == "__main__":
    main()
