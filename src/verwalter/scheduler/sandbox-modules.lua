-- The modules that are always there (spec/verwalter.md 3.5): json, func, version, inspect, repr. Run once by sandbox.lua,
-- which gives what it has itself, before the scheduler is loaded.
local given = ...
local store_of, sorted_keys, none = given.store_of, given.sorted_keys, given.none
local host_marks, host_encode, host_decode = given.host_marks, given.host_encode, given.host_decode
-- Lua's own, which look behind __metatable.
local raw_next, raw_getmetatable, debug_setmetatable = given.next, given.getmetatable, given.setmetatable

local raw_type, raw_format, raw_setmetatable, raw_error = type, string.format, setmetatable, error
local plain_getmetatable = getmetatable
local raw_concat, raw_rawlen, math_type = table.concat, rawlen, math.type
local gsub, gmatch, match = string.gsub, string.gmatch, string.match
local ipairs, math, tostring = ipairs, math, tostring

-- json -------------------------------------------------------------------------------------------------------------------
local function mark(name) return { __name = name } end
local json = {}
json.null = raw_setmetatable({}, {
  __name = 'json.null',
  __metatable = 'json.null',
  __tostring = function() return 'null' end,
  __newindex = function() raw_error('json.null cannot be changed', 2) end,
})
local array_mark, object_mark, read_array = mark('json.array'), mark('json.object'), mark('table')
host_marks(json.null, array_mark, object_mark, read_array)
local function marked(name, meta)
  return function(t)
    if t == nil then t = {} end
    if raw_type(t) ~= 'table' then raw_error("bad argument #1 to '" .. name .. "' (table expected, got " .. raw_type(t) .. ')', 2) end
    if store_of(t) or t == json.null then raw_error(name .. ': the table is read-only', 2) end
    return debug_setmetatable(t, meta)
  end
end
json.array = marked('json.array', array_mark)
json.object = marked('json.object', object_mark)
function json.encode(value) return host_encode(value, 'json.encode: value') end
function json.decode(text)
  if raw_type(text) ~= 'string' then raw_error("bad argument #1 to 'json.decode' (string expected, got " .. raw_type(text) .. ')', 2) end
  return host_decode(text, json.null, read_array)
end

-- The marks are no metatables of the scheduler's: it sees none, and may set its own in their place.
local marks = { [array_mark] = true, [object_mark] = true, [read_array] = true }
function getmetatable(value)
  local meta = raw_getmetatable(value)
  if meta == nil or marks[meta] then return nil end
  return plain_getmetatable(value)
end
function setmetatable(t, meta)
  local own = raw_type(t) == 'table' and raw_getmetatable(t)
  if own and marks[own] and (meta == nil or raw_type(meta) == 'table') then return debug_setmetatable(t, meta) end
  return raw_setmetatable(t, meta)
end

-- func, version, inspect, repr -------------------------------------------------------------------------------------------
local func = {}
function func.map(t, f)
  local out = {}
  for i = 1, #t do out[i] = f(t[i], i) end
  return out
end
function func.filter(t, f)
  local out = {}
  for i = 1, #t do if f(t[i], i) then out[#out + 1] = t[i] end end
  return out
end
function func.fold(t, start, f)
  for i = 1, #t do start = f(start, t[i], i) end
  return start
end
function func.keys(t)
  local keys = sorted_keys(store_of(t) or t)
  return keys == none and {} or keys
end
function func.values(t)
  local out = {}
  for i, key in ipairs(func.keys(t)) do out[i] = t[key] end
  return out
end
func.sorted_pairs = pairs
function func.copy(value)
  if raw_type(value) ~= 'table' or value == json.null then return value end
  value = store_of(value) or value
  local out = {}
  for key, item in raw_next, value do out[key] = func.copy(item) end
  return raw_setmetatable(out, raw_getmetatable(value))
end

local version = {}
--- Runs of digits as numbers, runs of letters as words; a leading v and everything between are ignored.
local function parts_of(text)
  if raw_type(text) ~= 'string' and raw_type(text) ~= 'number' then
    raw_error('version: a version is a string, not a ' .. raw_type(text), 3)
  end
  local parts = {}
  for digits, letters in gmatch(gsub(text, '^[vV]', ''), '(%d*)(%a*)') do
    if digits ~= '' then parts[#parts + 1] = tonumber(digits) end
    if letters ~= '' then parts[#parts + 1] = letters end
  end
  return parts
end
--- -1, 0 or 1. A number stands above a word, and where one version ends, the longer is the higher.
function version.compare(a, b)
  local x, y = parts_of(a), parts_of(b)
  for i = 1, math.max(#x, #y) do
    local p, q = x[i], y[i]
    if p == nil then return -1 end
    if q == nil then return 1 end
    if p ~= q then
      if raw_type(p) == raw_type(q) then return p < q and -1 or 1 end
      return raw_type(p) == 'number' and 1 or -1
    end
  end
  return 0
end
function version.less(a, b) return version.compare(a, b) < 0 end

local function key_text(key) return raw_type(key) == 'string' and raw_format('%q', key) or tostring(key) end
local function inspect(value, indent, open)
  indent, open = indent or '', open or {}
  if raw_type(value) == 'string' then return raw_format('%q', value) end
  if raw_type(value) ~= 'table' or value == json.null then return tostring(value) end
  if open[value] then return '(cycle)' end
  open[value] = true
  local content, lines = store_of(value) or value, {}
  for _, key in ipairs(sorted_keys(content)) do
    lines[#lines + 1] = indent .. '  [' .. key_text(key) .. '] = ' .. inspect(content[key], indent .. '  ', open)
  end
  open[value] = nil
  if #lines == 0 then return '{}' end
  return '{\n' .. raw_concat(lines, ',\n') .. '\n' .. indent .. '}'
end
--- The same on one line.
local function repr(value, open)
  open = raw_type(open) == 'table' and open or {}
  if raw_type(value) ~= 'table' or value == json.null then return inspect(value) end
  if open[value] then return '(cycle)' end
  open[value] = true
  local content, parts = store_of(value) or value, {}
  local count = raw_rawlen(content)
  for i = 1, count do parts[i] = repr(content[i], open) end
  for _, key in ipairs(sorted_keys(content)) do
    local listed = math_type(key) == 'integer' and key >= 1 and key <= count
    if not listed then
      local plain = raw_type(key) == 'string' and match(key, '^[%a_][%w_]*$')
      parts[#parts + 1] = (plain and key or '[' .. key_text(key) .. ']') .. ' = ' .. repr(content[key], open)
    end
  end
  open[value] = nil
  return '{' .. raw_concat(parts, ', ') .. '}'
end

return json, func, version, inspect, repr, read_array
