#!/usr/bin/env bash
# The main job with a real Kafka on loopback: kcat sends every document of a folder, a worker is killed midway
# and started again (with QDRANT_URL, two workers share the work and one is killed for good), and in the end
# stands the same table as after `quire demo`, with what Prometheus would scrape.
# Usage: demo-kafka.sh QUIRE FOLDER (scripts/kafka.sh fetched the broker)
set -euo pipefail
cd "$(dirname "$0")/.."
quire=$1 folder=$2
work=$(mktemp -d)
pids=()
end() {
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT

# Two ports that are free now.
read -r port controller < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in held))')
broker=127.0.0.1:$port
scripts/broker.sh "$work" "$port" "$controller" > "$work/kafka.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do kcat -L -b "$broker" -m 1 > /dev/null 2>&1 && break; sleep 0.3; done
kcat -L -b "$broker" -m 2 > /dev/null || { cat "$work/kafka.log" >&2; exit 1; }
echo "Apache Kafka listens on $broker."

settings=(--set "infer.models_dir=$PWD/data/models")
kafka=(--set "kafka.brokers=$broker" --set kafka.session_timeout_ms=6000 --set serve.listen=127.0.0.1:0)
if [ -n "${QDRANT_URL:-}" ]; then
  settings+=(--set "qdrant.url=$QDRANT_URL" --set qdrant.documents=demo-documents --set qdrant.passages=demo-passages)
  workers=2
else
  echo "QDRANT_URL is not set: the store is the local one, and one worker has it."
  workers=1
fi

worker() {
  "$quire" --data-dir "$work/worker-$1" "${settings[@]}" "${kafka[@]}" --set "kafka.worker=demo-$1" run \
    > "$work/worker-$1.log" 2>&1 &
  pids+=($!)
  last=$!
}
worker 1
first=$last
[ "$workers" = 2 ] && worker 2
until kcat -L -b "$broker" -t documents 2> /dev/null | grep -q 'leader 1'; do
  kill -0 "$last" 2> /dev/null || { cat "$work"/worker-*.log >&2; exit 1; }
  sleep 0.3
done

count=0
for file in "$folder"/*; do
  # kcat makes a null value of an empty file, and that deletes.
  [ -s "$file" ] || continue
  # The key that quire would give it by its content, so that the local demo knows it again. Two files of one
  # content are one document.
  key=$(sha256sum "$file" | cut -c 1-32)
  grep -qsx "$key" "$work/sent" && continue
  kcat -P -b "$broker" -t documents -k "$key" -H "filename=$(basename "$file")" "$file"
  echo "$key" >> "$work/sent"
  count=$((count + 1))
done
sort -o "$work/sent" "$work/sent"
echo "kcat sent $count documents to the topic documents."

# Key and size of every record of a topic that is committed; -1 of one that clears its key.
records() { kcat -C -e -q -b "$broker" -t "documents.$1" -X isolation.level=read_committed -f '%k %S\n' 2> /dev/null || true; }
seen() { records "$1" | cut -d ' ' -f 1; }
# Its keys that hold something: a key may have several records, and what came out of archives and mails has keys
# of its own.
keys() { records "$1" | awk '{ size[$1] = $2 } END { for (key in size) if (size[key] >= 0) print key }' | sort; }
# How many of those that were sent; what came out of them (attachments) is settled beside them.
settled() { { seen results; seen dead; } | sort -u | comm -12 - "$work/sent" | wc -l; }
show() { printf '\r%s of %s documents settled' "$1" "$count"; }
killed=no
for _ in $(seq 600); do
  done=$(settled)
  show "$done"
  if [ "$killed" = no ] && [ "$done" -ge $((count / 2)) ]; then
    kill -9 "$first"
    { wait "$first"; } 2> /dev/null || true
    killed=yes
    printf '\rA worker was killed (SIGKILL) with %s of %s settled.\n' "$done" "$count"
    [ "$workers" = 1 ] && worker 1
  fi
  [ "$done" -ge "$count" ] && break
  sleep 0.5
done
echo
twice=$(seen results | sort | uniq -d | wc -l)
row() { printf '%-14s %6s %14s\n' "$1" "$(keys "$2" | comm -12 - "$work/sent" | wc -l)" "$(keys "$2" | comm -23 - "$work/sent" | wc -l)"; }
printf '%-14s %6s %14s\n' documents sent 'found in them'
row understood results
row 'dead letters' dead
echo "published twice: $twice"
[ "$(settled)" -ge "$count" ] || { tail -n 20 "$work"/worker-*.log >&2; exit 1; }
[ "$twice" = 0 ] || exit 1

address=$(grep -ho 'http://127.0.0.1:[0-9]*' "$work/worker-$workers.log" | tail -n 1)
metrics=$(python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1] + "/metrics").read().decode())' "$address")
echo "What Prometheus scrapes from $address/metrics ($(grep -vc '^#' <<< "$metrics") samples), among it:"
grep -E '^quire_(documents_total|lag_seconds|commit_seconds_(sum|count)|coverage)' <<< "$metrics" | head -n 12 || true

kill "$last"
wait "$last" || true
echo
"$quire" --data-dir "$work/worker-$workers" "${settings[@]}" --log error --set serve.listen=127.0.0.1:0 demo "$folder" | cat
