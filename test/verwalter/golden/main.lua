-- Everything in Lua whose result could differ from process to process or from machine to machine.
local json = require 'json'
local inspect = require 'inspect'
local repr = require 'repr'
local pack = require 'stellwerk/pack'
local spread = require 'stellwerk/spread'

local function keys_in_order(objects)
  local a, b, c = {}, function() end, coroutine.create(function() end)
  local name = { [a] = 'table', [b] = 'function', [c] = 'thread' }
  local t = { z = 1, [3] = 1, [-1] = 1, [2.5] = 1, [true] = 1, aa = 1, [false] = 1, [1] = 1, a = 1 }
  if objects then t = { [a] = 1, [b] = 1, [c] = 1 } end
  if objects then for i = 1, 200 do t[{}] = i end end
  local seen, others = {}, 0
  for key, value in pairs(t) do
    if type(key) == 'table' and not name[key] then others = (others * 31 + value) % 1000003
    else seen[#seen + 1] = name[key] or tostring(key) end
  end
  local set = {}
  for i = 1, 500 do set['key' .. i * 7919 % 1009] = true end
  local strings = {}
  for key in pairs(set) do strings[#strings + 1] = key end
  return { seen = seen, others = others, strings = table.concat(strings, ' ') }
end

-- Equal elements end up anywhere: table.sort draws its pivots by the clock where a partition goes badly.
local function sorted_ties()
  local list = {}
  for i = 1, 2000 do list[i] = { rank = i * i % 7, number = i } end
  for i = 1, 1000 do list[#list + 1] = { rank = 0, number = 2000 + i } end
  table.sort(list, function(x, y) return x.rank < y.rank end)
  local sum = 0
  for i, item in ipairs(list) do sum = (sum * 31 + item.number * i) % 1000000007 end
  return sum
end

local function numbers()
  local out = json.array {}
  for _, x in ipairs { 0.1, 1 / 3, 1e21, 1e-7, 123456789012345680000, 5e-324, 1.7976931348623157e308, 2 ^ 53, -0.0, 100.0 } do
    out[#out + 1] = x
    out[#out + 1] = tostring(x)
    out[#out + 1] = string.format('%.14g %a %10.3f', x, x, x % 1000)
  end
  for i = 1, 20 do
    local x = i * 0.7391
    out[#out + 1] = math.sin(x) + math.exp(-x) * math.log(x + 1) + x ^ 0.37 + math.atan(x, 2) + math.fmod(x, 0.3)
  end
  return out
end

local function drawn()
  local out = {}
  for i = 1, 10 do out[i] = math.random(1, 1000000) end
  out[11] = math.random()
  return out
end

local function errors()
  local out = {}
  for i, f in ipairs {
    function() return nil + 1 end,
    function() return ({}).x.y end,
    function() json.decode('{"a":') end,
    function() json.encode { f = print } end,
    function() error({ code = 5 }) end,
    function() return {} < {} end,
    function() require 'nowhere' end,
    function() string.format('%p', {}) end,
    function() json.new = 1 end,
    function() return ('x'):rep(1e10) end,
  } do
    local _, message = pcall(f)
    out[i] = repr(message)
  end
  return out
end

local function garbage()
  local weak = setmetatable({}, { __mode = 'k' })
  local finalised = 0
  for i = 1, 5000 do
    weak[{}] = i
    setmetatable({}, { __gc = function() finalised = (finalised * 31 + i) % 1000003 end })
  end
  local left = 0
  for _ in pairs(weak) do left = left + 1 end
  return { left = left, finalised = finalised, count = collectgarbage('count') }
end

local function placements()
  local nodes, names = {}, {}
  for i = 1, 40 do
    names[i] = 'node' .. i
    nodes[i] = { name = names[i], cpu = 1000 + i * 37 % 500, memory = 2048 + i * 91 % 700, labels = { zone = 'z' .. i % 3 } }
  end
  local tasks = {}
  for i = 1, 12 do tasks[i] = { name = 't' .. i, count = 17, cpu = 40 + i * 13, memory = 64 + i * 29, labels = { zone = { 'z0', 'z1' } } } end
  local placed, unplaced = pack.place { tasks = tasks, nodes = nodes }
  return { placed = placed, unplaced = unplaced, even = spread.place { total = 101, nodes = names } }
end

return {
  strict = true,
  scheduler = function(input)
    print(input, print, inspect { 1, { a = 'b' } }, coroutine.running())
    return {
      schedule = {
        -- Changes with the sandbox itself.
        machine = { garbage = garbage(), traceback = debug.traceback('here'), objects = keys_in_order(true) },
        keys = keys_in_order(), ties = sorted_ties(), numbers = numbers(), drawn = drawn(), errors = errors(),
        placements = placements(), echo = input,
        marks = { json.array {}, json.object {}, json.null, {} }, infinite = 1 / 0,
      },
      actions = { [input.now] = 'seen' },
    }
  end,
}
