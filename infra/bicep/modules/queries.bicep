metadata name = 'Queries'
metadata description = 'What is asked of the logs: the rules that wake somebody, and the figures that an operator looks at first.'

var names = loadJsonContent('../../../shared/names.json')

@export()
@description('The rows of one event of ours. Its fields are JSON behind its name (shared/pipeline/events.py), here in f.')
func rowsOf(event string) string =>
  'let fields = (event: string) { AppTraces | where Message startswith strcat(event, " {") | extend f = parse_json(substring(Message, strlen(event) + 1)) }; fields("${event}")'

@export()
@description('One rule for each event that somebody must act on.')
var rules = [
  {
    name: 'message-dead-lettered'
    severity: 1
    says: 'a message could not be processed and is dead-lettered'
    query: '${rowsOf(names.events.messageDeadLettered)} | project TimeGenerated, stage = tostring(f.stage), reason = tostring(f.reason)'
    windowMinutes: 5
    threshold: 0
    dimension: 'stage'
  }
  {
    name: 'denied'
    severity: 1
    says: 'a right is missing, and work waits for it'
    query: '${rowsOf(names.events.denied)} | project TimeGenerated, reason = tostring(f.reason)'
    windowMinutes: 5
    threshold: 0
  }
  {
    name: 'targets-failed'
    severity: 1
    says: 'mail could not be pulled, or not be put back'
    query: '${rowsOf(names.events.chunkChanged)} | where toint(f.failed) > 0 or toint(f.denied) > 0 or toint(f.partly_quarantined) > 0 or toint(f.restore_failed) > 0 | project TimeGenerated, incident = tostring(f.incident_id)'
    windowMinutes: 15
    threshold: 0
    dimension: 'incident'
  }
  {
    name: 'targets-held'
    severity: 2
    says: 'mail was left where it is, and a person has to decide about it'
    query: '${rowsOf(names.events.chunkChanged)} | where toint(f.held) > 0 | project TimeGenerated, incident = tostring(f.incident_id)'
    windowMinutes: 15
    threshold: 0
    dimension: 'incident'
  }
  {
    name: 'plan-waits'
    severity: 2
    says: 'a plan waits for approval: nothing of it is pulled before that'
    query: '${rowsOf(names.events.planWaits)} | project TimeGenerated, incident = tostring(f.incident_id)'
    windowMinutes: 5
    threshold: 0
    dimension: 'incident'
  }
  {
    name: 'backlog'
    severity: 2
    says: 'messages wait longer than five minutes for a stage'
    // A delayed message counts from when it was sent, so one high figure is none; every one in the window is.
    query: '${rowsOf(names.events.queueAge)} | summarize figures = count(), least = min(todouble(f.seconds)) by stage = tostring(f.stage) | where figures > 5 and least > 300'
    windowMinutes: 15
    threshold: 0
    dimension: 'stage'
  }
  {
    name: 'pipeline-silent'
    severity: 1
    says: 'pipeline has not run its timer for a quarter of an hour'
    // Every minute there is one for each stage: none at all means that nobody is there to tell a backlog.
    query: '${rowsOf(names.events.queueAge)} | summarize figures = count() | where figures == 0'
    windowMinutes: 15
    threshold: 0
  }
  {
    name: 'throttled'
    severity: 2
    says: 'work has been waiting for throttled services'
    query: '${rowsOf(names.events.messageRetried)} | where tobool(f.service) | project TimeGenerated, stage = tostring(f.stage)'
    windowMinutes: 30
    threshold: 100
    dimension: 'stage'
  }
  {
    name: 'webhook-refused'
    severity: 2
    says: 'a gateway\'s requests are refused'
    query: '${rowsOf(names.events.problem)} | where tostring(f.function) == "receive_alert" and toint(f.status) < 500 | project TimeGenerated, type = tostring(f.type)'
    windowMinutes: 15
    threshold: 5
    dimension: 'type'
  }
]

@export()
@description('No alert at all: the loss of a feed is silent.')
func quietRule(hours int) object => {
  name: 'no-alerts'
  severity: 2
  says: 'no alert has come in for ${hours} hours'
  query: '${rowsOf(names.events.alertAccepted)} | summarize accepted = count() | where accepted == 0'
  windowMinutes: hours * 60
  threshold: 0
}

@export()
@description('The workbook, from top to bottom.')
var figures = [
  {
    title: 'What needs somebody: dead letters, by stage and reason'
    query: '${rowsOf(names.events.messageDeadLettered)} | summarize messages = count(), newest = max(TimeGenerated) by stage = tostring(f.stage), reason = tostring(f.reason) | order by newest desc'
    shown: 'table'
  }
  {
    title: 'What needs somebody: missing rights'
    query: '${rowsOf(names.events.denied)} | summarize times = count(), newest = max(TimeGenerated) by stage = tostring(f.stage), reason = tostring(f.reason) | order by newest desc'
    shown: 'table'
  }
  {
    // A chunk is told each time that it is settled; only the newest says how it stands.
    title: 'Targets, by incident and state'
    query: '${rowsOf(names.events.chunkChanged)} | summarize arg_max(TimeGenerated, f) by incident = tostring(f.incident_id), chunk = tostring(f.chunk_id) | mv-expand state = bag_keys(f) to typeof(string) | where state !in ("incident_id", "chunk_id") | summarize targets = sum(toint(f[state])), newest = max(TimeGenerated) by incident, state | order by newest desc, incident asc, state asc'
    shown: 'table'
  }
  {
    title: 'Alerts that were accepted, by source'
    query: '${rowsOf(names.events.alertAccepted)} | summarize alerts = sum(toint(f.events)) by source = tostring(f.source), bin(TimeGenerated, 15m)'
    shown: 'timechart'
  }
  {
    title: 'Bodies that could not be read, by source and reason'
    query: '${rowsOf(names.events.alertRejected)} | summarize bodies = count(), newest = max(TimeGenerated) by source = tostring(f.source), reason = tostring(f.reason) | order by newest desc'
    shown: 'table'
  }
  {
    title: 'Messages that were done, by stage'
    query: '${rowsOf(names.events.messageDone)} | summarize messages = count() by stage = tostring(f.stage), bin(TimeGenerated, 5m)'
    shown: 'timechart'
  }
  {
    title: 'Age of the oldest message in seconds, by stage'
    query: '${rowsOf(names.events.queueAge)} | summarize seconds = max(todouble(f.seconds)) by stage = tostring(f.stage), bin(TimeGenerated, 5m)'
    shown: 'timechart'
  }
  {
    title: 'Waits, by stage and reason'
    query: '${rowsOf(names.events.messageRetried)} | summarize waits = count(), longestSeconds = max(todouble(f.seconds)) by stage = tostring(f.stage), reason = tostring(f.reason) | order by waits desc'
    shown: 'table'
  }
  {
    title: 'What callers of the API were told, by problem'
    query: '${rowsOf(names.events.problem)} | summarize answers = count(), newest = max(TimeGenerated) by type = tostring(f.type), status = toint(f.status) | order by answers desc'
    shown: 'table'
  }
  {
    title: 'Executions that failed, by function'
    query: 'AppRequests | where Success == false | summarize failed = count(), newest = max(TimeGenerated) by function = OperationName, app = AppRoleName | order by failed desc'
    shown: 'table'
  }
  {
    title: 'Exceptions, by type'
    query: 'AppExceptions | summarize exceptions = count(), newest = max(TimeGenerated) by type = ExceptionType, where = OuterMethod, app = AppRoleName | order by exceptions desc'
    shown: 'table'
  }
]
