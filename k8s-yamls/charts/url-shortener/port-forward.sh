#!/usr/bin/env bash
# Makes the API reachable at http://localhost:8083 until Ctrl-C. Another port: ./port-forward.sh 9000
#   RELEASE (url-shortener), NAMESPACE (that of the context)
set -euo pipefail

deployment=$(kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} get deployments -o name \
  -l "app.kubernetes.io/instance=${RELEASE:-url-shortener}")
if [ -z "$deployment" ]; then
  echo "❌ There is no release ${RELEASE:-url-shortener} in ${NAMESPACE:-the namespace of the context}: ./install.sh first, or set RELEASE and NAMESPACE." >&2
  exit 1
fi
exec kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} port-forward --address 127.0.0.1 "$deployment" "${1:-8083}:api"
