#!/usr/bin/env bash
# What the tests of Kafka need, below data/: Apache Kafka's jars (tests/kafka/pom.xml), and a Python
# environment with clients that are not ours (tests/kafka/requirements.txt). Usage: kafka.sh
set -euo pipefail
cd "$(dirname "$0")/.."

jars=data/kafka
if ! cmp -s tests/kafka/pom.xml "$jars/pom.xml"; then
  echo "fetching Apache Kafka for the tests into $jars"
  rm -rf "$jars" && mkdir -p "$jars"
  mvn -q -B -f tests/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory="$PWD/$jars"
  # Last, so that a fetch that was broken off is begun anew.
  cp tests/kafka/pom.xml "$jars/pom.xml"
fi

scripts/venv.sh data/python tests/kafka/requirements.txt
