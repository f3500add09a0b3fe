-- The quickstart's scheduler: the cluster's request rate decides how many `web` and `worker` run.
-- Pure: everything it knows is in `input`, everything it remembers is in the schedule's `state`.
local explain = require 'stellwerk/explain'
local func = require 'func'
local json = require 'json'
local metrics = require 'stellwerk/metrics'
local nodes = require 'stellwerk/nodes'
local spread = require 'stellwerk/spread'
local threshold = require 'stellwerk/threshold'
local toolbox = require 'stellwerk/toolbox'

local processes = { 'web', 'worker' }
local rules = {
  ['quickstart.requests'] = {
    series = { source = 'Fine', condition = { 'And', { 'Eq', 'metric', 'requests' }, { 'Eq', 'group', 'web' } } },
    extract = { 'HistoryByNum', 6 },
    functions = { { 'NonNegativeDerivative' }, { 'SumBy', 'node', 'Ignore' } },
  },
}

--- Requests a minute of the nodes that run `web`, or nil: a missing number is not zero.
local function requests_a_minute(input, alive, placed)
  local asked = func.filter(alive, function(node) return (placed.web[node.host] or 0) > 0 end)
  local per_second, missing = metrics.sum(input, asked, 'quickstart.requests', {
    value = metrics.average,
    -- Several agents may scan one machine: only the group of the host's own name counts.
    where = function(node) return { node = node.host } end,
  })
  if #missing > 0 then log.info('no request rate from ' .. table.concat(missing, ', ')) end
  return per_second and per_second * 60
end

local load_buttons = {
  { id = 'double', title = 'Double the load', kind = 'primary' },
  { id = 'halve', title = 'Halve the load' },
  { id = 'normal', title = 'Back to normal' },
}

