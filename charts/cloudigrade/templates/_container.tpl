{{- /* What Pod Security "restricted" asks of a container, and a file system nobody can write to. */ -}}
{{- define "cloudigrade.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "cloudigrade.databaseEnv" -}}
{{- include "cloudigrade.databaseUrl" (dict "name" "DATABASE_URL" "database" .Values.database) }}
{{- end -}}

{{- /* The URL that the operator itself works with, as the variable `name`. */ -}}
{{- define "cloudigrade.databaseUrl" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ required "database.existingSecret: name the Secret that holds DATABASE_URL" .database.existingSecret }}
      key: {{ .database.key }}
{{- end -}}

{{- define "cloudigrade.awsEnv" -}}
- name: AWS_REGION
  value: {{ required "aws.region: name the region of the queue and the buckets" .Values.aws.region | quote }}
{{- with .Values.aws.endpointUrl }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.aws.existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_ACCESS_KEY_ID}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_SECRET_ACCESS_KEY}}
- name: AWS_SESSION_TOKEN
  valueFrom: {secretKeyRef: {name: {{ . }}, key: AWS_SESSION_TOKEN, optional: true}}
{{- end }}
- name: CLOUDIGRADE_TRAIL_BUCKET
  value: {{ required "aws.trailBucket: name the bucket that customers' trails write to" .Values.aws.trailBucket | quote }}
- name: CLOUDIGRADE_QUEUE_URL
  value: {{ required "aws.queueUrl: give the URL of the queue that the trail bucket notifies" .Values.aws.queueUrl | quote }}
- name: CLOUDIGRADE_RESULTS_BUCKET
  value: {{ required "aws.resultsBucket: name the bucket that inspections deliver to" .Values.aws.resultsBucket | quote }}
{{- end -}}
