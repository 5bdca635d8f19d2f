-- How Argo CD shows objects of pimpernel.dev. It says what kstatus says, and two things more: a session that waits for its
-- tenant's consent, and a tenant that is Inactive or whose trial is over, are Suspended. A session that has ended is Healthy: it
-- did what it should.
if obj.kind == "ChangeRecord" then
  return {status = "Healthy", message = "On record"}
end
local waiting = {status = "Progressing", message = "Waiting for the operator"}
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration == nil then
  return waiting
end
if obj.metadata.generation ~= nil and status.observedGeneration ~= obj.metadata.generation then
  return waiting
end
local holds = {}
for _, condition in ipairs(status.conditions) do
  if condition.status == "True" then
    holds[condition.type] = condition
  end
end
if holds.Stalled ~= nil then
  return {status = "Degraded", message = holds.Stalled.message}
end
if holds.Reconciling ~= nil then
  if holds.Reconciling.reason == "AwaitingConsent" then
    return {status = "Suspended", message = holds.Reconciling.message}
  end
  return {status = "Progressing", message = holds.Reconciling.message}
end
if holds.Ready == nil then
  return waiting
end
local reason = holds.Ready.reason
if obj.kind == "Tenant" and (reason == "Inactive" or reason == "TrialExpired") then
  return {status = "Suspended", message = holds.Ready.message}
end
return {status = "Healthy", message = holds.Ready.message}
