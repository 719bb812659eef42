#!/usr/bin/env bash
# Makes the API reachable at http://localhost:8083 until Ctrl-C. Another port: ./port-forward.sh 9000
#   RELEASE (url-shortener), NAMESPACE (that of the context)
set -euo pipefail

service=$(kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} get services -o name \
  -l "app.kubernetes.io/name=url-shortener,app.kubernetes.io/instance=${RELEASE:-url-shortener}" | grep -v -e '-peers$')
port=$(kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} get "$service" -o 'jsonpath={.spec.ports[0].port}')
exec kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} port-forward --address 127.0.0.1 "$service" "${1:-8083}:$port"
