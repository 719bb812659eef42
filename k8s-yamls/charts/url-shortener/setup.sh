#!/usr/bin/env bash
# Makes the image known to the cluster: builds it and loads it into kind or minikube, or pushes it where REPOSITORY names a
# registry. Without Docker it looks whether the cluster has it already.
#   REPOSITORY (localhost), TAG (the chart's version), KIND_CLUSTER (that of the context)
set -euo pipefail
cd "$(dirname "$0")"

repository=${REPOSITORY:-localhost}
tag=${TAG:-$(sed -n 's/^appVersion: *//p' Chart.yaml)}
image=${repository:+$repository/}xi-k8s:$tag
context=$(kubectl config current-context 2>/dev/null || true)

summary() {
  echo "✅ All images $1"
  for container in host logger storage api; do printf '  %s (%s)\n' "$image" "$container"; done
}

has_docker() { command -v docker >/dev/null && docker info >/dev/null 2>&1; }

# Whether a node lists the image. The embedded cluster's lists none, and runs the programs of its own installation.
is_known() {
  nodes=$(kubectl get nodes -o 'jsonpath={range .items[*]}{.status.nodeInfo.containerRuntimeVersion}{"\n"}{.status.images[*].names}{"\n"}{end}')
  printf '%s\n' "$nodes" | grep -e '^pretend:' -e "\"$image\"" >/dev/null
}

if ! has_docker; then
  if ! is_known; then
    echo "There is no Docker here to build $image with, and no node of the cluster lists it." >&2
    echo "Build it where there is one, or by the other ways of docs/install.md, and run this again." >&2
    exit 1
  fi
  echo "No Docker is needed: the cluster has the image."
  summary 'known to the cluster'
  exit
fi

docker build --tag "$image" ../../..
case $repository,$context in
  localhost,kind-*)
    kind load docker-image "$image" --name "${KIND_CLUSTER:-${context#kind-}}"
    summary 'loaded into kind'
    ;;
  localhost,minikube)
    minikube image load "$image"
    summary 'loaded into minikube'
    ;;
  localhost,docker-desktop) summary "built, and shared with Docker Desktop's cluster" ;;
  localhost,*)
    echo "The context ${context:-(none)} is neither kind, minikube nor docker-desktop: name a registry that it can reach, by REPOSITORY." >&2
    exit 1
    ;;
  *)
    docker push "$image"
    summary "pushed to $repository"
    echo "Install them by: ./install.sh --set image.repository=$repository --set image.tag=$tag"
    ;;
esac
