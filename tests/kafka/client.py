"""A client that is not ours, for tests/kafka/clients.rs.

client.py send BROKERS    JSON lines {topic, key, text | envelope | nothing, headers} -> the topics
client.py read BROKERS    {topic, schema} -> JSON lines {key, headers, value}, committed ones only,
                          each value held against the schema
client.py judge BROKERS   {schema, values} -> JSON lines, true where the schema allows the value
"""

import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from jsonschema import Draft202012Validator


def send(brokers):
    producer = Producer({"bootstrap.servers": brokers})

    def delivered(error, message):
        if error:
            sys.exit(f"not delivered: {error}")
        print(json.dumps([message.topic(), message.partition(), message.offset()]))

    for line in sys.stdin:
        record = json.loads(line)
        value = record.get("text")
        if "envelope" in record:
            value = json.dumps(record["envelope"])
        headers = list(record.get("headers", {}).items())
        producer.produce(record["topic"], value, record["key"], headers=headers, on_delivery=delivered)
    if producer.flush(60):
        sys.exit("not everything was delivered")


def read(brokers):
    asked = json.load(sys.stdin)
    validator = schema(asked["schema"])
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": "python",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    })
    metadata = consumer.list_topics(asked["topic"], 60).topics[asked["topic"]]
    left = set(metadata.partitions)
    consumer.assign([TopicPartition(asked["topic"], number, OFFSET_BEGINNING) for number in left])
    while left:
        message = consumer.poll(60)
        if message is None:
            sys.exit(f"{asked['topic']} has no end")
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                sys.exit(str(message.error()))
            left.discard(message.partition())
            continue
        value = message.value() if message.value() is None else json.loads(message.value())
        if value is not None:
            validator.validate(value)
        headers = {name: content.decode() for name, content in message.headers() or []}
        print(json.dumps({"key": message.key().decode(), "headers": headers, "value": value}))
    consumer.close()


def judge(_):
    asked = json.load(sys.stdin)
    validator = schema(asked["schema"])
    for value in asked["values"]:
        print(json.dumps(validator.is_valid(value)))


def schema(path):
    with open(path, encoding="utf-8") as file:
        loaded = json.load(file)
    Draft202012Validator.check_schema(loaded)
    return Draft202012Validator(loaded)


{"send": send, "read": read, "judge": judge}[sys.argv[1]](sys.argv[2])
