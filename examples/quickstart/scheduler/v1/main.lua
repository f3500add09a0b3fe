-- The quickstart's scheduler: the cluster's request rate decides how many `web` and `worker` run.
-- Pure: everything it knows is in `input`, everything it remembers is in the schedule's `state`.
local func = require 'func'
local json = require 'json'
local rate = require 'rate'
local spread = require 'spread'

local processes = { 'web', 'worker' }

--- Id → hostname of the nodes that take part, and their names in order.
local function alive_nodes(input, numbers, nodes)
  local hosts = { [input.current_id] = input.current_host }
  local oldest = input.now - (numbers.peer_timeout_seconds or 15) * 1000
  for id, peer in pairs(input.peers or {}) do
    -- A dead agent is not a dead machine: its containers run on, so nothing is moved before the time is up.
    local heard = peer.last_report_direct and peer.last_report_direct >= oldest
    if heard or peer.liveness == 'alive' then hosts[id] = peer.hostname end
  end
  local names, seen = {}, {}
  for id, name in pairs(hosts) do
    if nodes[name] and not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    elseif not nodes[name] then
      log.warn('node ' .. name .. ' is not in runtime/quickstart/nodes.yaml: it gets nothing to run')
      hosts[id] = nil
    end
  end
  table.sort(names)
  return hosts, names
end

--- Two partitions that meet bring two states: of each part the one that was changed last wins.
local function merged_state(parents)
  local level, load, placement
  for _, parent in ipairs(parents or {}) do
    local state = parent.state or {}
    local function newer(mine, theirs) return theirs and (mine == nil or (theirs.changed or 0) > (mine.changed or 0)) end
    if newer(level, state.level) then level = state.level end
    if newer(load, state.load) then load = state.load end
    if newer(placement, state.placement) then placement = state.placement end
  end
  return func.copy(level), func.copy(load), func.copy(placement)
end

