#!/usr/bin/env bash
# The whole way: a port-forward, ./test-api.sh through it, and the lines by which host and logger tell of its calls.
#   RELEASE (url-shortener), NAMESPACE (that of the context), LONG_URL (see test-api.sh)
set -euo pipefail
cd "$(dirname "$0")"

selector=app.kubernetes.io/instance=${RELEASE:-url-shortener}
said=$(mktemp)
forward=
finish() {
  if [ -n "$forward" ]; then kill "$forward" 2>/dev/null || true; fi
  rm -f "$said"
}
trap finish EXIT

logs() { kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} logs -l "$selector" -c "$1" --tail=-1; }

# Waits for a line of a container's log: what is written there comes a moment after the call.
expect() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    found=$(logs "$1" | grep -E "$2" | tail -n 1 || true)
    if [ -n "$found" ]; then
      echo "  $found"
      return
    fi
    sleep 1
  done
  echo "❌ The log of $1 has no line like '$2'." >&2
  return 1
}

./port-forward.sh 0 >"$said" 2>&1 &
forward=$!
port=
for _ in $(seq 60); do
  # With port 0 a free one is taken, and named.
  port=$(sed -n 's/^Forwarding from 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$said")
  if [ -n "$port" ] || ! kill -0 "$forward" 2>/dev/null; then break; fi
  sleep 0.5
done
if [ -z "$port" ]; then
  cat "$said" >&2
  echo "❌ There is no port-forward to the API. Is it installed (./install.sh)?" >&2
  exit 1
fi

API_URL=http://127.0.0.1:$port ./test-api.sh

echo "Plugin→plugin routing:"
expect host '\[ROUTER\] api.* → storage.* /Store 200'
expect host '\[ROUTER\] storage.* → logger.* /Log 200'
echo "Logger output:"
expect logger '\[LOG\] STORE [^ ]+ → '
expect logger '\[LOG\] GET [^ ]+ → '
echo "✅ All tests passed"
