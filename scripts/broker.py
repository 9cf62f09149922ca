"""An Apache Kafka for scripts in Python: scripts/broker.sh on two free ports."""

import socket
import subprocess
import time
from pathlib import Path


class Broker:
    """A broker with its data in `folder`, until it is stopped. `address` is where it listens."""

    def __init__(self, folder):
        held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        ports = [one.getsockname()[1] for one in held]
        for one in held:
            one.close()
        self.address = f"127.0.0.1:{ports[0]}"
        log = Path(folder) / "kafka.log"
        with open(log, "wb") as output:
            command = [Path(__file__).with_name("broker.sh"), folder, *map(str, ports)]
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        # A busy machine takes its time.
        for _ in range(900):
            try:
                socket.create_connection(("127.0.0.1", ports[0]), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.2)
        self.stop()
        raise SystemExit(f"Kafka does not start: {log.read_text()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.kill()
        self.process.wait()
