--- Version rollout: steps with shares, gates on health, and the way back.
local func = require 'func'
local hold = require 'stellwerk/hold'
local json = require 'json'
local rollout = {}

local modes = { time = true, smooth = true, manual = true, ack = true }
local reserved = { start = true, done = true, revert_done = true }

--- Checks a pipeline: a list of steps `{ name, forward_mode, count | percent, … }`. Modes: 'time' goes on after
-- `forward_time` s, 'smooth' the same in `substeps` parts, 'manual' at the button proceed, 'ack' when a program says so.
-- `count` or `percent` says how many instances run the new version while the step lasts; after the last step all do.
function rollout.check(pipeline)
  if type(pipeline) ~= 'table' or #pipeline == 0 then error('rollout: a pipeline is a list of steps', 2) end
  local seen = {}
  for i, step in ipairs(pipeline) do
    local name = step.name
    if type(name) ~= 'string' or reserved[name] then error('rollout: step ' .. i .. ': the name is missing or reserved: ' .. tostring(name), 2) end
    if seen[name] then error("rollout: two steps are named '" .. name .. "'", 2) end
    seen[name] = true
    if not modes[step.forward_mode] then error("rollout: step '" .. name .. "': forward_mode is time, smooth, manual or ack, not " .. tostring(step.forward_mode), 2) end
    if (step.count == nil) == (step.percent == nil) then error("rollout: step '" .. name .. "' needs either count or percent", 2) end
    if (step.forward_mode == 'time' or step.forward_mode == 'smooth') and type(step.forward_time) ~= 'number' then
      error("rollout: step '" .. name .. "' needs forward_time in s", 2)
    end
    if step.forward_mode == 'smooth' and not (math.tointeger(step.substeps) and step.substeps >= 1) then
      error("rollout: step '" .. name .. "' needs substeps", 2)
    end
  end
  return pipeline
end

local function at_step(total, step)
  if step == nil then return 0 end
  if step.count then return math.min(step.count, total) end
  -- Any part of an instance is one: a canary of 1 % of 10 runs.
  return math.min(total, math.tointeger(math.ceil(total * step.percent / 100 - 1e-9)))
end

local function index_of(update)
  for i, step in ipairs(update.pipeline) do if step.name == update.step then return i end end
  return nil
end

--- How many of `total` run which version: `{ [VERSION] = count }`, without zeros.
function rollout.split(state, total)
  local update = state.update
  if not update then return { [state.version] = total } end
  local at = index_of(update)
  local new = at_step(total, update.pipeline[at])
  local step = update.pipeline[at]
  if step and step.forward_mode == 'smooth' then
    local from = at_step(total, update.pipeline[at - 1])
    new = from + math.tointeger(math.ceil((new - from) * update.smooth_step / step.substeps - 1e-9))
  end
  local split = {}
  if new > 0 then split[update.target_ver] = new end
  if total - new > 0 then split[update.source_ver] = total - new end
  return split
end

local function enter(update, index, now)
  local step = update.pipeline[index]
  update.step, update.step_ts, update.change_ts = step.name, now, now
  update.smooth_step = step.forward_mode == 'smooth' and 1 or nil
  update.forward_time = step.forward_time
end

local function start(state, target, pipeline, now)
  state.update = {
    source_ver = state.version,
    target_ver = target,
    direction = 'forward',
    pipeline = json.array(func.copy(pipeline)),
    start_ts = now,
  }
  enter(state.update, 1, now)
end

local function finish(state, say)
  say('%s runs everywhere', state.update.target_ver)
  state.version, state.update = state.update.target_ver, nil
end

local function forward(state, now, say)
  local update = state.update
  local at = index_of(update)
  if at == #update.pipeline then return finish(state, say) end
  enter(update, at + 1, now)
  say('%s: step %s', update.target_ver, update.step)
end

local function turn_back(update, now, reason, say)
  update.direction, update.error_message, update.step_ts, update.change_ts = 'backward', reason, now, now
  update.bad = nil
  say('%s: back to %s%s', update.target_ver, update.source_ver, reason and ': ' .. reason or '')
end

local buttons = {}
function buttons.pause(update, now) update.direction, update.change_ts = 'pause', now end
function buttons.resume(update, now)
  update.direction, update.step_ts, update.change_ts = 'forward', now, now
  update.error_message, update.bad = nil, nil
end
function buttons.revert(update, now, say, action) turn_back(update, now, action.error_message or 'by hand', say) end
function buttons.error(update, now, say, action)
  update.direction, update.change_ts = 'error', now
  update.error_message = action.error_message or 'reported by a program'
  say('%s: error: %s', update.target_ver, update.error_message)
end

local function table_of(value) return type(value) == 'table' and value or {} end

--- The forms that a page sends: `{ action, version | to_version }`, `{ action = 'update_action', update_action, step }`, and a
-- plain button of which the id says it all, as `pause`, with the step in its data. Anybody may post anything: what has
-- another type than expected is as good as missing.
local function normal(button)
  local name = button.action
  local to = { to_version = button.to_version or button.version }
  if name == 'start_update' then return { start_update = to } end
  if name == 'force_version' or name == 'quick_switch' then return { force_version = to } end
  if name == nil and button.start_update ~= nil then return { start_update = table_of(button.start_update) } end
  if name == nil and button.force_version ~= nil then return { force_version = table_of(button.force_version) } end
  if name == nil or name == 'update_action' then name = button.update_action end
  local step, message = button.step, button.error_message
  if step == nil then step = table_of(button.data).step end
  return { update_action = name, step = step, error_message = type(message) == 'string' and message or nil }
