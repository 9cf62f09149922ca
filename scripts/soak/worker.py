"""The worker under test: started, killed, and measured with all that it started."""

import json
import os
import signal
import subprocess
import time

PAGE = os.sysconf("SC_PAGE_SIZE")


class Worker:
    """`quire run`, with its log in a file of its own for each start."""

    def __init__(self, quire, folder, flags):
        self.quire, self.folder, self.flags = quire, folder, flags
        self.starts, self.process, self.api, self.since = 0, None, None, 0.0

    def start(self):
        self.starts += 1
        self.log = self.folder / f"worker-{self.starts}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QUIRE_")}
        command = [self.quire, "--data-dir", self.folder / "data", *self.flags, "run"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.api, self.since = None, time.monotonic()

    def ready(self):
        """The address of its API, once it is ready."""
        if self.api is None:
            if self.process.poll() is not None:
                raise SystemExit(f"the worker ended by itself ({self.process.returncode}):\n{self.tail()}")
            for line in self.log.read_text(errors="replace").splitlines():
                if '"message":"ready"' in line:
                    self.api = json.loads(line)["api"]
        return self.api

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM, and its exit status."""
        self.process.terminate()
        return self.process.wait(timeout=120)

    def children(self):
        """Process ids of its sandboxed children."""
        return [pid for pid, parent in parents().items() if parent == self.process.pid]

    def kill_child(self, chance):
        """SIGKILL to one of them; whether there was any."""
        children = self.children()
        if not children:
            return False
        try:
            os.kill(chance.choice(children), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def sample(self):
        """Resident MB of the worker and of its children, open handles and threads of all."""
        worker, children, handles, threads = 0.0, 0.0, 0, 0
        for pid in [self.process.pid, *self.children()]:
            try:
                with open(f"/proc/{pid}/statm") as file:
                    resident = int(file.read().split()[1]) * PAGE / 2**20
                handles += len(os.listdir(f"/proc/{pid}/fd"))
                threads += len(os.listdir(f"/proc/{pid}/task"))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                # It ended meanwhile, or is about to begin.
                continue
            if pid == self.process.pid:
                worker = resident
            else:
                children += resident
        return worker, children, handles, threads


def parents():
    """The parent of every process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    found[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def orphans(quire):
    """Processes of this program whose parent is gone."""
    own = os.path.realpath(quire)
    found = []
    for pid, parent in parents().items():
        try:
            if parent == 1 and os.readlink(f"/proc/{pid}/exe") == own:
                found.append(pid)
        except OSError:
            continue
    return found
