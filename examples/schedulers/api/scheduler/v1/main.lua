-- Groups of services that people set up in the UI: which servers, how many on each, which version, updated in steps.
local api = require 'stellwerk/api'
local explain = require 'stellwerk/explain'
local func = require 'func'
local json = require 'json'
local metrics = require 'stellwerk/metrics'
local nodes = require 'stellwerk/nodes'
local toolbox = require 'stellwerk/toolbox'
local version = require 'version'

local rules = {
  ['shop.errors'] = {
    series = { source = 'Fine', condition = { 'And', { 'Eq', 'group', 'shop' }, { 'Eq', 'metric', 'errors' } } },
    extract = { 'HistoryByNum', 6 },
    functions = { { 'NonNegativeDerivative' }, { 'Sum', 'Ignore' } },
  },
}

local function scheduler(input)
  local runtime = input.runtime.shop or {}
  local settings = runtime.settings or error('runtime/shop/settings.yaml is missing', 0)
  local releases = runtime.versions or error('runtime/shop/versions is missing', 0)
  local versions = func.keys(releases)
  table.sort(versions, function(a, b) return version.less(b, a) end)

  local alive = nodes.alive(input)
  local known = { [input.current_host] = true }
  for _, peer in pairs(input.peers) do known[peer.hostname] = true end
  local errors, missing = metrics.sum(input, alive, 'shop.errors', { value = metrics.average })
  if not errors then log.info('no error rate from ' .. table.concat(missing, ', ') .. ': updates wait') end

  local round = {
    role = 'shop', state = toolbox.states(input.parents).shop, now = input.now,
    actions = toolbox.split_actions(input.actions).shop,
    versions = versions, known = known, pipeline = settings.pipeline,
    services = function(name) return releases[name] and releases[name].daemons or {} end,
    verdict = function()
      if errors then return errors < settings.errors_per_second end
      return nil
    end,
    rule = { bad_ms = settings.bad_seconds * 1000, reason = errors and string.format('%.0f errors a second', errors) },
  }
  local state, changes, answers = api.step(round)
  local why = explain.new()
  local daemons = api.place(state, function(name, entry)
    return releases[name] and releases[name].daemons[entry.service]
  end, 'shop', why)

  local role = api.role(state, round)
  role.template, role.title = 'shop', 'Shop'
  role.info = { ['errors a second'] = errors and math.floor(errors * 10 + 0.5) / 10 or 'unknown' }
  local schedule = {
    roles = { shop = role },
    nodes = json.object {},
    state = { shop = state },
    query_metrics = { rules = rules },
    changes = json.array(changes),
    explain = why:result(),
  }
  for host in pairs(known) do
    schedule.nodes[host] = { roles = { shop = { daemons = daemons[host] or json.object {} } } }
  end
  return { schedule = schedule, actions = answers }
end

return { scheduler = scheduler, strict = true }
