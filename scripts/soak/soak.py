#!/usr/bin/env python3
"""Runs quire at capacity for a long time, kills it and its children at random, and looks whether it leaks.

    scripts/soak/soak.py QUIRE OUT --minutes 60 [--kafka]

Documents come without end; so many wait at any time that every stage is busy. In the end every document must
have exactly one outcome and the store its last version. Memory, open handles and threads of the worker and its
children are looked at every second, and their slopes within the lives of workers are computed. Ends with 1 where
something was lost, done twice or left over, or where a slope is above its bound and is not chance.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from documents import Documents
from ends import Kafka, Local, ask
from report import Sample, picture, slope, write_samples
from worker import Worker, orphans

ROOT = Path(__file__).resolve().parents[2]
# Documents sent and not settled: twice what the pipeline holds, so that its source always waits.
AHEAD = 128
# Different documents; more are new versions of these, so that the store's index stops growing.
POOL = 600
# Largest slopes an hour. Memory: 3 % of what a worker takes, and less than would matter in a week between
# restarts; handles and threads: one in half an hour would be a leak in something frequent.
BOUNDS = {"resident MB": 30.0, "of the worker": 30.0, "open handles": 2.0, "threads": 2.0}
# How long the rest may take when nothing is sent any more.
PATIENCE = 600


class Soak:
    def __init__(self, options):
        self.minutes, self.out = options.minutes, Path(options.out)
        self.folder = Path(tempfile.mkdtemp(prefix="quire-soak-"))
        self.chance = random.Random(options.seed)
        self.documents = Documents(POOL, options.seed)
        self.ends = Kafka(self.folder) if options.kafka else Local(self.folder)
        # The killer is known: no document may be convicted of it.
        flags = ["--set", f"infer.models_dir={ROOT / 'data/models'}", "--set", "serve.listen=127.0.0.1:0",
                 "--set", "telemetry.format=json", "--log", "warn,quire=info", "--set", "consume.crashes=100"]
        self.worker = Worker(Path(options.quire).resolve(), self.folder, flags + self.ends.flags)
        # By name: everything sent; and how often each was settled.
        self.sent, self.outcomes, self.busy, self.last = {}, {}, set(), {}
        # What the store should hold in the end: the last version that was understood, and dead letters.
        self.stored, self.dead, self.convicted = {}, set(), 0
        self.samples, self.kills, self.faults = [], [], []

    def run(self):
        self.began = time.monotonic()
        self.worker.start()
        # Some lives that are long enough to show a slope.
        mean = max(150, self.minutes * 60 / 4)
        life = lambda: time.monotonic() + mean * self.chance.uniform(0.5, 1.5)
        child = lambda: time.monotonic() + self.chance.uniform(5, 25)
        kill_worker, kill_child, sample, told = life(), child(), 0.0, 0.0
        while (now := time.monotonic()) < self.began + self.minutes * 60:
            self.feed()
            self.collect()
            if now >= sample:
                sample = now + 1
                self.look()
            if now >= kill_child:
                kill_child = child()
                # A worker does not start where its children cannot; afterwards it makes new ones.
                if self.worker.api and self.worker.kill_child(self.chance):
                    self.kills.append((now - self.began, "child"))
            if now >= kill_worker:
                kill_worker = life()
                # While documents are being sent: some are on their way in when it dies.
                killer = threading.Timer(self.chance.uniform(0, 0.1), self.worker.kill)
                killer.start()
                self.feed(AHEAD + 16)
                killer.join()
                self.kills.append((now - self.began, "worker"))
                self.worker.start()
            if now >= told:
                told = now + 30
                self.tell()
            time.sleep(0.2)

    def feed(self, ahead=AHEAD):
        api = self.worker.ready()
        if api is None:
            return
        self.ends.again(api)
        while len(self.busy) < ahead:
            document = self.documents.next(self.busy)
            document.twice = False
            self.sent[document.name] = document
            self.busy.add(document.key)
            self.last[document.key] = document
            self.ends.send(document, api)

    def collect(self):
        for name, why in self.ends.settled():
            document = self.sent[name]
            # A child that was killed twice over one document convicts it, and rightly: it cannot know the killer.
            if why == "crashed":
                self.convicted += 1
            elif bool(why) == document.readable:
                self.faults.append(f"{name}: {f'given up ({why})' if why else 'understood'}")
            if not why:
                self.stored[document.key] = document
            (self.dead.add if why else self.dead.discard)(document.key)
            self.outcomes[name] = self.outcomes.get(name, 0) + 1
            # Only its digest is compared later; all contents would be gigabytes.
            document.content = None
            if self.last[document.key] is document:
                self.busy.discard(document.key)

    def look(self):
        now = time.monotonic()
        at, age = now - self.began, now - self.worker.since
        self.samples.append(
            Sample(at, age, self.worker.starts, *self.worker.sample(), len(self.outcomes), len(self.busy)))

    def tell(self):
        last = self.samples[-1]
        print(f"{last.at / 60:6.1f} min {last.settled:7} settled {last.waiting:4} under way {last.all_mb:7.0f} MB "
              f"{last.handles:4} handles {last.threads:4} threads {len(self.kills):4} kills", flush=True)

    def finish(self):
        """Waits for the rest and looks at what became of everything."""
        deadline = time.monotonic() + PATIENCE
        while self.busy and time.monotonic() < deadline:
            api = self.worker.ready()
            if api:
                self.ends.again(api)
            self.collect()
            time.sleep(0.2)
        # Whatever is done a second time would come now.
        time.sleep(3)
        self.collect()
        lost = [name for name in self.sent if name not in self.outcomes]
        # One whose first upload nobody answered may have been taken twice.
        twice = [name for name, times in self.outcomes.items() if times > 1 and not self.sent[name].twice]
        self.faults += [f"{name}: lost" for name in lost] + [f"{name}: settled twice" for name in twice]
        self.faults += self.compare(self.worker.ready())
        status = self.worker.stop()
        if status != 0:
            self.faults.append(f"SIGTERM ended the worker with {status}:\n{self.worker.tail()}")
        time.sleep(1)
        self.faults += [f"process {pid} outlived its parent" for pid in orphans(self.worker.quire)]
        self.ends.close()
        return lost, twice

    def compare(self, api):
        """Whether the store has the last version of everything, and nothing else."""
        stored = json.loads(ask(api, "GET", "/v1/status")[1])["counts"]
        wanted = {"documents": len(self.stored), "dead": len(self.dead)}
        for what, count in wanted.items():
            if stored[what] != count:
                yield f"the store holds {stored[what]} {what}, not {count}"
        for key, document in self.stored.items():
            status, body = ask(api, "GET", f"/v1/documents/{key}")
            found = json.loads(body).get("document", {}) if status == 200 else {}
            if found.get("sha256") != document.sha256 or found.get("coverage") != 1:
                yield f"{key}: the store has {status} {found.get('name')} of {document.name}"

    def report(self, lost, twice):
        self.out.mkdir(parents=True, exist_ok=True)
        workers = sum(what == "worker" for _, what in self.kills)
        settled, minutes = len(self.outcomes), self.samples[-1].at / 60
        print(f"\n{settled} documents in {minutes:.1f} minutes ({settled / minutes / 60:.2f}/s); "
              f"{workers} workers and {len(self.kills) - workers} children were killed")
        print(f"lost: {len(lost)}, settled twice: {len(twice)}, given up as their child was killed twice: "
              f"{self.convicted}, "
              f"uploads without an answer, sent again: {sum(d.twice for d in self.sent.values())}")
        print(f"\n{'':14} {'mean':>8} {'most':>8} {'an hour':>9} {'95 % interval':>20} {'bound':>7}")
        values = {"resident MB": lambda s: s.all_mb, "of the worker": lambda s: s.worker_mb, "open handles": lambda s: s.handles,
                  "threads": lambda s: s.threads}
        warm = [s for s in self.samples if s.age >= 60] or self.samples
        for name, value in values.items():
            all_values = [value(s) for s in warm]
            found, row = slope(self.samples, value), f"{name:14} {sum(all_values) / len(all_values):8.1f} {max(all_values):8.1f}"
            if found is None:
                print(f"{row}   no worker lived long enough for a slope")
                continue
            much, low, high = found
            print(f"{row} {much:+9.2f} {f'{low:+.2f} to {high:+.2f}':>20} {BOUNDS[name]:7.0f}")
            if much > BOUNDS[name] and low > 0:
                self.faults.append(f"{name} grow by {much:.1f} an hour; {BOUNDS[name]:.0f} is the bound")
            elif high > BOUNDS[name]:
                print(f"{'':14} too short to tell it from its bound: more MINUTES make the interval smaller")
        write_samples(self.samples, self.out / "samples.csv")
        picture(self.samples, self.kills, self.out / "soak.png",
                f"{settled} documents in {minutes:.0f} minutes, {workers} workers killed")
        print(f"\n{self.out / 'soak.png'}, {self.out / 'samples.csv'}")
        for fault in self.faults[:40]:
            print(f"FAULT {fault}")
        if self.faults:
            print(f"{len(self.faults)} faults; everything is kept in {self.folder}")
            return 1
        shutil.rmtree(self.folder)
        return 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("quire")
    arguments.add_argument("out")
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--kafka", action="store_true", help="documents by topics of a real broker")
    arguments.add_argument("--seed", type=int, default=1)
    soak = Soak(arguments.parse_args())
    try:
        soak.run()
        lost, twice = soak.finish()
    except BaseException:
        # Whatever went wrong: nothing that was started stays.
        if soak.worker.process:
            soak.worker.kill()
        soak.ends.close()
        print(f"broken off; everything is in {soak.folder}", file=sys.stderr)
        raise
    sys.exit(soak.report(lost, twice))


if __name__ == "__main__":
    main()
