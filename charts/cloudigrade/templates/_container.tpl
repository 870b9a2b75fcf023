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
{{- include "cloudigrade.awsNames" . }}
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
{{- end -}}

{{- /* Names of resources in the own account; no credentials. */ -}}
{{- define "cloudigrade.awsNames" -}}
- name: AWS_REGION
  value: {{ required "aws.region: name the region of the queue and the buckets" .Values.aws.region | quote }}
- name: CLOUDIGRADE_TRAIL_BUCKET
  value: {{ required "aws.trailBucket: name the bucket that customers' trails write to" .Values.aws.trailBucket | quote }}
- name: CLOUDIGRADE_QUEUE_URL
  value: {{ required "aws.queueUrl: give the URL of the queue that the trail bucket notifies" .Values.aws.queueUrl | quote }}
- name: CLOUDIGRADE_RESULTS_BUCKET
  value: {{ required "aws.resultsBucket: name the bucket that inspections deliver to" .Values.aws.resultsBucket | quote }}
{{- end -}}

{{- /* The part of a pod's spec that is the same for all pods of the chart. */ -}}
{{- define "cloudigrade.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "cloudigrade.operatorImage" -}}
{{ include "cloudigrade.image" (dict "image" (merge (dict "repository" (required "image.repository: name the operator's image" .Values.image.repository)) .Values.image) "version" .Chart.AppVersion) }}
{{- end -}}

{{- define "cloudigrade.inspectorImage" -}}
{{ include "cloudigrade.image" (dict "image" (merge (dict "repository" (required "houndigrade.image.repository: name the inspector's image" .Values.houndigrade.image.repository)) .Values.houndigrade.image) "version" .Chart.AppVersion) }}
{{- end -}}
