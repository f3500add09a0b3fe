--- Small things that most schedulers need; an example to copy from, as much as a library.
local func = require 'func'
local json = require 'json'
local toolbox = {}

--- Of several parents (two partitions that met) the state of each role that was changed last: `changed` (ms) in it says
-- when; a choice made by default carries 0, so that a person's wins. Copies, which may be written to.
function toolbox.states(parents)
  local states = {}
  for _, parent in ipairs(parents or {}) do
    for role, state in pairs(parent.state or {}) do
      local best = states[role]
      local stamp = type(state) == 'table' and state.changed or 0
      if best == nil or stamp > best.stamp then states[role] = { stamp = stamp, state = state } end
    end
  end
  local out = {}
  for role, found in pairs(states) do out[role] = func.copy(found.state) end
  return out
end

--- Names of the roles that parents hold state for, sorted.
function toolbox.roles(parents) return func.keys(toolbox.states(parents)) end

--- Buttons pressed, by role: `{ ROLE = { { id, button } … } }` in order of arrival; and the other actions, `{ { id, action } … }`.
function toolbox.split_actions(actions)
  local by_role, others = {}, {}
  for id, action in pairs(actions or {}) do
    local button = type(action) == 'table' and action.button
    if type(button) == 'table' and type(button.role) == 'string' then
      by_role[button.role] = by_role[button.role] or {}
      table.insert(by_role[button.role], { id = id, button = button })
    else
      others[#others + 1] = { id = id, action = action }
    end
  end
  return by_role, others
end

--- What a node was told last. A node that nobody hears must find it unchanged when it is back, or it stops everything.
function toolbox.last_node(parents, host)
  for _, parent in ipairs(parents or {}) do
    local node = (parent.nodes or {})[host]
    if node then return node end
  end
  return nil
end

local function is_list(value) return type(value) == 'table' and #value > 0 end

--- Joins outputs of several roles' schedulers, `{ schedule, actions }` each: lists are put end to end, tables are merged,
-- of two plain values at one place the first stays.
function toolbox.merge(outputs)
  local function join(into, from)
    for key, value in pairs(from) do
      local present = into[key]
      if present == nil then into[key] = func.copy(value)
      elseif is_list(present) and is_list(value) then
        for _, item in ipairs(value) do table.insert(present, func.copy(item)) end
      elseif type(present) == 'table' and type(value) == 'table' then join(present, value) end
    end
    return into
  end
  local schedule, answers = json.object {}, {}
  for _, output in ipairs(outputs) do
    join(schedule, output.schedule or {})
    join(answers, output.actions or {})
  end
  return { schedule = schedule, actions = answers }
end

return toolbox
