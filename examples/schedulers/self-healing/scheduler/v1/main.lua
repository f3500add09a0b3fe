-- Self-healing: metrics → schedule → metrics. A node where django fails for a minute gets none for a while.
local explain = require 'stellwerk/explain'
local health = require 'stellwerk/health'
local json = require 'json'
local metrics = require 'stellwerk/metrics'
local nodes = require 'stellwerk/nodes'
local spread = require 'stellwerk/spread'
local toolbox = require 'stellwerk/toolbox'

local rules = {
  -- One series for each container that has a process.
  ['django.running'] = {
    series = {
      source = 'Fine',
      condition = { 'And', { 'And', { 'Eq', 'metric', 'rss' }, { 'Has', 'pid' } }, { 'RegexLike', 'cgroup', 'django' } },
    },
    extract = { 'Tip' },
    functions = { { 'CountBy', 'cgroup', 'Ignore' } },
  },
  ['django.errors'] = {
    series = { source = 'Fine', condition = { 'And', { 'Eq', 'group', 'django' }, { 'Eq', 'metric', 'errors' } } },
    extract = { 'HistoryByNum', 6 },
    functions = { { 'NonNegativeDerivative' }, { 'Sum', 'Ignore' } },
  },
}

--- Hostnames whose button was pressed, and the answers to all buttons.
local function pressed(buttons)
  local hosts, answers = {}, {}
  for _, action in ipairs(buttons or {}) do
    local button = action.button
    if button.action == 'unblacklist' and type(button.host) == 'string' then
      hosts[button.host] = true
      answers[action.id] = { unblacklisted = button.host }
    else
      answers[action.id] = { error = 'unknown action; there is unblacklist with a host' }
    end
  end
  return hosts, answers
end

local function scheduler(input)
  local numbers = input.runtime.django and input.runtime.django.numbers or error('runtime/django/numbers.yaml is missing', 0)
  local state = toolbox.states(input.parents).django or {}
  local alive = nodes.alive(input)
  local hosts = nodes.hosts(alive)
  local unblacklist, answers = pressed(toolbox.split_actions(input.actions).django)

  local verdicts, reasons = {}, {}
  for _, node in ipairs(alive) do
    local wanted = state.placement and state.placement[node.host]
    local running = metrics.count(metrics.of(input, node.id, 'django.running'))
    local errors = metrics.average(metrics.of(input, node.id, 'django.errors'))
    verdicts[node.host] = health.verdict {
      wanted = wanted, running = running, errors = errors, threshold = numbers.errors_per_second,
    }
    if verdicts[node.host] then
      reasons[node.host] = string.format('%d of %d running, %.0f errors a second', running, wanted, errors)
    end
  end
  local bad, limits, changes = health.step {
    role = 'django', nodes = hosts, verdicts = verdicts, reasons = reasons, state = state.health, now = input.now,
    unblacklist = unblacklist,
    rule = { after_ms = numbers.after_seconds * 1000, probation_ms = numbers.pause_seconds * 1000 },
  }

  local why, most = explain.new(), {}
  health.explain(why, 'django', bad)
  for _, host in ipairs(hosts) do most[host] = limits[host] or numbers.max_per_node end
  local counts, report = spread.place {
    total = numbers.instances, nodes = hosts, previous = state.placement, max = most, role = 'django', explain = why,
  }
  if report.started + report.stopped > 0 then
    changes[#changes + 1] = string.format('django: %d started, %d stopped', report.started, report.stopped)
  end

  local schedule = {
    roles = { django = {
      template = 'django', title = 'Django',
      global_actions = json.array {},
      daemon_actions = { { id = 'unblacklist', title = 'Use this node again', kind = 'danger' } },
    } },
    nodes = json.object {},
    state = { django = {
      health = bad, placement = counts,
      changed = (#changes > 0 or state.changed == nil) and input.now or state.changed,
    } },
    query_metrics = { rules = rules },
    changes = json.array(changes),
    errors = json.array {},
    explain = why:result(),
  }
  if report.unplaced > 0 then
    schedule.errors[1] = { role = 'django', text = string.format('%d of %d have no place', report.unplaced, numbers.instances) }
  end
  for _, host in ipairs(hosts) do
    schedule.nodes[host] = { roles = { django = { daemons = {
      django = { image = numbers.image, config = numbers.config, instances = counts[host] },
    } } } }
  end
  for _, parent in ipairs(input.parents) do
    for host, node in pairs(parent.nodes or {}) do
      if not schedule.nodes[host] then schedule.nodes[host] = node end
    end
  end
  return { schedule = schedule, actions = answers }
end

return { scheduler = scheduler, strict = true }
