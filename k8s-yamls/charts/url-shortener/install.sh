#!/usr/bin/env bash
# Installs the chart and waits until all four containers of every pod are ready. Arguments go to helm: ./install.sh --set replicaCount=3
#   RELEASE (url-shortener), NAMESPACE (that of the context), TIMEOUT in seconds (120), HELM (helm)
set -euo pipefail
cd "$(dirname "$0")"

release=${RELEASE:-url-shortener}
timeout=${TIMEOUT:-120}
selector=app.kubernetes.io/instance=$release

kubectl_() { kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} "$@"; }

"${HELM:-helm}" upgrade --install ${NAMESPACE:+--namespace "$NAMESPACE"} "$release" . "$@" >/dev/null
deployment=$(kubectl_ get deployments -l "$selector" -o name)
echo "Waiting for $deployment ..."
if ! kubectl_ rollout status "$deployment" --timeout="${timeout}s"; then
  kubectl_ get pods -l "$selector" >&2
  echo "It is not ready after $timeout seconds. What keeps it: kubectl describe $deployment, kubectl logs $deployment --all-containers" >&2
  exit 1
fi
# Pods of an earlier installation may still be ending; they are none of this one's.
pods=$(kubectl_ get pods -l "$selector" --no-headers | awk '$2 == "4/4" && $3 == "Running" { print $1 }')
if [ -z "$pods" ] && [ "$(kubectl_ get "$deployment" -o 'jsonpath={.spec.replicas}')" != 0 ]; then
  kubectl_ get pods -l "$selector" >&2
  echo "No pod has all four containers ready." >&2
  exit 1
fi

echo
echo "✅ Deployment successful!"
if [ -n "$pods" ]; then printf '%s\n' "$pods" | sed 's/^/Pod: /'; fi
echo
kubectl_ get pods -l "$selector"
