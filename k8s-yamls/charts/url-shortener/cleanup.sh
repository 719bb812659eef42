#!/usr/bin/env bash
# Removes what install.sh installed, and waits until it is gone.
#   RELEASE (url-shortener), NAMESPACE (that of the context), HELM (helm)
set -euo pipefail

release=${RELEASE:-url-shortener}
"${HELM:-helm}" uninstall ${NAMESPACE:+--namespace "$NAMESPACE"} "$release" --ignore-not-found
kubectl ${NAMESPACE:+--namespace "$NAMESPACE"} wait pods --for=delete --timeout=120s \
  -l "app.kubernetes.io/instance=$release"
echo "✅ Cleanup complete"
