-- The shipped example, and beside it what the test wants to see: a role that comes and goes, an action that fails.
local healing = require 'healing'

local function scheduler(input)
  local output = healing.scheduler(input)
  local schedule = output.schedule
  for id, action in pairs(input.actions) do
    if action.fail then error('told to fail', 0) end
    if action.ask then output.actions[id] = { asked = action.ask } end
  end
  local notes = input.runtime.notes and input.runtime.notes.on or {}
  for _, host in ipairs(notes.nodes or {}) do
    if schedule.nodes[host] then
      schedule.nodes[host].roles.notes = {
        text = notes.text,
        daemons = { notes = { image = 'app', config = '/config/sleeper.yaml', instances = 1 } },
      }
    end
  end
  schedule.roles.notes = { template = 'notes' }
  return output
end

return { scheduler = scheduler, strict = true }
