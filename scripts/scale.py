#!/usr/bin/env python3
"""Where a large installation bends first: partitions, workers, transactions, Qdrant, object store.

    scripts/scale.py                      the table of docker/README.md
    scripts/scale.py --workers 50 --documents-per-second 400

Two parts. What each part of the system has to carry is multiplied out from the settings. What uneven
partitions do to waiting is simulated: documents arrive at random (Poisson) at partitions by the hash of
their key, partitions belong to workers, a worker serves its partitions in turn with as many documents
at once as it has slots, and costs are spread as widely as those of real documents (log-normal). The
assumptions are the options and their defaults; none is measured at this size.
"""

import argparse
import heapq
import random


def wait(partitions, workers, load, slots, sigma, seed=1, documents=60_000):
    """Median and 99th percentile of waiting, in mean service times of one document."""
    rng = random.Random(seed)
    # The sticky assignor gives each worker as many partitions as any other, or one more.
    owner = [p % workers for p in range(partitions)]
    active = min(partitions, workers)
    rate = load * active * slots
    free = [[0.0] * slots for _ in range(workers)]
    mu = -sigma * sigma / 2
    now, waits = 0.0, []
    for _ in range(documents):
        now += rng.expovariate(rate)
        slot = free[owner[rng.randrange(partitions)]]
        start = max(now, slot[0])
        heapq.heapreplace(slot, start + rng.lognormvariate(mu, sigma))
        waits.append(start - now)
    waits = sorted(waits[documents // 3:])
    return waits[len(waits) // 2], waits[len(waits) * 99 // 100]


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a.add_argument("--partitions", type=int, default=1000, help="of each topic of documents")
    a.add_argument("--workers", type=int, default=200)
    a.add_argument("--documents-per-second", type=float, default=4000, help="all workers together")
    a.add_argument("--passages", type=float, default=12, help="of a document")
    a.add_argument("--dimension", type=int, default=384)
    a.add_argument("--result-kb", type=float, default=40, help="a result in its topic")
    a.add_argument("--document-kb", type=float, default=300, help="as received")
    a.add_argument("--by-uri", type=float, default=0.5, help="share that comes by URI")
    a.add_argument("--commit-ms", type=float, default=200, help="kafka.commit_ms")
    a.add_argument("--lanes", type=int, default=6, help="topics that the group reads")
    a.add_argument("--brokers", type=int, default=12)
    a.add_argument("--qdrant-nodes", type=int, default=12)
    a.add_argument("--documents-per-day", type=float, default=20e6, help="the mean; documents a second is the peak")
    a.add_argument("--days", type=float, default=90, help="that documents are kept")
    o = a.parse_args()

    d, w = o.documents_per_second, o.workers
    commits = w * 1000 / o.commit_ms
    points = d * (o.passages + 1)
    stored = o.documents_per_day * o.days
    per_passage = o.dimension * 4 + 700
    # What one part is taken to carry; the sources are in docker/README.md.
    rows = [
        ("transactions /s", commits, o.brokers * 500, "fewer, larger commits: kafka.commit_ms"),
        ("offsets written /s", commits * min(o.lanes * o.partitions / w, d / commits * 1.0 + 1), o.brokers * 20_000,
         "kafka.commit_ms"),
        ("members of the group", w, 1000, "a group for each prefix of topics"),
        ("partitions x lanes", o.partitions * o.lanes, o.brokers * 4000, "fewer partitions; more brokers"),
        ("results MB/s", d * o.result_kb / 1000, o.brokers * 50, "brokers; smaller results (publish)"),
        ("documents MB/s through Kafka", d * (1 - o.by_uri) * o.document_kb / 1000, o.brokers * 50,
         "send URIs instead of bytes"),
        ("object store requests /s", d * o.by_uri, 5500, "more key prefixes (S3: 5,500 reads/s a prefix)"),
        ("Qdrant points /s", points, o.qdrant_nodes * 6000, "shards and nodes; larger chunks"),
        ("Qdrant passages stored, millions", stored * o.passages / 1e6, o.qdrant_nodes * 100,
         "quantisation, on-disk vectors, retention"),
        ("Qdrant TB", stored * o.passages * per_passage / 1e12, o.qdrant_nodes * 4, "the same"),
    ]
    print(f"{w} workers, {o.partitions} partitions, {d:.0f} documents/s\n")
    print(f"{'what':34} {'wanted':>12} {'carried':>12} {'used':>7}   when it bends")
    for name, wanted, carried, cure in sorted(rows, key=lambda row: -row[1] / row[2]):
        print(f"{name:34} {wanted:12,.0f} {carried:12,.0f} {wanted / carried:7,.0%}   {cure}")

    print("\nwaiting in mean documents (4 at once a worker, costs spread by 1.2), 50 % and 99 %")
    loads = (0.5, 0.7, 0.8, 0.9)
    print(f"{'partitions':>10} {'workers':>8} " + " ".join(f"{f'at {load:.0%}':>14}" for load in loads))
    for partitions, workers in ((w, w), (o.partitions, w), (o.partitions, w - w // 16), (4 * o.partitions, w)):
        cells = []
        for load in loads:
            half, most = wait(partitions, workers, load, 4, 1.2)
            cells.append(f"{half:6.1f} {most:7.1f}")
        print(f"{partitions:10} {workers:8} " + " ".join(f"{cell:>14}" for cell in cells))
    uneven = -(-o.partitions // w) / (o.partitions / w)
    print(f"\nthe worker with most partitions has {uneven:.2f} times the mean")


if __name__ == "__main__":
    main()
