"""Where documents go in and come out: folders and HTTP, or a Kafka."""

import http.client
import json
import os
import sys
import urllib.parse
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
from broker import Broker  # noqa: E402


def ask(api, method, path, body=None, headers=None):
    """Status and body of an answer."""
    connection = http.client.HTTPConnection(api.removeprefix("http://"), timeout=20)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Local:
    """Uploads go in; what was done lies in done/ and dead/, from which it is taken away when it was counted."""

    flags = []

    def __init__(self, folder):
        self.data, self.unsure = folder / "data", []

    def send(self, document, api):
        """Uploads it. Where no answer comes it is not known whether it was taken: it is sent again later."""
        query = urllib.parse.urlencode({"id": document.key, "filename": document.name})
        # Within the time that an answer is remembered a second upload is not a second document.
        headers = {"Idempotency-Key": document.name, "Content-Type": "application/octet-stream"}
        try:
            status, body = ask(api, "POST", f"/v1/documents?{query}", document.content, headers)
        except (OSError, http.client.HTTPException):
            status, body = 0, b"no answer"
        if status == 202:
            return
        if status not in (0, 409, 429, 503):
            raise SystemExit(f"{document.name} was refused: {status} {body.decode(errors='replace')}")
        # Without an answer, or while an earlier try is being answered, it may have been taken.
        document.twice |= status in (0, 409)
        self.unsure.append(document)

    def again(self, api):
        """Sends what nobody answered for."""
        unsure, self.unsure = self.unsure, []
        # What has no content any more was settled meanwhile: it had been taken.
        for document in unsure:
            if document.content is not None:
                self.send(document, api)

    def settled(self):
        """What was settled since the last time: names, and the class of what each was given up for, if it was."""
        for folder, understood in (("done", True), ("dead", False)):
            folder = self.data / folder
            for entry in os.scandir(folder) if folder.exists() else ():
                if entry.name.startswith(".") or entry.name.endswith(".cause.json"):
                    continue
                cause = folder / f"{entry.name}.cause.json"
                # Its cause is written first.
                if not understood:
                    why = json.loads(cause.read_text())["failure"]["class"]
                    cause.unlink()
                os.unlink(entry.path)
                yield entry.name.partition("~")[2], "" if understood else why

    def close(self):
        pass


class Kafka:
    """A real broker on loopback; documents go into its lanes and come out in results and dead letters."""

    def __init__(self, folder):
        import confluent_kafka as client

        self.client, self.broker = client, Broker(folder)
        common = {"bootstrap.servers": self.broker.address, "log_level": 0}
        self.flags = ["--set", f"kafka.brokers={self.broker.address}", "--set", "kafka.session_timeout_ms=6000"]
        self.producer = client.Producer({**common, "enable.idempotence": True, "linger.ms": 5})
        self.consumer = client.Consumer(
            {**common, "group.id": "soak", "isolation.level": "read_committed", "auto.offset.reset": "earliest",
             "topic.metadata.refresh.interval.ms": 2000})
        self.consumer.subscribe(["documents.results", "documents.dead"])
        # Names by key and content, as results know only these.
        self.names = {}

    def send(self, document, _api):
        self.names[document.key, document.sha256] = document.name
        self.names[document.key] = document.name
        self.producer.produce("documents", document.content, document.key, headers={"filename": document.name})
        self.producer.poll(0)

    def again(self, _api):
        self.producer.flush(20)

    def settled(self):
        while True:
            records = self.consumer.consume(500, 0.05)
            for record in records:
                if record.error():
                    continue
                key, value = record.key().decode(), record.value()
                if value is None:
                    continue
                if record.topic() == "documents.dead":
                    headers = dict(record.headers() or [])
                    yield self.names[key], headers.get("quire-class", b"unknown").decode()
                else:
                    yield self.names[key, json.loads(value)["sha256"]], ""
            if not records:
                return

    def close(self):
        self.consumer.close()
        self.broker.stop()
