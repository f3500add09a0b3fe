--- The conventions of the page's kind `api` (spec 6.4): groups of services on named servers, changed and updated by actions.
-- A group is `{ version, auto_update, services = { NAME = { service, servers, number_per_server, variables } }, update }`;
-- the update is that of stellwerk/rollout.
local func = require 'func'
local json = require 'json'
local rollout = require 'stellwerk/rollout'
local api = {}

--- Where nobody says otherwise: instance by instance, a quarter of them every 15 s.
local usual = { { name = 'restart', forward_mode = 'smooth', forward_time = 60, substeps = 4, percent = 100 } }
--- A slip of the finger must not start a million processes.
local most_per_server = 1000
--- Pipelines of older versions would only make the schedule larger.
local shown_versions = 20

--- A pipeline as stellwerk/rollout wants it: a step that says neither `count` nor `percent` runs the new version everywhere
-- (`time`, `smooth`) or leaves things as they are (`manual`, `ack`).
function api.pipeline(steps)
  local out, percent, count = {}, 0, nil
  for i, step in ipairs(steps) do
    step = func.copy(step)
    if step.count or step.percent then
      percent, count = step.percent, step.count
    elseif step.forward_mode == 'time' or step.forward_mode == 'smooth' then
      percent, count = 100, nil
    end
    step.percent, step.count = percent, count
    out[i] = step
  end
  return out
end

local function name_of(action, key)
  local name = action[key]
  if type(name) == 'string' and #name <= 64 and name:find '^%w[%w_.-]*$' then return name end
  return nil, key .. ' must be a name of letters, digits, dots, dashes, not ' .. tostring(name)
end

