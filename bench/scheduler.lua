-- A scheduler of the size of a large cluster: constraints, health by metrics, placement that stays, one entry a node and role.
local health = require 'stellwerk/health'
local json = require 'json'
local metrics = require 'stellwerk/metrics'
local nodes = require 'stellwerk/nodes'
local pack = require 'stellwerk/pack'

local function scheduler(input)
  local state = input.parents[1] and input.parents[1].state or {}
  local alive = nodes.alive(input)
  local verdicts, requests = {}, 0
  for _, node in ipairs(alive) do
    local errors = metrics.average(metrics.of(input, node.id, 'errors'))
    verdicts[node.host] = health.verdict { running = 10, wanted = 10, errors = errors, threshold = 50 }
    requests = requests + (metrics.average(metrics.of(input, node.id, 'requests')) or 0)
  end
  local bad, limits = health.step {
    nodes = nodes.hosts(alive), verdicts = verdicts, state = state.cluster and state.cluster.health, now = input.now,
  }
  local list, tasks = {}, {}
  for i, node in ipairs(alive) do
    local facts = input.runtime.nodes[node.host]
    list[i] = {
      name = node.host, cpu = facts.cpu, memory = facts.memory, labels = facts.labels, max_instances = limits[node.host],
    }
  end
  for name, role in pairs(input.runtime.roles) do
    tasks[#tasks + 1] = {
      name = name, count = role.count, cpu = role.cpu, memory = role.memory, labels = role.labels,
      max_per_node = role.max_per_node,
    }
  end
  local placed, unplaced = pack.place {
    tasks = tasks, nodes = list, strategy = 'spread', previous = state.cluster and state.cluster.placement,
  }
  local schedule = {
    roles = json.object {}, nodes = json.object {}, changes = json.array {},
    state = { cluster = { placement = placed, health = bad, unplaced = unplaced } },
    query_metrics = { rules = input.runtime.rules or json.object {} },
  }
  for _, node in ipairs(alive) do schedule.nodes[node.host] = { roles = json.object {} } end
  for name, role in pairs(input.runtime.roles) do
    schedule.roles[name] = { template = 'role/v1', title = name }
    for host, count in pairs(placed[name]) do
      schedule.nodes[host].roles[name] = { daemons = { main = {
        image = role.image, config = '/config/main.yaml', instances = count, variables = { host = host, role = name },
      } } }
    end
  end
  return { schedule = schedule }
end

return { scheduler = scheduler, strict = true }
