-- The day rule: requests a minute decide how many django and celery run.
local explain = require 'stellwerk/explain'
local json = require 'json'
local metrics = require 'stellwerk/metrics'
local nodes = require 'stellwerk/nodes'
local ramp = require 'stellwerk/ramp'
local spread = require 'stellwerk/spread'
local threshold = require 'stellwerk/threshold'
local toolbox = require 'stellwerk/toolbox'

local rules = {
  ['django.rpm'] = {
    series = { source = 'Fine', condition = { 'And', { 'Eq', 'group', 'django' }, { 'Eq', 'metric', 'requests' } } },
    extract = { 'HistoryByNum', 6 },
    functions = { { 'NonNegativeDerivative' }, { 'Sum', 'Ignore' } },
  },
}
local processes = { 'celery', 'django' }

local function total_of(counts)
  local sum = 0
  for _, count in pairs(counts or {}) do sum = sum + count end
  return sum
end

local function scheduler(input)
  local numbers = input.runtime.django and input.runtime.django.numbers or error('runtime/django/numbers.yaml is missing', 0)
  local state = toolbox.states(input.parents).django or {}
  local alive = nodes.alive(input)
  local hosts = nodes.hosts(alive)
  local changes, why = json.array {}, explain.new()

  local per_second, missing = metrics.sum(input, alive, 'django.rpm', { value = metrics.average })
  local rpm = per_second and per_second * 60
  if rpm == nil then log.info('no request rate from ' .. table.concat(missing, ', ') .. ': the level stays') end

  local level, switched = threshold.step(state.level, rpm, {
    { name = 'low' },
    { name = 'high', up = numbers.up, down = numbers.down, hold_ms = numbers.hold_seconds * 1000 },
  }, input.now)
  if switched then changes[#changes + 1] = string.format('%.0f requests a minute: %s load', rpm, level.level) end

  local rates = { up = numbers.start_per_second, down = numbers.stop_per_second }
  local placement, moved = {}, state.placement == nil
  for _, process in ipairs(processes) do
    local wanted = numbers[level.level][process]
    local before = state.placement and state.placement[process]
    -- What is new begins with what is wanted; there is nothing that could be overrun.
    local total = before and ramp.step(total_of(before), wanted, ramp.elapsed(input), rates) or wanted
    local counts, report = spread.place { total = total, nodes = hosts, previous = before, role = 'django', what = process, explain = why }
    if report.started + report.stopped > 0 then
      moved = true
      changes[#changes + 1] = string.format('%d of %d %s: %d started, %d stopped', total, wanted, process, report.started, report.stopped)
    end
    placement[process] = counts
  end

  local schedule = {
    roles = { django = { template = 'django', title = 'Django and Celery' } },
    nodes = json.object {},
    state = { django = { level = level, placement = placement, changed = (moved or switched) and input.now or state.changed } },
    query_metrics = { rules = rules },
    changes = changes,
    explain = why:result(),
  }
  for _, host in ipairs(hosts) do
    local daemons = {}
    for _, process in ipairs(processes) do
      daemons[process] = { image = numbers.image, config = numbers.configs[process], instances = placement[process][host] }
    end
    schedule.nodes[host] = { roles = { django = { daemons = daemons } } }
  end
  -- A node that nobody hears is told what it was told before.
  for _, parent in ipairs(input.parents) do
    for host, node in pairs(parent.nodes or {}) do
      if not schedule.nodes[host] then schedule.nodes[host] = node end
    end
  end
  return { schedule = schedule }
end

return { scheduler = scheduler, strict = true }
