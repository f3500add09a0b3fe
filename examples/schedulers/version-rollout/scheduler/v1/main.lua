-- Version rollout: a canary first, then parts, then all; back by itself when errors rise.
local explain = require 'stellwerk/explain'
local func = require 'func'
local json = require 'json'
local metrics = require 'stellwerk/metrics'
local nodes = require 'stellwerk/nodes'
local rollout = require 'stellwerk/rollout'
local spread = require 'stellwerk/spread'
local toolbox = require 'stellwerk/toolbox'
local version = require 'version'

local rules = {
  ['django.errors'] = {
    series = { source = 'Fine', condition = { 'And', { 'Eq', 'group', 'django' }, { 'Eq', 'metric', 'errors' } } },
    extract = { 'HistoryByNum', 6 },
    functions = { { 'NonNegativeDerivative' }, { 'Sum', 'Ignore' } },
  },
}

local version_buttons = {
  { id = 'start_update', title = 'Roll out', kind = 'success', description = 'Step by step, back by itself where errors rise' },
  { id = 'quick_switch', title = 'Switch to', kind = 'danger', confirm = 'Stop what runs and start {version} everywhere at once?' },
}

--- What can be done about an update that is under way; the step keeps a second press from doing more.
local function update_buttons(update)
  local buttons = json.array {}
  if not update then return buttons end
  local function offer(id, title, kind) buttons[#buttons + 1] = { id = id, title = title, kind = kind, data = { step = update.step } } end
  if update.direction == 'forward' then
    offer('proceed', 'Proceed', 'success')
    offer('pause', 'Pause')
    offer('skip', 'Skip ' .. update.step)
  else
    offer('resume', 'Resume', 'success')
  end
  if update.direction ~= 'backward' then offer('revert', 'Revert', 'danger') end
  return buttons
end

local function scheduler(input)
  local runtime = input.runtime.django or {}
  local settings = runtime.settings or error('runtime/django/settings.yaml is missing', 0)
  local versions = func.keys(runtime.versions or error('runtime/django/versions is missing', 0))
  table.sort(versions, version.less)
  local state = toolbox.states(input.parents).django or {}
  local alive = nodes.alive(input)
  local hosts = nodes.hosts(alive)

  local errors, missing = metrics.sum(input, alive, 'django.errors', { value = metrics.average })
  local healthy = nil
  if errors then healthy = errors < settings.errors_per_second
  else log.info('no error rate from ' .. table.concat(missing, ', ') .. ': the rollout waits') end

  local progress, changes, answers = rollout.step {
    role = 'django', state = state.rollout, now = input.now, pipeline = settings.pipeline, verdict = healthy,
    -- A cluster that runs nothing yet begins with the newest.
    version = versions[#versions], target = versions[#versions], auto = settings.auto_update,
    actions = toolbox.split_actions(input.actions).django,
    rule = {
      bad_ms = settings.bad_seconds * 1000,
      reason = errors and string.format('%.0f errors a second', errors),
    },
  }

  local why, placement = explain.new(), json.object {}
  local split = rollout.split(progress, settings.instances)
  for name, total in pairs(split) do
    placement[name] = spread.place {
      total = total, nodes = hosts, previous = (state.placement or {})[name], role = 'django', what = name, explain = why,
    }
  end

  local newest_first = json.array {}
  for i = #versions, 1, -1 do newest_first[#newest_first + 1] = versions[i] end
  local schedule = {
    roles = { django = {
      template = 'django', title = 'Django', versions = newest_first,
      frontend = { kind = 'version', allow_stop = false, version_buttons = version_buttons },
      global_actions = update_buttons(progress.update),
      info = { version = progress.version, target = progress.update and progress.update.target_ver },
    } },
    nodes = json.object {},
    state = { django = { rollout = progress, placement = placement, version = progress.version, changed = progress.changed } },
    query_metrics = { rules = rules },
    changes = json.array(changes),
    explain = why:result(),
  }
  for _, host in ipairs(hosts) do
    local daemons = json.object {}
    for name, counts in pairs(placement) do
      local of = runtime.versions[name] or {}
      daemons['django-' .. name] = { image = of.image, config = of.config, instances = counts[host] }
    end
    schedule.nodes[host] = { roles = { django = { daemons = daemons } } }
  end
  for _, parent in ipairs(input.parents) do
    for host, node in pairs(parent.nodes or {}) do
      if not schedule.nodes[host] then schedule.nodes[host] = node end
    end
  end
  return { schedule = schedule, actions = answers }
end

return { scheduler = scheduler, strict = true }
