"""quire and a plain consumer loop over the same records of a real Kafka, in turn.

    python compare.py QUIRE MODELS ONNX [--documents FOLDER] [--rounds 3] [--limit N]

ONNX is what export.py wrote. Documents are the texts of tests/corpus/truth, or the files of a folder: texts, or
pictures (PNG, JPEG, TIFF). A run starts the reader, sends one record and waits for its result, so that loading of weights
counts for neither. Then it sends all documents and takes the time until the last result that is committed; and the
processor time of the reader with its children, less what a run of that first record alone takes.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TOPICS = ("", ".results")
sys.path.insert(0, str(ROOT / "scripts"))
from broker import Broker  # noqa: E402


def make_topics(address, prefix):
    # Kept until the answers are there.
    admin = AdminClient({"bootstrap.servers": address})
    for one in admin.create_topics([NewTopic(prefix + end, 1, 1) for end in TOPICS]).values():
        one.result()


def send(address, prefix, records):
    producer = Producer({"bootstrap.servers": address, "message.max.bytes": 10_000_000})
    for key, value, name in records:
        producer.produce(prefix, value, key, headers={"filename": name})
    producer.flush()


def reader(options, kind, address, prefix, folder):
    if kind == "loop":
        command = [sys.executable, HERE / "loop.py", address, prefix, options.models, options.onnx]
    else:
        command = [options.quire, "--log", "warn", "--data-dir", folder / prefix]
        for setting in (f"infer.models_dir={options.models}", f"kafka.brokers={address}", f"kafka.prefix={prefix}",
                        "serve.listen=127.0.0.1:0", "infer.device=cpu", *options.set):
            command += ["--set", setting]
        command.append("run")
    return subprocess.Popen(command, stdout=open(folder / f"{prefix}.log", "wb"), stderr=subprocess.STDOUT)


def wait(results, seen, count, child):
    """Until `count` documents have a committed result."""
    limit = time.monotonic() + 1800
    while len(seen) < count:
        if child.poll() is not None or time.monotonic() > limit:
            raise SystemExit(f"the reader ended, or does not: {len(seen)} of {count} results")
        record = results.poll(0.05)
        if record is not None and not record.error():
            seen.add(record.key())


def run(options, kind, address, number, files, folder):
    prefix, seen = f"{kind}-{number}", set()
    make_topics(address, prefix)
    results = Consumer({"bootstrap.servers": address, "group.id": f"{prefix}-watch", "auto.offset.reset": "earliest",
                        "isolation.level": "read_committed", "enable.auto.commit": False})
    results.subscribe([f"{prefix}.results"])
    child = reader(options, kind, address, prefix, folder)
    send(address, prefix, [("first", b"A letter of the first of May, to nobody.", "first.txt")])
    wait(results, seen, 1, child)
    begun = time.monotonic()
    send(address, prefix, [(f"d{index}", file.read_bytes(), file.name) for index, file in enumerate(files)])
    wait(results, seen, len(files) + 1, child)
    wall = time.monotonic() - begun
    results.close()
    child.send_signal(signal.SIGTERM)
    _, _, usage = os.wait4(child.pid, 0)
    return wall, usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("quire", "models", "onnx"):
        parser.add_argument(name, type=os.path.abspath)
    parser.add_argument("--documents", type=Path, default=ROOT / "tests/corpus/truth")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--set", action="append", default=[], help="a setting of quire")
    options = parser.parse_args()
    files = sorted(file for file in options.documents.iterdir() if file.stat().st_size)[: options.limit]
    print(f"{len(files)} documents, {sum(file.stat().st_size for file in files) / 1e6:.2f} MB, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with Broker(folder) as kafka:
            address = kafka.address
            idle = {kind: run(options, kind, address, "idle", [], folder)[1] for kind in ("quire", "loop")}
            print(f"a run without them: quire {idle['quire']:.1f} CPU-s, loop {idle['loop']:.1f}")
            print("round  quire: documents/s  CPU-s each   loop: documents/s  CPU-s each   quire : loop by time  by CPU")
            ratios = []
            for number in range(options.rounds):
                line = []
                for kind in ("quire", "loop"):
                    wall, spent = run(options, kind, address, number, files, folder)
                    line.append((len(files) / wall, (spent - idle[kind]) / len(files)))
                (rate, cost), (loop_rate, loop_cost) = line
                ratios.append((rate / loop_rate, loop_cost / cost))
                print(f"{number + 1:5}  {rate:18.2f}  {cost:10.2f}   {loop_rate:17.2f}  {loop_cost:10.2f}   "
                      f"{ratios[-1][0]:20.2f}  {ratios[-1][1]:6.2f}", flush=True)
            by_time, by_cpu = (statistics.median(column) for column in zip(*ratios))
            print(f"median: {by_time:.2f}x by time, {by_cpu:.2f}x by processor time")


if __name__ == "__main__":
    main()