--- Low or high, by the rate; without a rate it stays as it is.
local function decide_level(level, rpm, numbers, now, changes)
  level = level or { name = 'low', changed = 0 }
  if rpm == nil then return level end
  local function switch(name)
    level = { name = name, changed = now }
    changes[#changes + 1] = string.format('%d requests a minute: %s load', math.floor(rpm + 0.5), name)
  end
  if level.name == 'low' then
    if rpm >= numbers.high_rpm then switch('high') end
  elseif rpm >= numbers.low_rpm then
    level.below_since = nil
  else
    level.below_since = level.below_since or now
    if now - level.below_since >= numbers.hold_down_seconds * 1000 then switch('low') end
  end
  return level
end

local function press_buttons(load, actions, numbers, now, changes)
  load = load or { factor = 1, changed = 0 }
  local answers = {}
  for id, action in pairs(actions or {}) do
    local button = type(action) == 'table' and type(action.button) == 'table' and action.button or {}
    local factor
    if button.role == 'load' then
      if button.action == 'double' then factor = math.min(load.factor * numbers.load.factor, numbers.load.max_factor)
      elseif button.action == 'halve' then factor = load.factor / numbers.load.factor
      elseif button.action == 'normal' then factor = 1 end
    end
    if factor == nil then
      answers[id] = { error = 'unknown action' }
    else
      if factor ~= load.factor then
        load = { factor = factor, changed = now, host = load.host }
        changes[#changes + 1] = string.format('load is now %g × normal', factor)
      end
      answers[id] = { factor = load.factor }
    end
  end
  return load, answers
end

--- Counts by node. A node that nobody hears keeps its count: what it runs, it runs on, and it is there on return.
local function place(total, names, previous, process, nodes, changes)
  local counts = spread.even(total, names, previous)
  local moved = false
  for _, name in ipairs(names) do moved = moved or counts[name] ~= (previous[name] or 0) end
  if moved then
    local parts = func.map(names, function(name) return name .. ' ' .. counts[name] end)
    changes[#changes + 1] = string.format('%d %s: %s', total, process, table.concat(parts, ', '))
  end
  for name, count in pairs(previous) do
    if counts[name] == nil and nodes[name] then counts[name] = count end
  end
  return counts, moved
end

--- What an absent node was told last: it must find it unchanged when it comes back, or it would stop everything.
local function kept_roles(parents, name)
  for _, parent in ipairs(parents or {}) do
    local node = (parent.nodes or {})[name]
    if node then return node end
  end
  return nil
end

--- A cluster that has just been set up waits for its nodes, so that the first ones do not start what others will run.
local function settling(input, numbers, nodes, names, since)
  local expected = #func.keys(nodes)
  return since ~= nil and #names < expected and input.now - since < (numbers.settle_seconds or 0) * 1000
end

--- The one load generator stays where it is while its node lives.
local function place_load(load, names, changes)
  for _, name in ipairs(names) do
    if name == load.host then return end
  end
  load.host = names[1]
  if load.host then changes[#changes + 1] = 'the load generator runs on ' .. load.host end
end

--- Where a node's load generator sends: to the router of the node, or to the node's own web instances.
local function target_of(node, web)
  if node.nginx then return { host = node.ip, port = node.router_port, count = 1 } end
  return { host = node.ip, port = node.web_port, count = web }
end

local function daemons_of(name, node, counts, load, numbers)
  local function daemon(process, instances, variables)
    variables.node = name
    return { image = numbers.image, config = numbers.configs[process], instances = instances, variables = variables }
  end
  local target = target_of(node, counts.web[name])
  return {
    web = daemon('web', counts.web[name], { listen_host = node.ip, base_port = node.web_port }),
    worker = daemon('worker', counts.worker[name], {}),
    load = daemon('load', load.host == name and 1 or 0, {
      rate = string.format('%d', math.floor(numbers.load.rate * load.factor)),
      target_host = target.host,
      target_port = target.port,
      target_count = string.format('%d', target.count),
    }),
  }
end

local function upstream_of(names, nodes, counts)
  local servers = json.array {}
  for _, name in ipairs(names) do
    for instance = 0, counts.web[name] - 1 do
      servers[#servers + 1] = { host = nodes[name].ip, port = nodes[name].web_port + instance }
    end
  end
  return servers
end

local function scheduler(input)
  local runtime = input.runtime and input.runtime.quickstart or {}
  local numbers = runtime.numbers or error('runtime/quickstart/numbers.yaml is missing', 0)
  local nodes = runtime.nodes and runtime.nodes.nodes or error('runtime/quickstart/nodes.yaml is missing', 0)
  local changes = json.array {}
  local hosts, names = alive_nodes(input, numbers, nodes)
  local level, load, placement = merged_state(input.parents)
  -- Set while nothing was ever placed.
  local since = nil
  if placement == nil or placement.changed == 0 then since = placement and placement.since or input.now end
  placement = placement or { web = {}, worker = {}, changed = 0 }

  local runs_web = {}
  for name, count in pairs(placement.web) do runs_web[name] = count > 0 end
  local rpm, missing = rate.per_minute(input, hosts, runs_web)
  if #missing > 0 then log.info('no request rate from ' .. table.concat(missing, ', ')) end
  log.debug('requests a minute: ' .. (rpm and math.floor(rpm + 0.5) or 'unknown'))

  level = decide_level(level, rpm, numbers, input.now, changes)
  local answers
  load, answers = press_buttons(load, input.actions, numbers, input.now, changes)
  local waiting = settling(input, numbers, nodes, names, since)
  if waiting then log.info('waiting for the other nodes') else place_load(load, names, changes) end

  local counts, any_moved = {}, false
  for _, process in ipairs(processes) do
    local moved
    local total = waiting and 0 or numbers[level.name][process]
    counts[process], moved = place(total, names, placement[process], process, nodes, changes)
    any_moved = any_moved or moved
  end

  local schedule = {
    vars = { cluster = 'quickstart' },
    roles = { quickstart = { template = 'quickstart', title = 'Web, workers, load' } },
    nodes = json.object {},
    state = {
      level = level,
      load = load,
      -- For the page, which draws the line.
      quickstart = { threshold_per_minute = numbers.high_rpm },
      placement = {
        web = json.object(counts.web),
        worker = json.object(counts.worker),
        changed = any_moved and input.now or placement.changed,
        since = since,
      },
    },
    query_metrics = { rules = { ['quickstart.requests'] = rate.rule } },
    changes = changes,
  }
  local upstream = upstream_of(names, nodes, counts)
  for _, name in ipairs(names) do
    local node = nodes[name]
    local roles = { quickstart = { daemons = daemons_of(name, node, counts, load, numbers) } }
    if node.nginx then
      roles.router = { listen = node.ip .. ':' .. node.router_port, as_root = node.root or false, upstream = upstream }
    end
    schedule.nodes[name] = { roles = roles }
  end
  for name in pairs(nodes) do
    if schedule.nodes[name] == nil then schedule.nodes[name] = kept_roles(input.parents, name) end
    if schedule.nodes[name] and schedule.nodes[name].roles.router then
      schedule.roles.router = { template = 'router', title = 'nginx' }
    end
  end
  return { schedule = schedule, actions = answers }
end

return { scheduler = scheduler }
