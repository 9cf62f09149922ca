"""Files that must not be understood, each for its own reason."""

import numpy as np


def cut(data, share=0.55):
    """The first part of a file, as after a broken download."""
    return data[:int(len(data) * share)]


def random_bytes(seed, size=9000, start=b""):
    return start + np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()


def corrupt_png(data):
    """A good signature, then garbage where the header and the first data should be."""
    return data[:12] + random_bytes(31, 600) + data[700:3000]


def corrupt_zip(data):
    """A ZIP whose directory is gone and whose entries are overwritten."""
    return data[:40] + random_bytes(32, 2500) + data[2540:6000]
