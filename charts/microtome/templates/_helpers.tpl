{{/* The operator's name is also what it calls itself in objects (microtome_api::names::MANAGER); one release a cluster. */}}
{{- define "microtome.name" -}}microtome-operator{{- end -}}

{{- define "microtome.labels" -}}
app.kubernetes.io/name: microtome
app.kubernetes.io/component: operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "microtome.selector" -}}
app.kubernetes.io/name: microtome
app.kubernetes.io/component: operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "microtome.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- /* What the operator reads as its configuration file; it refuses what it does not know. */ -}}
{{- define "microtome.config" -}}
{{- pick .Values "pools" "provisioningTimeoutSeconds" "headLossSeconds" "fairShare" | toYaml }}
{{- end }}
