-- Stands in the place of main.lua where a node asks query.lua (spec/verwalter.md 3.8): one call, in a VM of its own.
local json = require 'json'
local where = 'scheduler/v1/query.lua: '

local function ask(input)
  local query = require 'query'
  if type(query) ~= 'table' then error(where .. 'must return a table with functions, returned ' .. type(query), 0) end
  local asked = query[input.call]
  if asked == nil then return { missing = true } end
  if type(asked) ~= 'function' then error(where .. input.call .. ' is a ' .. type(asked) .. ', not a function', 0) end
  if query.init ~= nil then query.init { schedule = input.schedule, hostname = input.hostname } end
  local result = asked(input.arguments)
  if result == nil then result = json.null end
  return { result = result }
end

return { scheduler = function(input) return { schedule = ask(input) } end }
