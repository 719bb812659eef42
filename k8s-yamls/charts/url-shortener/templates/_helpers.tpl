{{- define "shortener.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The objects' name: the release's, with the chart's unless it is in there. */}}
{{- define "shortener.fullname" -}}
{{- $name := include "shortener.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Which pods are ours; never changes while a release lives. */}}
{{- define "shortener.selector" -}}
app.kubernetes.io/name: {{ include "shortener.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "shortener.labels" -}}
app: {{ include "shortener.name" . }}
{{ include "shortener.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The lightchain network of the storage plugins; a label's value. */}}
{{- define "shortener.network" -}}
{{- .Values.state.network | default (include "shortener.fullname" .) }}
{{- end }}

{{- define "shortener.peers" -}}
{{- printf "%s-peers" (include "shortener.fullname" . | trunc 57 | trimSuffix "-") }}
{{- end }}

{{/* What every container has; called with the root and the container's name. */}}
{{- define "shortener.container" -}}
{{- $root := index . 0 }}
{{- $name := index . 1 }}
{{- with $root.Values.image -}}
image: {{ with .repository }}{{ trimSuffix "/" . }}/{{ end }}{{ index $root.Values.images $name }}:{{ .tag | default $root.Chart.AppVersion }}
imagePullPolicy: {{ .pullPolicy }}
{{- end }}
{{- with index $root.Values.args $name }}
args: {{ toJson . }}
{{- end }}
{{- with index $root.Values.resources $name }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* How a plugin's container is probed at its port; called with the root and the container's name. */}}
{{- define "shortener.probes" -}}
{{- $name := index . 1 }}
{{- with index (index . 0).Values.probes $name -}}
readinessProbe:
  httpGet:
    path: {{ .ready }}
    port: {{ $name }}
  periodSeconds: 2
  timeoutSeconds: 2
livenessProbe:
  httpGet:
    path: {{ .alive }}
    port: {{ $name }}
  periodSeconds: 10
  timeoutSeconds: 4
{{- else -}}
readinessProbe:
  tcpSocket:
    port: {{ $name }}
  periodSeconds: 2
  timeoutSeconds: 2
{{- end }}
{{- end }}
