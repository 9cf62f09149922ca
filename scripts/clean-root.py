#!/usr/bin/env python3
"""Does what a Dockerfile says in clean Debian roots, where no container engine runs.

    scripts/clean-root.py docker/cpu.Dockerfile FOLDER        (as root; FOLDER gets some GB)

Each stage is a root of its own below FOLDER, made by debootstrap; RUN is done in it by chroot, with a
mount and process space of its own. Rust comes from this machine's toolchain and registry, mounted where
the `rust` image has neither; --target keeps what is compiled. At the end the image's program is started as
its user, asked for its health as HEALTHCHECK says until it is well, and stopped by SIGTERM.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLAIN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


class Stage:
    def __init__(self, root, image):
        self.root, self.image = root, image
        self.workdir, self.user, self.env, self.mounts = "/", None, dict(PLAIN), []

    def inside(self, path):
        return self.root / os.path.join(self.workdir, path).lstrip("/")


def debian(options, image):
    """A clean root of the release that an image's name says."""
    release = re.search(r"bookworm|trixie", image)[0]
    base = options.folder / f"debian-{release}"
    if not (base / "complete").exists():
        shutil.rmtree(base, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", release, str(base), "http://deb.debian.org/debian"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (base / "complete").touch()
    return base


def begin(options, image, number):
    root = options.folder / f"stage-{number}"
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", str(debian(options, image)), str(root)], check=True)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    stage = Stage(root, image)
    if image.startswith("rust:"):
        home = Path.home()
        rust = subprocess.run(["rustc", "--print", "sysroot"], cwd=ROOT, check=True, capture_output=True)
        sysroot = rust.stdout.decode().strip()
        stage.mounts += [(sysroot, sysroot), (str(home / ".cargo/registry"), str(home / ".cargo/registry"))]
        stage.env |= {"PATH": f"{sysroot}/bin:{PLAIN['PATH']}", "CARGO_HOME": str(home / ".cargo")}
        if options.target:
            stage.mounts.append((str(options.target), str(options.target)))
    if options.ca:
        # A network that looks into TLS.
        shutil.copy(options.ca, root / "etc/ca.pem")
        stage.env |= {name: "/etc/ca.pem" for name in ("SSL_CERT_FILE", "PIP_CERT", "CARGO_HTTP_CAINFO")}
    return stage


def command(stage, words, variables=None):
    """A command in a stage, in spaces of its own, so that nothing stays mounted or running."""
    mounts = [("/dev", "/dev"), *stage.mounts]
    lines = ["set -e", f"mount -t proc proc {shlex.quote(str(stage.root))}/proc"]
    for source, target in mounts:
        there = shlex.quote(str(stage.root) + target)
        lines.append(f"mkdir -p {there} && mount --bind {shlex.quote(source)} {there}")
    user = ["--userspec", f"{stage.user}:{stage.user}"] if stage.user else []
    env = [f"{name}={value}" for name, value in (stage.env | (variables or {})).items()]
    inner = ["sh", "-c", 'cd "$0" && exec "$@"', stage.workdir, *words]
    lines.append("exec " + shlex.join(["chroot", *user, str(stage.root), "env", "-i", *env, *inner]))
    kill = "--kill-child"
    return ["unshare", "--mount", "--pid", "--fork", kill, "sh", "-c", "\n".join(lines)]


def run(options, stage, text):
    """RUN, with its cache mounts as folders that outlive it."""
    caches = re.findall(r"--mount=type=cache,target=(\S+)", text)
    text = re.sub(r"--mount=\S+\s*", "", text).strip()
    if "cargo build" in text and options.built:
        # The rest of the step is done with it.
        text = re.sub(r"(\w+=\S+ )*cargo build [^&\\]*&&", f"echo 'not built: {options.built}' &&", text)
        there = stage.root / "quire/target/dist/quire"
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(options.built, there)
    elif "cargo build" in text and options.target:
        text = text.replace("target/dist", f"{options.target}/dist")
        stage.env["CARGO_TARGET_DIR"] = str(options.target)
    for cache in caches:
        (stage.root / cache.lstrip("/")).mkdir(parents=True, exist_ok=True)
    print(f"RUN {text}", flush=True)
    begun = time.monotonic()
    with open(options.folder / "log", "a") as log:
        done = subprocess.run(command(stage, ["/bin/sh", "-c", text]), stdout=log, stderr=log)
    print(f"    exit {done.returncode}, {time.monotonic() - begun:.0f} s", flush=True)
    if done.returncode:
        sys.exit(f"it failed; {options.folder}/log says why")


def copy(stage, stages, rest):
    words = rest.split()
    source = next((stages[word.removeprefix("--from=")].root for word in words if word.startswith("--from=")), None)
    *names, target = [word for word in words if not word.startswith("--")]
    print(f"COPY {rest}", flush=True)
    for name in names:
        to = stage.inside(target)
        if source is None and name == ".":
            to.mkdir(parents=True, exist_ok=True)
            # What is committed or would be: as .dockerignore leaves it.
            listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
            files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout
            pack = subprocess.Popen(["tar", "--null", "-T", "-", "-c"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            unpack = subprocess.Popen(["tar", "-x", "-C", str(to)], stdin=pack.stdout)
            pack.stdin.write(files)
            pack.stdin.close()
            if pack.wait() or unpack.wait():
                sys.exit("the sources cannot be copied")
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name.lstrip("/") if source else ROOT / name, to)


def healthy(options, stage, entry, test):
    """Starts the image and waits for its health check; then SIGTERM, which must end it with 0."""
    if options.models:
        subprocess.run(["cp", "-r", str(options.models), str(stage.root / "data/models")], check=True)
        subprocess.run(["chroot", str(stage.root), "chown", "-R", stage.user, "/data"], check=True)
    for words in (["--version"], ["doctor"]):
        done = subprocess.run(command(stage, [entry[0], *words]), capture_output=True, text=True)
        print(f"{entry[0]} {words[0]}: exit {done.returncode}\n{done.stdout}{done.stderr}", flush=True)
    log = open(options.folder / "run.log", "w")
    running = subprocess.Popen(command(stage, entry), stdout=log, stderr=log)
    begun, well = time.monotonic(), False
    while not well and running.poll() is None and time.monotonic() - begun < 180:
        time.sleep(1)
        well = subprocess.run(command(stage, test), capture_output=True).returncode == 0
    print(f"HEALTHCHECK: {'well' if well else 'ill'} after {time.monotonic() - begun:.0f} s", flush=True)
    inner = subprocess.run(["pgrep", "-P", str(running.pid)], capture_output=True, text=True).stdout.split()
    begun = time.monotonic()
    for pid in inner:
        os.kill(int(pid), 15)
    status = running.wait(60)
    print(f"SIGTERM: exit {status} after {time.monotonic() - begun:.1f} s", flush=True)
    if not well or status:
        sys.exit(f"the image does not do its work: {options.folder}/run.log")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", type=Path, help="a build folder that outlives it (CARGO_TARGET_DIR)")
    parser.add_argument("--built", type=Path, help="a program that is there, in place of what cargo would build")
    parser.add_argument("--models", type=Path, help="weights to start with, as data/models; else none")
    parser.add_argument("--ca", type=Path, help="certificates of a network that looks into TLS")
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    stages, stage, entry, test = {}, None, [], []
    for line in options.dockerfile.read_text().replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            print(f"FROM {image}", flush=True)
            stage = stages[name or "image"] = begin(options, image, len(stages))
        elif word == "RUN":
            run(options, stage, rest)
        elif word == "COPY":
            copy(stage, stages, rest)
        elif word == "WORKDIR":
            stage.workdir = rest
            stage.inside(".").mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            stage.env |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "USER":
            stage.user = rest
            stage.env["HOME"] = f"/home/{rest}"
        elif word == "HEALTHCHECK":
            test = json.loads(rest[rest.index("CMD ") + 4 :])
        elif word in ("ENTRYPOINT", "CMD"):
            entry += json.loads(rest)
    healthy(options, stage, entry, test)


if __name__ == "__main__":
    main()
