{{/* Names that more than one object has, and how an object of files/ becomes one of this release. */}}

{{/* Cluster-wide objects have fixed names: there is one Pimpernel in a cluster. */}}
{{- define "pimpernel.name" -}}pimpernel-operator{{- end }}

{{- define "pimpernel.service" -}}pimpernel-webhook{{- end }}

{{- define "pimpernel.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ .Values.serviceAccount.name }}
{{- end }}

{{- define "pimpernel.url" -}}
{{- if .Values.webhook.url -}}
{{ trimSuffix "/" .Values.webhook.url }}
{{- else -}}
https://{{ include "pimpernel.service" . }}.{{ .Release.Namespace }}.svc
{{- end }}
{{- end }}

{{/* The Secret with the webhook's certificate; nothing where the operator makes it. */}}
{{- define "pimpernel.secret" -}}
{{- if .Values.webhook.certManager.enabled -}}
pimpernel-webhook-serving
{{- else -}}
{{ .Values.webhook.existingSecret }}
{{- end }}
{{- end }}

{{/* The port at which the metrics are. */}}
{{- define "pimpernel.metricsPort" -}}
{{ ternary "metrics" "http" .Values.metrics.authenticate }}
{{- end }}

{{- define "pimpernel.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "pimpernel.selector" -}}
app.kubernetes.io/name: pimpernel
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pimpernel.labels" -}}
{{ include "pimpernel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* A length of time such as 1m30s, in seconds. */}}
{{- define "pimpernel.seconds" -}}
{{- $of := dict }}
{{- range list "h" "m" "s" }}
{{- $_ := set $of . (regexFind (printf "[0-9]+%s" .) $ | trimSuffix . | atoi) }}
{{- end }}
{{- add (mul 3600 $of.h) (mul 60 $of.m) $of.s }}
{{- end }}

{{/* The objects in a file of files/, with the names of this release, as {objects: […]}. Takes [root, path]. */}}
{{- define "pimpernel.objects" -}}
{{- $root := index . 0 }}
{{- $text := $root.Files.Get (index . 1) }}
{{- $text = $text | replace "${OPERATOR_USER}" (include "pimpernel.user" $root) }}
{{- $text = $text | replace "${OPERATOR_NAMESPACE}" $root.Release.Namespace }}
{{- $text = $text | replace "${SESSIONS_NAMESPACE}" $root.Values.sessionsNamespace.name }}
{{- $objects := list }}
{{- range regexSplit "(?m)^---$" $text -1 }}
{{- $objects = append $objects (fromYaml .) }}
{{- end }}
{{- toYaml (dict "objects" $objects) }}
{{- end }}

{{/* An object of files/ as a document, with the labels of this release. Takes [root, object]. */}}
{{- define "pimpernel.document" -}}
{{- $labels := fromYaml (include "pimpernel.labels" (index . 0)) }}
{{- $object := merge (dict "metadata" (dict "labels" $labels)) (index . 1) }}
---
{{ toYaml $object }}
{{ end }}
