#!/usr/bin/env python3
"""Two workers on a core each beside one on one core, over the corpus.

    benches/two_workers.py target/release/quire data/models --rounds 3

A worker has a folder of its own and one thread for each stage. In turn: all documents by one worker on
core 0, then half of them each by two workers on cores 0 and 1 at the same time. Given are documents a
second of wall time, which say something on a quiet machine only, and documents a second of processor time,
children included, less what a start without documents takes: on a busy machine these say what two workers
cost each other by caches and memory, and nothing of what they would wait for.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

DOCUMENTS = Path(__file__).resolve().parent.parent / "tests/corpus/documents"


def start(options, folder, core, files):
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    for file in files:
        shutil.copy(file, inbox)
    settings = ["decode.workers=1", "digitize.workers=1", "feed.workers=1", "infer.threads=1", "publish.workers=1"]
    settings += ["infer.device=cpu", "serve.listen=127.0.0.1:0"]
    command = ["taskset", "-c", str(core), options.quire, "--log", "error", "run", "--once"]
    for setting in settings:
        command += ["--set", setting]
    environment = {"QUIRE_DATA__DIR": str(folder), "QUIRE_INFER__MODELS_DIR": str(options.models), "PATH": os.environ["PATH"]}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def measure(options, shares):
    """Wall and processor seconds of workers with these shares, on a core each."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        begun = time.monotonic()
        workers = [start(options, Path(folder) / str(core), core, files) for core, files in enumerate(shares)]
        spent = 0.0
        for worker in workers:
            _, status, usage = os.wait4(worker.pid, 0)
            if status:
                raise SystemExit(f"a worker ended with {status}")
            spent += usage.ru_utime + usage.ru_stime
        return time.monotonic() - begun, spent


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("quire", type=os.path.abspath)
    parser.add_argument("models", type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    all_files = sorted(DOCUMENTS.iterdir())
    halves = [all_files[0::2], all_files[1::2]]
    _, idle = measure(options, [[]])
    print(f"{len(all_files)} documents; a start without any takes {idle:.1f} s of processor time")
    print("round  one: wall s  cpu s   two: wall s  cpu s   documents/s two : one   documents/cpu s two : one")
    ratios = {"wall": [], "cpu": []}
    for number in range(options.rounds):
        one, two = measure(options, [all_files]), measure(options, halves)
        ratios["wall"].append(one[0] / two[0])
        # Both workers' cores count: as many documents for as much processor time is twice the rate.
        ratios["cpu"].append(2 * (one[1] - idle) / (two[1] - 2 * idle))
        figures = f"{number + 1:5}  {one[0]:11.1f}  {one[1]:5.1f}   {two[0]:11.1f}  {two[1]:5.1f}"
        print(f"{figures}   {ratios['wall'][-1]:21.2f}   {ratios['cpu'][-1]:25.2f}", flush=True)
    print(f"median: {statistics.median(ratios['wall']):.2f} by wall time, {statistics.median(ratios['cpu']):.2f} by processor time")


if __name__ == "__main__":
    main()
