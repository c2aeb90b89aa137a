#!/bin/bash
# Like the official image: KAFKA_SOME_KEY=value becomes some.key=value; the storage is formatted the first time.
set -e
properties=/tmp/server.properties
env | sed -nE 's/^KAFKA_([A-Z_]+)=(.*)$/\1 \2/p' | while read -r key value; do
  case $key in HEAP_OPTS | OPTS) continue ;; esac
  echo "$(tr 'A-Z_' 'a-z.' <<<"$key")=$value"
done >$properties
java() { command java ${KAFKA_HEAP_OPTS:--Xmx320m} -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/libs/*' "$@"; }
java kafka.tools.StorageTool format --ignore-formatted -t "${CLUSTER_ID:-b3JkZXJ3aXJlLXRlc3RzMA}" -c $properties
exec java ${KAFKA_HEAP_OPTS:--Xmx320m} -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/libs/*' kafka.Kafka $properties
