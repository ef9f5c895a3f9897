{{- define "user-service.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Of at most 50 characters, so that what is appended to it still fits into a label. A release may be
called my.rel or 1abc; the name of a Service has no dot and begins with a letter.
*/}}
{{- define "user-service.fullname" -}}
{{- $name := include "user-service.name" . }}
{{- $full := printf "%s-%s" .Release.Name $name }}
{{- if .Values.fullnameOverride }}
{{- $full = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- $full = .Release.Name }}
{{- end }}
{{- regexReplaceAll "^([0-9])" ($full | replace "." "-") "r-${1}" | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "user-service.selector" -}}
app.kubernetes.io/name: {{ include "user-service.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | toYaml }}
app.kubernetes.io/component: {{ default "server" .component }}
{{- end }}

{{/* The name of the objects of one Deployment: those of orders have one of their own. */}}
{{- define "user-service.objectName" -}}
{{- include "user-service.fullname" . }}{{ if eq "orders" (default "" .component) }}-orders{{ end }}
{{- end }}

{{/* Where orders ask for users: each pod by itself, since a connection stays with the pod it has found. */}}
{{- define "user-service.userTarget" -}}
{{- $order := .Values.services.order }}
{{- if and .Values.tls.existingSecret (not $order.userTarget) }}
{{- fail "services.order.userTarget: name the users over TLS, such as https://users.example.org:9000, since tls.existingSecret is set and pods have no name in its certificate" }}
{{- end }}
{{- default (printf "dns:///%s-headless.%s:9000" (include "user-service.fullname" .) .Release.Namespace) $order.userTarget }}
{{- end }}

{{/* Pods of orders have the settings of users, and by a name in them would be announced as users. */}}
{{- define "user-service.orderNames" -}}
{{- range $key, $name := dict "name" "REGISTRY_NAME" "go_zero_key" "REGISTRY_GO_ZERO_KEY" "kitex_name" "REGISTRY_KITEX_NAME" }}
{{- $value := dig "registry" $key "" $.Values.config }}
{{- if and $value (ne (include "user-service.registry" $) "off") (not (hasPrefix (printf "${%s:" $name) $value)) }}
{{- fail (printf "config.registry.%s: write ${%s:%s}, since pods of orders have the same settings and another name" $key $name $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The file by which orders prove themselves to users; empty: none. */}}
{{- define "user-service.userCredentials" -}}
{{- $order := .Values.services.order }}
{{- if and $order.userApiKey.existingSecret $order.userTokenAudience }}
{{- fail "services.order.userApiKey and services.order.userTokenAudience: set only one of them, each is what users know orders by" }}
{{- end }}
{{- if $order.userApiKey.existingSecret }}{{ $order.userApiKey.key }}
{{- else if $order.userTokenAudience }}token
{{- end }}
{{- end }}
{{- define "user-service.userCredentialsVolume" -}}
{{- if .userApiKey.existingSecret }}
secret:
  secretName: {{ .userApiKey.existingSecret }}
{{- else }}
projected:
  sources:
    - serviceAccountToken:
        path: token
        audience: {{ .userTokenAudience | quote }}
{{- end }}
{{- end }}

{{- define "user-service.labels" -}}
{{ include "user-service.selector" . }}
{{ include "user-service.commonLabels" . }}
{{- end }}

{{- define "user-service.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "user-service.mysql.selector" -}}
app.kubernetes.io/name: {{ include "user-service.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | toYaml }}
app.kubernetes.io/component: mysql
{{- end }}

{{- define "user-service.image" -}}
{{- $image := .Values.image }}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "user-service.serviceAccountName" -}}
{{- $preset := ternary (include "user-service.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $preset .Values.serviceAccount.name }}
{{- end }}

{{/* The Secret with the DSN, whoever makes it. Two sources of a DSN are a mistake, not a preference. */}}
{{- define "user-service.databaseSecret" -}}
{{- $sources := list }}
{{- if .Values.database.dsn }}{{ $sources = append $sources "database.dsn" }}{{ end }}
{{- if .Values.database.existingSecret }}{{ $sources = append $sources "database.existingSecret" }}{{ end }}
{{- if .Values.mysql.enabled }}{{ $sources = append $sources "mysql.enabled" }}{{ end }}
{{- if gt (len $sources) 1 }}
{{- fail (printf "%s: set only one of them, each names a database" (join " and " $sources)) }}
{{- end }}
{{- default (printf "%s-database" (include "user-service.fullname" .)) .Values.database.existingSecret }}
{{- end }}

{{- define "user-service.databaseKey" -}}
{{- ternary .Values.database.key "dsn" (not (empty .Values.database.existingSecret)) }}
{{- end }}

{{/* The service's settings: what the user gives, and what follows from other values of the chart. */}}
{{- define "user-service.config" -}}
{{- $shutdown := dict "drain_delay" (printf "%ds" (int .Values.shutdown.drainDelaySeconds)) "timeout" (printf "%ds" (int .Values.shutdown.timeoutSeconds)) }}
{{- $server := dict "shutdown" $shutdown }}
{{- if .Values.tls.existingSecret }}
{{- $_ := set $server "tls" (dict "cert_file" "/etc/user-service/tls/tls.crt" "key_file" "/etc/user-service/tls/tls.key") }}
{{- end }}
{{- mergeOverwrite (deepCopy .Values.config) (dict "server" $server) | toYaml }}
{{- end }}

{{/* The registry of the settings; off unless they name one. */}}
{{- define "user-service.registry" -}}
{{- dig "registry" "kind" "off" .Values.config }}
{{- end }}

{{/* Not empty where pods send traces, lines of the log or metrics to a collector. */}}
{{- define "user-service.collector" -}}
{{- .Values.tracing.endpoint }}{{ dig "tracing" "endpoint" "" .Values.config }}
{{- dig "tracing" "jaeger_endpoint" "" .Values.config }}{{ dig "metrics" "push" "endpoint" "" .Values.config }}
{{- end }}

{{/* Not empty where pods ask an issuer of tokens for its keys. */}}
{{- define "user-service.identity" -}}
{{- dig "auth" "jwt" "issuer" "" .Values.config }}{{ dig "auth" "jwt" "jwks_url" "" .Values.config }}
{{- end }}

{{/* Not empty where pods use a Redis, for records or for quotas. */}}
{{- define "user-service.redis" -}}
{{- .Values.cache.existingSecret }}{{ dig "cache" "redis" "" .Values.config }}
{{- .Values.quota.existingSecret }}{{ dig "limits" "quota" "redis" "" .Values.config }}
{{- end }}

{{/* The grace period that fits the service's own: after it the kubelet kills. */}}
{{- define "user-service.gracePeriod" -}}
{{- add .Values.shutdown.drainDelaySeconds .Values.shutdown.timeoutSeconds 5 }}
{{- end }}

{{- define "user-service.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "user-service.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
