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

python=data/python
if ! cmp -s tests/kafka/requirements.txt "$python/requirements.txt"; then
  echo "fetching Python clients for the tests into $python"
  rm -rf "$python" && python3 -m venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check -r tests/kafka/requirements.txt
  cp tests/kafka/requirements.txt "$python/requirements.txt"
fi
