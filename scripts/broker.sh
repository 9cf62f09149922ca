#!/usr/bin/env bash
# An Apache Kafka of one node on loopback, in the foreground, with nothing kept after it.
# Usage: broker.sh FOLDER PORT CONTROLLER_PORT (scripts/kafka.sh fetched it into data/kafka)
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 port=$2 controller=$3
jars=$PWD/data/kafka
[ -d "$jars" ] || { echo "there is no Kafka in $jars: run make kafka" >&2; exit 1; }
cat > "$folder/kafka.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$folder/kafka
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=10485760
log.cleaner.dedupe.buffer.size=8388608
PROPERTIES
options=(-Xmx384m -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*")
java "${options[@]}" kafka.tools.StorageTool format -t "$(java "${options[@]}" kafka.tools.StorageTool random-uuid)" \
  -c "$folder/kafka.properties" > /dev/null
exec java "${options[@]}" kafka.Kafka "$folder/kafka.properties"