local function servers_of(action, known)
  local servers, seen = json.array {}, {}
  if type(action.servers) ~= 'table' then return nil, 'servers must be a list of hostnames' end
  for _, host in ipairs(action.servers) do
    if type(host) ~= 'string' or (known and not known[host]) then return nil, 'there is no server ' .. tostring(host) end
    if not seen[host] then servers[#servers + 1] = host end
    seen[host] = true
  end
  table.sort(servers)
  return servers
end

local function number_of(action)
  local number = math.tointeger(action.number_per_server)
  if number and number >= 0 and number <= most_per_server then return number end
  return nil, 'number_per_server must be a whole number from 0 to ' .. most_per_server
end

local function variables_of(action)
  if action.variables == nil then return json.object {} end
  if type(action.variables) ~= 'table' then return nil, 'variables must be an object' end
  for name, value in pairs(action.variables) do
    if type(name) ~= 'string' or type(value) == 'table' then return nil, 'variables: ' .. tostring(name) .. ' must be a text, a number or a boolean' end
  end
  return json.object(func.copy(action.variables))
end

local function version_of(name, round)
  for _, known in ipairs(round.versions) do if known == name then return name end end
  return nil, 'there is no version ' .. tostring(name)
end

local function entry_of(group, action, key)
  local entry = type(action[key]) == 'string' and group.services[action[key]]
  if entry then return entry end
  return nil, 'group ' .. action.group .. ' has no process ' .. tostring(action[key])
end

--- What changes a group, or the groups; each returns its answer, or nil and what was wrong.
local changes_of = {}
function changes_of.create_group(groups, action, round, say)
  local name, wrong = name_of(action, 'group_name')
  if not name then return nil, wrong end
  if groups[name] then return nil, 'there is a group ' .. name .. ' already' end
  local version
  version, wrong = version_of(action.version or round.versions[1], round)
  if not version then return nil, wrong end
  groups[name] = { version = version, auto_update = false, services = json.object {}, failed = json.object {}, changed = round.now }
  say('group %s is created with version %s', name, version)
  return { group = name }
end
function changes_of.delete_group(groups, action, _, say)
  groups[action.group] = nil
  say('group %s is deleted', action.group)
  return { group = action.group }
end
function changes_of.add_daemon(groups, action, round, say)
  local group = groups[action.group]
  local name, wrong = name_of(action, 'new_name')
  if not name then return nil, wrong end
  if group.services[name] then return nil, 'group ' .. action.group .. ' has a process ' .. name .. ' already' end
  local service, servers, number, variables
  service, wrong = name_of(action, 'service')
  if not service then return nil, wrong end
  if round.services and not round.services(group.version)[service] then return nil, 'version ' .. group.version .. ' has no service ' .. service end
  servers, wrong = servers_of(action, round.known)
  if not servers then return nil, wrong end
  number, wrong = number_of(action)
  if not number then return nil, wrong end
  variables, wrong = variables_of(action)
  if not variables then return nil, wrong end
  group.services[name] = { service = service, servers = servers, number_per_server = number, variables = variables }
  say('%s/%s: %d on each of %d servers', action.group, name, number, #servers)
  return { group = action.group, name = name }
end
function changes_of.delete_daemon(groups, action, _, say)
  local entry, wrong = entry_of(groups[action.group], action, 'name')
  if not entry then return nil, wrong end
  groups[action.group].services[action.name] = nil
  say('%s/%s is deleted', action.group, action.name)
  return { group = action.group, name = action.name }
end
function changes_of.set_servers(groups, action, round, say)
  local entry, wrong = entry_of(groups[action.group], action, 'service')
  if not entry then return nil, wrong end
  local servers
  servers, wrong = servers_of(action, round.known)
  if not servers then return nil, wrong end
  entry.servers = servers
  say('%s/%s: on %s', action.group, action.service, #servers > 0 and table.concat(servers, ', ') or 'no server')
  return { servers = servers }
end
function changes_of.set_number_per_server(groups, action, _, say)
  local entry, wrong = entry_of(groups[action.group], action, 'service')
  if not entry then return nil, wrong end
  local number
  number, wrong = number_of(action)
  if not number then return nil, wrong end
  entry.number_per_server = number
  say('%s/%s: %d on each server', action.group, action.service, number)
  return { number_per_server = number }
end
local function auto_update(on)
  return function(groups, action, _, say)
    groups[action.group].auto_update = on
    say('group %s: automatic update %s', action.group, on and 'on' or 'off')
    return { auto_update = on }
  end
end
changes_of.enable_auto_update, changes_of.disable_auto_update = auto_update(true), auto_update(false)

--- What stellwerk/rollout does with a group.
local updates = { start_update = true, force_version = true, update_action = true }

local function act(groups, action, round, say, later)
  local name = action.action or (action.update_action and 'update_action')
  local change = type(name) == 'string' and changes_of[name]
  if not change and not updates[name] then return nil, 'unknown action ' .. tostring(name) end
  if name ~= 'create_group' and not (type(action.group) == 'string' and groups[action.group]) then return nil, 'there is no group ' .. tostring(action.group) end
  if change then return change(groups, action, round, say) end
  if name ~= 'update_action' then
    local _, wrong = version_of(action.to_version, round)
    if wrong then return nil, wrong end
  end
  return later
end

local function pipeline_of(round, version, name)
  local steps = round.pipeline
  if type(steps) == 'function' then steps = steps(version, name) end
  return api.pipeline(steps or usual)
end

--- One round. `round.state`: what the last returned, or nil; `round.actions` (toolbox.split_actions); `round.now`;
-- `round.versions`: names, newest first; `round.known`: map whose keys are the hostnames that may be servers (nil: any);
-- `round.services`: function of a version → map whose keys are its services (nil: any);
-- `round.pipeline`: list of steps, or function of version and group → list; see api.pipeline and rollout.check;
-- `round.verdict`: function of a group's name → true healthy, false bad, nil unknown (no function: healthy);
-- `round.rule`: of stellwerk/rollout.
-- Returns the state `{ groups, changed }` for the schedule's `state.ROLE`, sentences for `changes`, answers by id of action.
function api.step(round)
  local state = round.state and func.copy(round.state) or { changed = 0 }
  local groups = json.object(state.groups or {})
  state.groups = groups
  local changes, answers, waiting, later = {}, {}, {}, {}
  local function say(text, ...) changes[#changes + 1] = (round.role and round.role .. ': ' or '') .. string.format(text, ...) end
  for _, group in pairs(groups) do group.services = json.object(group.services or {}) end
  for _, pressed in ipairs(round.actions or {}) do
    local action = pressed.button
    local answer, wrong = act(groups, action, round, say, later)
    if answer == later then
      waiting[action.group] = waiting[action.group] or {}
      table.insert(waiting[action.group], { id = pressed.id, button = action })
    else
      answers[pressed.id] = answer or { error = wrong }
    end
  end
  for name, pressed in pairs(waiting) do
    if not groups[name] then
      for _, action in ipairs(pressed) do answers[action.id] = { error = 'group ' .. name .. ' is deleted' } end
    end
  end
  for name, group in pairs(groups) do
    local target = round.versions[1]
    for _, pressed in ipairs(waiting[name] or {}) do target = pressed.button.to_version or target end
    local verdict = true
    if round.verdict then verdict = round.verdict(name) end
    local said, answered
    groups[name], said, answered = rollout.step {
      role = (round.role and round.role .. ' ' or '') .. name, state = group, now = round.now,
      pipeline = pipeline_of(round, target, name), verdict = verdict, rule = round.rule,
      target = round.versions[1], auto = group.auto_update, actions = waiting[name],
    }
    for _, text in ipairs(said) do changes[#changes + 1] = text end
    for id, answer in pairs(answered) do answers[id] = answer end
  end
  if #changes > 0 then state.changed = round.now end
  return state, changes, answers
end

--- Daemons by hostname: `{ HOST = { NAME = { key, instances, variables, … } } }`. While a group is updated, the first of its
-- instances, server by server, run the new version: a daemon `GROUP-PROCESS-VERSION` of their own. `make(version, entry,
-- group, name)` gives the other fields (`image`, `config`), or nil where the version has no such service. `explain` (with
-- `role`): a collector of stellwerk/explain.
function api.place(state, make, role, explain)
  local hosts = json.object {}
  local function put(host, group, name, version, count, entry)
    local daemon = count > 0 and make(version, entry, group, name)
    if not daemon then return end
    daemon = func.copy(daemon)
    daemon.key, daemon.instances, daemon.variables = group .. '/' .. name, count, entry.variables
    hosts[host] = hosts[host] or json.object {}
    hosts[host][group .. '-' .. name .. '-' .. version] = daemon
    if explain then explain:placed(role, host, string.format('%s/%s: %d of version %s, as its servers say', group, name, count, version)) end
  end
  for group_name, group in pairs(state.groups) do
    for name, entry in pairs(group.services) do
      local split = rollout.split(group, #entry.servers * entry.number_per_server)
      local update = group.update
      local new = update and split[update.target_ver] or 0
      for _, host in ipairs(entry.servers) do
        local here = math.min(new, entry.number_per_server)
        new = new - here
        if update then put(host, group_name, name, update.target_ver, here, entry) end
        put(host, group_name, name, group.version, entry.number_per_server - here, entry)
      end
    end
  end
  return hosts
end

--- The fields of `roles.ROLE` that the page needs: `frontend`, `versions`, `version_info`. `round` as for api.step.
function api.role(state, round)
  local versions, info = json.array {}, json.object {}
  for i, version in ipairs(round.versions) do
    versions[i] = version
    if i <= shown_versions then
      local pipelines, services = json.object {}, nil
      for name in pairs(state.groups) do pipelines[name] = json.array(pipeline_of(round, version, name)) end
      if round.services then services = json.array(func.keys(round.services(version))) end
      info[version] = { group_pipelines = pipelines, services = services }
    end
  end
  return { frontend = { kind = 'api' }, versions = versions, version_info = info }
end

return api
