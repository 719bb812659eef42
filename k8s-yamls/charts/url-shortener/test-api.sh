#!/usr/bin/env bash
# Shortens a URL and resolves its code, while ./port-forward.sh runs.
#   API_URL (http://localhost:8083), LONG_URL (https://github.com/masegraye/connect-plugin-go)
set -euo pipefail

api=${API_URL:-http://localhost:8083}/api.v1.API
url=${LONG_URL:-https://github.com/masegraye/connect-plugin-go}

# The text of a field of a flat JSON object.
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }

call() {
  if ! curl -sS --max-time 30 "$@"; then
    echo "The API does not answer at $api. Does ./port-forward.sh run?" >&2
    return 1
  fi
}

echo "Shortening $url"
shortened=$(call -G -X POST "$api/Shorten" --data-urlencode "url=$url")
echo "  $shortened"
code=$(printf '%s\n' "$shortened" | field short_code)
if [ -z "$code" ]; then
  echo "❌ The answer has no short_code." >&2
  exit 1
fi

echo "Resolving $code"
resolved=$(call -G "$api/Resolve" --data-urlencode "code=$code")
echo "  $resolved"
if [ "$(printf '%s\n' "$resolved" | field url)" != "$url" ]; then
  echo "❌ $code does not resolve to $url." >&2
  exit 1
fi
echo "✅ $code resolves to $url"