end

--- What an action of the `api` convention does: `{ update_action, step, error_message }`, `{ start_update = { to_version } }` or
-- `{ force_version = { to_version } }`. Returns its answer.
local function act(state, action, pipeline, now, say)
  action = normal(action)
  if action.force_version then
    if type(action.force_version.to_version) ~= 'string' then return { error = 'force_version needs to_version' } end
    local to = action.force_version.to_version
    -- Who leaves a version by hand does not want it back by itself.
    state.failed[state.update and state.update.target_ver or state.version] = 'left by hand'
    state.failed[state.version], state.failed[to] = 'left by hand', nil
    state.version, state.update = to, nil
    say('%s is forced', state.version)
    return { version = state.version }
  end
  if action.start_update then
    local target = action.start_update.to_version
    if type(target) ~= 'string' then return { error = 'start_update needs to_version' } end
    if state.update then return { error = 'an update to ' .. state.update.target_ver .. ' is under way' } end
    if target == state.version then return { error = target .. ' runs already' } end
    state.failed[target] = nil
    start(state, target, pipeline, now)
    say('%s to %s: step %s', state.version, target, state.update.step)
    return { step = state.update.step }
  end
  local update, name = state.update, action.update_action
  if not update then return { error = 'no update is under way' } end
  if action.step ~= nil and action.step ~= update.step then
    return { error = 'the update is at step ' .. update.step .. ', not ' .. tostring(action.step) }
  end
  local step = update.pipeline[index_of(update)]
  if name == 'skip' or name == 'proceed' or name == 'ack' then
    if update.direction ~= 'forward' then return { error = 'the update does not go forward: ' .. update.direction } end
    local mode = name == 'proceed' and 'manual' or name == 'ack' and 'ack' or step.forward_mode
    if step.forward_mode ~= mode then return { error = 'step ' .. step.name .. ' waits for ' .. step.forward_mode .. ', not for ' .. name } end
    forward(state, now, say)
  elseif buttons[name] then
    buttons[name](update, now, say, action)
  else
    return { error = 'unknown action ' .. tostring(name) }
  end
  return { step = state.update and state.update.step or 'done' }
end

--- By time: forward while healthy, backward without asking.
local function proceed(state, verdict, rule, now, say)
  local update = state.update
  if update.direction == 'backward' then
    if now - update.step_ts < (rule.backward_time or 0) * 1000 then return end
    local at = index_of(update)
    if at > 1 then
      enter(update, at - 1, now)
      -- The whole of the earlier step: there is no hurry to half of it.
      if update.smooth_step then update.smooth_step = update.pipeline[at - 1].substeps end
      return
    end
    state.failed[update.target_ver] = update.error_message or 'reverted'
    state.update = nil
    say('%s runs everywhere again', state.version)
    return
  end
  if update.direction ~= 'forward' then return end
  local is_bad = nil
  if verdict ~= nil then is_bad = not verdict end
  local held
  update.bad, held = hold.step(update.bad, is_bad, now)
  if is_bad and held >= (rule.bad_ms or 30000) then
    local reason = rule.reason or 'its health is bad'
    if rule.auto_revert == false then buttons.error(update, now, say, { error_message = reason })
    else turn_back(update, now, reason, say) end
    return
  end
  -- Unknown is no reason to go on, and none to go back.
  if verdict ~= true then return end
  local step = update.pipeline[index_of(update)]
  local elapsed = now - update.step_ts
  if step.forward_mode == 'time' and elapsed >= step.forward_time * 1000 then
    forward(state, now, say)
  elseif step.forward_mode == 'smooth' and elapsed >= step.forward_time * 1000 / step.substeps then
    if update.smooth_step < step.substeps then
      update.smooth_step, update.step_ts, update.change_ts = update.smooth_step + 1, now, now
    else
      forward(state, now, say)
    end
  end
end

--- One round. `round.state`: what the last returned, or nil; `round.version`: runs where nothing is known yet;
-- `round.target`: version wanted now, with `round.auto` an update to it begins by itself; `round.pipeline`; `round.now`;
-- `round.verdict`: true healthy, false bad, nil unknown; `round.actions`: `{ { id, button } … }` (toolbox.split_actions);
-- `round.rule`: `bad_ms` (30 000: so long bad before it turns back), `backward_time` (s a step on the way back, 0),
-- `auto_revert` (true; false: it stops with an error), `reason` (words for what is bad).
-- Returns the state `{ version, update, failed, changed }` for the schedule's `state` (the `update` has the form of spec 3.3), sentences
-- for `changes`, and answers by id of action.
function rollout.step(round)
  local pipeline, now = rollout.check(round.pipeline), round.now
  local before = round.state
  local state = before and func.copy(before) or { version = round.version, changed = 0 }
  state.failed = json.object(state.failed)
  local changes, answers = {}, {}
  local function say(text, ...) changes[#changes + 1] = (round.role and round.role .. ': ' or '') .. string.format(text, ...) end
  -- A pipeline that was changed under an update no longer says where it is: the update keeps its own.
  if state.update and not index_of(state.update) then state.update = nil end
  for _, action in ipairs(round.actions or {}) do
    answers[action.id] = act(state, action.button, pipeline, now, say)
  end
  if state.update then
    proceed(state, round.verdict, round.rule or {}, now, say)
  elseif round.auto and round.target and round.target ~= state.version and not state.failed[round.target] then
    start(state, round.target, pipeline, now)
    say('%s to %s: step %s', state.version, round.target, state.update.step)
  end
  if #changes > 0 then state.changed = now end
  return state, changes, answers
end

return rollout