local function press_buttons(load, actions, numbers, now, changes)
  local by_role, others = toolbox.split_actions(actions)
  local answers = {}
  for role, pressed in pairs(by_role) do
    for _, action in ipairs(pressed) do
      local name, factor = action.button.action, nil
      -- From the cluster page, or from the page of the role.
      if role == 'load' or role == 'quickstart' then
        if name == 'double' then factor = math.min(load.factor * numbers.load.factor, numbers.load.max_factor)
        elseif name == 'halve' then factor = load.factor / numbers.load.factor
        elseif name == 'normal' then factor = 1 end
      end
      if factor and factor ~= load.factor then
        load.factor, load.changed = factor, now
        changes[#changes + 1] = string.format('load is now %g × normal', factor)
      end
      answers[action.id] = factor and { factor = factor } or { error = 'unknown action' }
    end
  end
  for _, action in ipairs(others) do answers[action.id] = { error = 'unknown action' } end
  return answers
end

--- Counts by node. A node that nobody hears keeps its count: what it runs, it runs on, and it is there on return.
local function place(total, hosts, previous, process, known, changes, why)
  local counts, report = spread.place { total = total, nodes = hosts, previous = previous, role = 'quickstart', what = process, explain = why }
  local moved = report.started + report.stopped > 0
  if moved then
    local parts = func.map(hosts, function(host) return host .. ' ' .. counts[host] end)
    changes[#changes + 1] = string.format('%d %s: %s', total, process, table.concat(parts, ', '))
  end
  for host, count in pairs(previous) do
    if counts[host] == nil and known[host] then counts[host] = count end
  end
  return counts, moved
end

--- A cluster that has just been set up waits for its nodes, so that the first ones do not start what others will run.
local function settling(input, numbers, known, hosts, since)
  return since ~= nil and #hosts < #func.keys(known) and input.now - since < (numbers.settle_seconds or 0) * 1000
end

--- The one load generator stays where it is while its node lives.
local function place_load(load, hosts, changes)
  for _, host in ipairs(hosts) do
    if host == load.host then return end
  end
  load.host = hosts[1]
  if load.host then changes[#changes + 1] = 'the load generator runs on ' .. load.host end
end

--- Where a node's load generator sends: to the router of the node, or to the node's own web instances.
local function target_of(node, web)
  if node.nginx then return { host = node.ip, port = node.router_port, count = 1 } end
  return { host = node.ip, port = node.web_port, count = web }
end

local function daemons_of(host, node, counts, load, numbers)
  local function daemon(process, instances, variables)
    variables.node = host
    return { image = numbers.image, config = numbers.configs[process], instances = instances, variables = variables }
  end
  local target = target_of(node, counts.web[host])
  return {
    web = daemon('web', counts.web[host], { listen_host = node.ip, base_port = node.web_port }),
    worker = daemon('worker', counts.worker[host], {}),
    load = daemon('load', load.host == host and 1 or 0, {
      rate = string.format('%d', math.floor(numbers.load.rate * load.factor)),
      target_host = target.host,
      target_port = target.port,
      target_count = string.format('%d', target.count),
    }),
  }
end

local function upstream_of(hosts, known, counts)
  local servers = json.array {}
  for _, host in ipairs(hosts) do
    for instance = 0, counts.web[host] - 1 do
      servers[#servers + 1] = { host = known[host].ip, port = known[host].web_port + instance }
    end
  end
  return servers
end

local function scheduler(input)
  local runtime = input.runtime and input.runtime.quickstart or {}
  local numbers = runtime.numbers or error('runtime/quickstart/numbers.yaml is missing', 0)
  local known = runtime.nodes and runtime.nodes.nodes or error('runtime/quickstart/nodes.yaml is missing', 0)
  local changes, why = json.array {}, explain.new()
  -- A dead agent is not a dead machine: its containers run on, so nothing is moved before the time is up.
  local alive, strangers = nodes.alive(input, { timeout_ms = (numbers.peer_timeout_seconds or 15) * 1000, known = known })
  local hosts = nodes.hosts(alive)
  for _, host in ipairs(strangers) do
    log.warn('node ' .. host .. ' is not in runtime/quickstart/nodes.yaml: it gets nothing to run')
  end

  -- Two partitions that meet bring two states: of each part the one that was changed last wins.
  local state = toolbox.states(input.parents)
  local placement = state.placement or { web = {}, worker = {}, changed = 0 }
  local load = state.load or { factor = 1, changed = 0 }
  -- Set while nothing was ever placed.
  local since = nil
  if placement.changed == 0 then since = placement.since or input.now end

  local rpm = requests_a_minute(input, alive, placement)
  log.debug('requests a minute: ' .. (rpm and math.floor(rpm + 0.5) or 'unknown'))
  local level, switched = threshold.step(state.level, rpm, {
    { name = 'low' },
    { name = 'high', up = numbers.high_rpm, down = numbers.low_rpm, hold_ms = numbers.hold_down_seconds * 1000 },
  }, input.now)
  if switched then
    changes[#changes + 1] = string.format('%d requests a minute: %s load', math.floor(rpm + 0.5), level.level)
  end
  local answers = press_buttons(load, input.actions, numbers, input.now, changes)
  local waiting = settling(input, numbers, known, hosts, since)
  if waiting then log.info('waiting for the other nodes') else place_load(load, hosts, changes) end

  local counts, any_moved = {}, false
  for _, process in ipairs(processes) do
    local moved
    local total = waiting and 0 or numbers[level.level][process]
    counts[process], moved = place(total, hosts, placement[process], process, known, changes, why)
    any_moved = any_moved or moved
  end

  local schedule = {
    vars = { cluster = 'quickstart' },
    roles = { quickstart = {
      template = 'quickstart', title = 'Web, workers, load', badge = level.level .. ' load',
      frontend = { kind = 'example' },
      info = { ['load'] = string.format('%g × normal', load.factor), ['high load from'] = numbers.high_rpm .. ' requests a minute' },
      global_actions = load_buttons,
    } },
    nodes = json.object {},
    state = {
      level = level,
      load = load,
      -- For the page, which draws the line.
      quickstart = { threshold_per_minute = numbers.high_rpm },
      placement = {
        web = counts.web,
        worker = counts.worker,
        changed = any_moved and input.now or placement.changed,
        since = since,
      },
    },
    query_metrics = { rules = rules },
    changes = changes,
    explain = why:result(),
  }
  local upstream = upstream_of(hosts, known, counts)
  for _, host in ipairs(hosts) do
    local node = known[host]
    local roles = { quickstart = { daemons = daemons_of(host, node, counts, load, numbers) } }
    if node.nginx then
      roles.router = { listen = node.ip .. ':' .. node.router_port, as_root = node.root or false, upstream = upstream }
    end
    schedule.nodes[host] = { roles = roles }
  end
  for host in pairs(known) do
    -- What an absent node was told last: it must find it unchanged when it comes back, or it would stop everything.
    if schedule.nodes[host] == nil then schedule.nodes[host] = toolbox.last_node(input.parents, host) end
    if schedule.nodes[host] and schedule.nodes[host].roles.router then
      schedule.roles.router = { template = 'router', title = 'nginx' }
    end
  end
  return { schedule = schedule, actions = answers }
end

return { scheduler = scheduler, strict = true }
