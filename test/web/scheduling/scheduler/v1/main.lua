-- A role of each kind that the pages know, and what a careless scheduler might say. For test/web/role-pages.test.ts.
local api = require 'stellwerk/api'
local json = require 'json'
local toolbox = require 'stellwerk/toolbox'

local function answer(id, button, state, now)
  if button.action == 'refuse' then return { error = 'not on a ' .. tostring(button.data and button.data.day) } end
  if button.action == 'silent' then return nil end
  if button.action == 'restart' then
    state.restarts = (state.restarts or 0) + 1
    return { restarted = button.daemon, on = button.host }
  end
  if button.action == 'quick_switch' then
    state.version, state.changed = button.version, now
    return { version = button.version }
  end
  if button.migration_action then return { [button.migration_action] = button.original_version .. '→' .. button.target_version } end
  if button.action == 'shrink' then
    state.shrink, state.changed = id, now
    return { shrink = true }
  end
  return { error = 'unknown action ' .. tostring(button.action) }
end

local function versions(newest)
  local list = json.array {}
  for minor = newest, 1, -1 do list[#list + 1] = 'v1.' .. minor .. '-main' end
  return list
end

local function scheduler(input)
  local states = toolbox.states(input.parents)
  local pressed = toolbox.split_actions(input.actions)
  local hosts = { input.current_host }
  for _, peer in pairs(input.peers) do hosts[#hosts + 1] = peer.hostname end
  table.sort(hosts)
  local known = {}
  for _, host in ipairs(hosts) do known[host] = true end

  local answers, state = {}, {}
  for _, role in ipairs { 'sample', 'django', 'db' } do
    state[role] = states[role] or { changed = 0 }
    for _, action in ipairs(pressed[role] or {}) do answers[action.id] = answer(action.id, action.button, state[role], input.now) end
  end
  state.django.version = state.django.version or 'v1.28-main'
  local round = {
    role = 'shop', state = states.shop, now = input.now, actions = pressed.shop, known = known,
    versions = { 'v1.1', 'v1.0' }, pipeline = input.runtime.shop.pipeline,
    services = function() return { web = true, worker = true } end,
  }
  local changes, shop_answers
  state.shop, changes, shop_answers = api.step(round)
  for id, value in pairs(shop_answers) do answers[id] = value end
  local daemons = api.place(state.shop, function(version, entry) return { image = 'shop-' .. version, config = '/config/' .. entry.service .. '.yaml' } end)

  local roles = {
    shop = api.role(state.shop, round),
    sample = {
      title = 'Sample', badge = '2026', info = { owner = 'Ada', ports = { 80, 443 }, limits = { cpu = 2 } },
      frontend = { kind = 'example', bottom_text = 'Whatever the scheduler wants to say below.' },
      global_actions = {
        { id = 'refuse', title = 'Refuse me', kind = 'danger', data = { day = 'Friday' }, description = 'Is always refused' },
        { id = 'silent', title = 'Say nothing', kind = 'success', icon = '✓' },
        { id = 'shrink', title = 'Shrink', confirm = 'Stop all of {role}?' },
      },
      daemon_actions = { { id = 'restart', title = 'Restart', confirm = 'Restart {daemon} on {host}?' } },
      shortinfo = json.array { json.array { 'num', 'rpm', 9120 } },
    },
    django = { title = 'Django', versions = versions(30), frontend = { kind = 'version' } },
    db = {
      frontend = { kind = 'migration', migration = {
        start_time = 1764000000000, timestamp = 1764000600000, original = '14', target = '16', progress = 0.42, mode = 'paused',
        status_title = 'copying tables', buttons = { { id = 'proceed', title = 'Proceed', kind = 'success' }, { id = 'revert', title = 'Go back to {original}' } },
      } },
    },
    careless = { title = { 'not', 'text' }, frontend = { kind = 'hologram' }, info = 'none', global_actions = { 'press me' }, versions = 7 },
    plain = json.object {},
  }
  local schedule = {
    roles = roles, nodes = json.object {}, state = state, changes = json.array(changes), vars = { template = 'plain' },
    errors = { { role = 'sample', node = hosts[1], text = 'two instances have no place' } },
    warnings = { { role = 'django', text = 'v1.30 is not tested yet' } },
  }
  -- The press itself would explain the loss; the round after it has no excuse.
  local shrunk = state.sample.shrink ~= nil and input.actions[state.sample.shrink] == nil
  for index, host in ipairs(hosts) do
    local sample = json.object {}
    for number = 1, 8 do
      sample[string.format('task-%02d', number)] = { image = 'sample-v3', config = '/config/task.yaml', instances = shrunk and 0 or 2 }
    end
    schedule.nodes[host] = {
      shortinfo = json.array { json.array { 'gauge', 'cpu', index * 4, 4 }, json.array { 'gauge', 'memory', 6, 16 }, json.array { 'sundial', 'x' } },
      roles = {
        sample = { daemons = sample },
        shop = { daemons = daemons[host] or json.object {} },
        django = { daemons = { django = { image = 'django-' .. state.django.version, instances = 3 } } },
        db = json.object {},
        plain = json.object {},
        careless = { template = '../elsewhere' },
      },
    }
  end
  log.info('round of ' .. #hosts .. ' hosts')
  return { schedule = schedule, actions = answers }
end

return { scheduler = scheduler, strict = true }
