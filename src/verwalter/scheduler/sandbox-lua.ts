/**
 * The Lua side of the scheduler's sandbox (spec/verwalter.md 3.1, 3.5). It runs first in a fresh Lua state, takes away
 * what could make a round impure, and leaves one function for the host: `run_request(request)`.
 * Everything crosses the border as one JSON text in each direction, so that no host object is ever reachable from Lua.
 */
export const sandboxLua = String.raw`
local raw_next, raw_tostring, raw_type, raw_load, raw_format = next, tostring, type, load, string.format
local raw_rep, raw_getmetatable, raw_setmetatable, raw_sort = string.rep, getmetatable, setmetatable, table.sort
local raw_xpcall, raw_traceback, raw_error, raw_select = xpcall, debug.traceback, error, select
local raw_concat, math_type, utf8_len, tointeger = table.concat, math.type, utf8.len, math.tointeger
local raw_randomseed, raw_collectgarbage, raw_rawget = math.randomseed, collectgarbage, rawget
local find, sub, byte, gsub, char, utf8_char = string.find, string.sub, string.byte, string.gsub, string.char, utf8.char

-- Order of keys: Lua's own order hangs on the seed of its string hash, which differs from process to process.
local function rank(key)
  local kind = math_type(key)
  if kind == 'integer' or kind == 'float' then return 1 end
  kind = raw_type(key)
  if kind == 'string' then return 2 end
  if kind == 'boolean' then return 3 end
  return 4
end
local function before(a, b)
  local ra, rb = rank(a), rank(b)
  if ra ~= rb then return ra < rb end
  if ra <= 2 then return a < b end
  if ra == 3 then return a == false and b == true end
  return false
end
local function sorted_keys(t)
  local keys, others, n, m = {}, {}, 0, 0
  for key in raw_next, t do
    if rank(key) < 4 then n = n + 1; keys[n] = key else m = m + 1; others[m] = key end
  end
  raw_sort(keys, before)
  for i = 1, m do keys[n + i] = others[i] end
  return keys
end

function pairs(t)
  local meta = raw_getmetatable(t)
  local own = raw_type(meta) == 'table' and raw_rawget(meta, '__pairs')
  if own then return own(t) end
  if raw_type(t) ~= 'table' then raw_error("bad argument #1 to 'pairs' (table expected, got " .. raw_type(t) .. ')', 2) end
  local keys, i = sorted_keys(t), 0
  return function()
    repeat
      i = i + 1
      local key = keys[i]
      if key == nil then return nil end
      local value = raw_rawget(t, key)
      if value ~= nil then return key, value end
    until false
  end, t, nil
end

function next(t, key)
  local keys = sorted_keys(t)
  if key == nil then
    local first = keys[1]
    if first == nil then return nil end
    return first, raw_rawget(t, first)
  end
  for i = 1, #keys do
    if keys[i] == key then
      local following = keys[i + 1]
      if following == nil then return nil end
      return following, raw_rawget(t, following)
    end
    if rank(key) < 4 and before(key, keys[i]) then return keys[i], raw_rawget(t, keys[i]) end
  end
  return nil
end

-- Addresses differ from run to run; nobody may see one.
function tostring(value)
  local kind = raw_type(value)
  if kind == 'table' or kind == 'userdata' then
    local meta = raw_getmetatable(value)
    if raw_type(meta) == 'table' then
      if raw_rawget(meta, '__tostring') then return raw_tostring(value) end
      local name = raw_rawget(meta, '__name')
      if raw_type(name) == 'string' then return name end
    end
    return kind
  end
  if kind == 'function' or kind == 'thread' then return kind end
  return raw_tostring(value)
end
local tostring = tostring
function string.format(pattern, ...)
  if raw_type(pattern) == 'string' and find(gsub(pattern, '%%%%', ''), '%%[-+ #0-9.]*p') then
    raw_error("string.format: '%p' shows an address and is not available", 2)
  end
  local n, args = raw_select('#', ...), { ... }
  for i = 1, n do
    local kind = raw_type(args[i])
    if kind == 'table' or kind == 'function' or kind == 'thread' or kind == 'userdata' then args[i] = tostring(args[i]) end
  end
  return raw_format(pattern, table.unpack(args, 1, n))
end

local string_limit = 64 * 1024 * 1024
function string.rep(s, n, separator)
  if raw_type(s) == 'string' and raw_type(n) == 'number' and (#s + #(separator or '')) * n > string_limit then
    raw_error('string.rep: the result would be longer than 64 MiB', 2)
  end
  return raw_rep(s, n, separator)
end
string.dump = nil

function load(chunk, name, mode, env)
  if raw_type(chunk) == 'function' then
    local parts, n = {}, 0
    repeat
      local part = chunk()
      n = n + 1
      parts[n] = part or ''
    until part == nil or part == ''
    chunk = raw_concat(parts)
  end
  if env == nil then return raw_load(chunk, name or '=(load)', 't') end
  return raw_load(chunk, name or '=(load)', 't', env)
end
dofile, loadfile, warn, io, os = nil, nil, nil, nil, nil
function collectgarbage(what)
  if what ~= 'count' then raw_error("collectgarbage: only 'count' is available", 2) end
  return raw_collectgarbage('count')
end
debug = { traceback = raw_traceback }
function math.randomseed(...)
  if raw_select('#', ...) == 0 then raw_error('math.randomseed needs a seed: a round must give the same result again', 2) end
  raw_randomseed(...)
end

-- Debug log: kept to the last 1 MiB.
local log_lines, log_size, log_first = {}, 0, 1
local function note(text)
  log_lines[#log_lines + 1] = text
  log_size = log_size + #text + 1
  while log_size > 1048576 and log_first < #log_lines do
    log_size = log_size - #log_lines[log_first] - 1
    log_lines[log_first] = ''
    log_first = log_first + 1
  end
end
local function joined(...)
  local parts, n = { ... }, raw_select('#', ...)
  for i = 1, n do parts[i] = tostring(parts[i]) end
  return raw_concat(parts, '\t', 1, n)
end
function print(...) note(joined(...)) end
log = {
  debug = function(...) note('debug: ' .. joined(...)) end,
  info = function(...) note('info: ' .. joined(...)) end,
  warn = function(...) note('warning: ' .. joined(...)) end,
}

-- json ---------------------------------------------------------------------------------------------------------------
local json = {}
json.null = raw_setmetatable({}, { __tostring = function() return 'null' end, __name = 'json.null', __newindex = function() raw_error('json.null cannot be changed', 2) end })
local array_mark, object_mark, read_array = { __name = 'json.array' }, { __name = 'json.object' }, { __name = 'table' }
function json.array(t) return raw_setmetatable(t or {}, array_mark) end
function json.object(t) return raw_setmetatable(t or {}, object_mark) end

local escapes = { ['"'] = '\\"', ['\\'] = '\\\\', ['\b'] = '\\b', ['\f'] = '\\f', ['\n'] = '\\n', ['\r'] = '\\r', ['\t'] = '\\t' }
for code = 0, 31 do
  local c = char(code)
  escapes[c] = escapes[c] or raw_format('\\u%04x', code)
end
local function quote(text, where)
  if not utf8_len(text) then raw_error(where .. ': the string is not UTF-8', 0) end
  return '"' .. gsub(text, '[%c"\\]', escapes) .. '"'
end
escapes['\127'] = '\127'

local function encode_value(value, where, out, depth, open)
  local kind = raw_type(value)
  if value == nil or value == json.null then out[#out + 1] = 'null'
  elseif kind == 'boolean' then out[#out + 1] = value and 'true' or 'false'
  elseif kind == 'string' then out[#out + 1] = quote(value, where)
  elseif kind == 'number' then
    if math_type(value) == 'integer' then
      if value > 9007199254740992 or value < -9007199254740992 then raw_error(where .. ': integer beyond 2^53', 0) end
      out[#out + 1] = raw_format('%d', value)
    else
      if value ~= value or value == math.huge or value == -math.huge then raw_error(where .. ': number is not finite', 0) end
      local whole = tointeger(value)
      if whole and whole > -9007199254740992 and whole < 9007199254740992 then out[#out + 1] = raw_format('%d', whole)
      else out[#out + 1] = raw_format('%.17g', value) end
    end
  elseif kind == 'table' then
    if depth > 100 then raw_error(where .. ': nested deeper than 100', 0) end
    if open[value] then raw_error(where .. ': the table contains itself', 0) end
    open[value] = true
    local meta = raw_getmetatable(value)
    local keys = sorted_keys(value)
    local count, is_list = #keys, #keys > 0
    for i = 1, count do if keys[i] ~= i then is_list = false break end end
    if count == 0 and (meta == array_mark or meta == read_array) then is_list = true end
    if meta == array_mark and not is_list then raw_error(where .. ': json.array with a key that is not 1..n', 0) end
    if meta == object_mark then is_list = false end
    if is_list then
      out[#out + 1] = '['
      for i = 1, count do
        if i > 1 then out[#out + 1] = ',' end
        encode_value(raw_rawget(value, i), where .. '[' .. i .. ']', out, depth + 1, open)
      end
      out[#out + 1] = ']'
    else
      out[#out + 1] = '{'
      local used = {}
      for i = 1, count do
        local key = keys[i]
        local name = key
        if math_type(key) == 'integer' then name = raw_format('%d', key)
        elseif raw_type(key) ~= 'string' then raw_error(where .. ': a key is a ' .. raw_type(key) .. ', not a string', 0) end
        if used[name] then raw_error(where .. '.' .. name .. ': the key is there as number and as string', 0) end
        used[name] = true
        if i > 1 then out[#out + 1] = ',' end
        out[#out + 1] = quote(name, where) .. ':'
        encode_value(raw_rawget(value, key), where .. '.' .. name, out, depth + 1, open)
      end
      out[#out + 1] = '}'
    end
    open[value] = nil
  else
    raw_error(where .. ': a ' .. kind .. ' cannot be written as JSON', 0)
  end
end
function json.encode(value)
  local out = {}
  encode_value(value, '$', out, 0, {})
  return raw_concat(out)
end

local plain = { ['"'] = '"', ['\\'] = '\\', ['/'] = '/', b = '\b', f = '\f', n = '\n', r = '\r', t = '\t' }
local function decode_error(text, at, message)
  local _, line = gsub(sub(text, 1, at - 1), '\n', '\n')
  raw_error('json.decode: ' .. message .. ' at byte ' .. at .. ', line ' .. (line + 1), 0)
end
local decode_value
local function skip(text, at) return (find(text, '[^ \t\r\n]', at)) or #text + 1 end
local function decode_string(text, at)
  local start = at + 1
  local stop = find(text, '["\\]', start)
  if stop and byte(text, stop) == 34 then return sub(text, start, stop - 1), stop + 1 end
  local parts = {}
  while true do
    stop = find(text, '["\\%c]', start)
    if not stop then decode_error(text, at, 'string without end') end
    parts[#parts + 1] = sub(text, start, stop - 1)
    local c = byte(text, stop)
    if c == 34 then return raw_concat(parts), stop + 1 end
    if c == 127 then parts[#parts + 1] = '\127'; start = stop + 1
    elseif c ~= 92 then decode_error(text, stop, 'control character in a string')
    else
      local e = sub(text, stop + 1, stop + 1)
      if plain[e] then parts[#parts + 1] = plain[e]; start = stop + 2
      elseif e == 'u' then
        local hex = string.match(text, '^%x%x%x%x', stop + 2)
        if not hex then decode_error(text, stop, 'bad escape') end
        local code = tonumber(hex, 16)
        start = stop + 6
        if code >= 0xD800 and code < 0xDC00 then
          local low = string.match(text, '^\\u(%x%x%x%x)', start)
          low = low and tonumber(low, 16)
          if low and low >= 0xDC00 and low < 0xE000 then
            code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00)
            start = start + 6
          else code = 0xFFFD end
        elseif code >= 0xDC00 and code < 0xE000 then code = 0xFFFD end
        parts[#parts + 1] = utf8_char(code)
      else decode_error(text, stop, 'bad escape') end
    end
  end
end
function decode_value(text, at, depth, drop_null)
  if depth > 200 then decode_error(text, at, 'nested deeper than 200') end
  at = skip(text, at)
  local c = byte(text, at)
  if c == 123 then
    local result = {}
    at = skip(text, at + 1)
    if byte(text, at) == 125 then return result, at + 1 end
    while true do
      if byte(text, at) ~= 34 then decode_error(text, at, 'key expected') end
      local key
      key, at = decode_string(text, at)
      at = skip(text, at)
      if byte(text, at) ~= 58 then decode_error(text, at, "':' expected") end
      local value
      value, at = decode_value(text, at + 1, depth + 1, drop_null)
      if value == json.null then value = nil end
      result[key] = value
      at = skip(text, at)
      local d = byte(text, at)
      if d == 125 then return result, at + 1 end
      if d ~= 44 then decode_error(text, at, "',' or '}' expected") end
      at = skip(text, at + 1)
    end
  elseif c == 91 then
    local result, n = raw_setmetatable({}, read_array), 0
    at = skip(text, at + 1)
    if byte(text, at) == 93 then return result, at + 1 end
    while true do
      n = n + 1
      result[n], at = decode_value(text, at, depth + 1, drop_null)
      at = skip(text, at)
      local d = byte(text, at)
      if d == 93 then return result, at + 1 end
      if d ~= 44 then decode_error(text, at, "',' or ']' expected") end
      at = at + 1
    end
  elseif c == 34 then return decode_string(text, at)
  elseif c == 116 and sub(text, at, at + 3) == 'true' then return true, at + 4
  elseif c == 102 and sub(text, at, at + 4) == 'false' then return false, at + 5
  elseif c == 110 and sub(text, at, at + 3) == 'null' then return json.null, at + 4
  end
  local digits = string.match(text, '^-?%d+%.?%d*[eE]?[+-]?%d*', at)
  if not digits then decode_error(text, at, 'value expected') end
  local number = tonumber(digits)
  if not number then decode_error(text, at, 'bad number') end
  local whole = tointeger(number)
  if whole and whole >= -9007199254740992 and whole <= 9007199254740992 then number = whole else number = number + 0.0 end
  return number, at + #digits
end
function json.decode(text)
  if raw_type(text) ~= 'string' then raw_error("bad argument #1 to 'json.decode' (string expected, got " .. raw_type(text) .. ')', 2) end
  local value, at = decode_value(text, 1, 0)
  at = skip(text, at)
  if at <= #text then decode_error(text, at, 'something follows the value') end
  return value
end

-- func, version, repr, inspect -----------------------------------------------------------------------------------------
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
func.keys = sorted_keys
function func.values(t)
  local out = {}
  for i, key in ipairs(sorted_keys(t)) do out[i] = t[key] end
  return out
end
func.sorted_pairs = pairs
function func.copy(value)
  if raw_type(value) ~= 'table' or value == json.null then return value end
  local out = {}
  for key, item in raw_next, value do out[key] = func.copy(item) end
  return raw_setmetatable(out, raw_getmetatable(value))
end

local version = {}
local function parts_of(text)
  local parts = {}
  for part in string.gmatch(gsub(text, '^v', ''), '[%w]+') do parts[#parts + 1] = tointeger(tonumber(part)) or part end
  return parts
end
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

local function inspect(value, indent, open)
  indent, open = indent or '', open or {}
  if raw_type(value) == 'string' then return raw_format('%q', value) end
  if raw_type(value) ~= 'table' or value == json.null then return tostring(value) end
  if open[value] then return '(cycle)' end
  open[value] = true
  local lines = {}
  for _, key in ipairs(sorted_keys(value)) do
    lines[#lines + 1] = indent .. '  [' .. inspect(key) .. '] = ' .. inspect(value[key], indent .. '  ', open)
  end
  open[value] = nil
  if #lines == 0 then return '{}' end
  return '{\n' .. raw_concat(lines, ',\n') .. '\n' .. indent .. '}'
end

-- require --------------------------------------------------------------------------------------------------------------
local sources = {}
local loaded = { json = json, func = func, version = version, inspect = inspect, repr = inspect }
local loading = {}
local function module_path(name)
  if raw_type(name) ~= 'string' then raw_error("bad argument #1 to 'require' (string expected, got " .. raw_type(name) .. ')', 3) end
  local path = gsub(gsub(name, '%.lua$', ''), '%.', '/')
  if name == '' or find(name, '..', 1, true) or sub(path, 1, 1) == '/' or find(path, '[^%w_/-]') or find(path, '//', 1, true) then
    raw_error("require '" .. name .. "': a module is named by its path within scheduler/v1, with '/' or '.' between folders", 3)
  end
  return path
end
function require(name)
  local path = module_path(name)
  local ready = loaded[path]
  if ready ~= nil then return ready end
  if loading[path] then raw_error("require '" .. name .. "': the module requires itself", 2) end
  local source = sources[path .. '.lua']
  if source == nil then raw_error("require '" .. name .. "': there is no scheduler/v1/" .. path .. '.lua', 2) end
  local chunk, message = raw_load(source, '@scheduler/v1/' .. path .. '.lua', 't')
  if not chunk then raw_error(message, 0) end
  loading[path] = true
  local result = chunk(name)
  loading[path] = nil
  if result == nil then result = true end
  loaded[path] = result
  return result
end
package = { loaded = loaded }

local function handler(problem)
  if raw_type(problem) == 'table' and problem.stellwerk then return problem end
  local text = raw_type(problem) == 'string' and problem or ('error object: ' .. inspect(problem))
  return { stellwerk = true, message = text, traceback = raw_traceback('', 2) }
end
local function outcome(fields)
  fields.log = raw_concat(log_lines, '\n', log_first)
  if not utf8_len(fields.log) then fields.log = gsub(fields.log, '[\128-\255]', '?') end
  if fields.message and not utf8_len(fields.message) then fields.message = gsub(fields.message, '[\128-\255]', '?') end
  return json.encode(fields)
end
local function failed(kind, problem)
  -- Out of memory comes without the handler's table.
  if raw_type(problem) == 'string' then problem = { message = problem } end
  return outcome { ok = false, kind = kind, message = problem.message, traceback = problem.traceback }
end

local function load_main()
  local source = sources['main.lua']
  if source == nil then raw_error('there is no scheduler/v1/main.lua', 0) end
  local chunk, message = raw_load(source, '@scheduler/v1/main.lua', 't')
  if not chunk then raw_error(message, 0) end
  local main = chunk()
  if raw_type(main) ~= 'table' then raw_error('scheduler/v1/main.lua: must return a table with the function scheduler, returned ' .. raw_type(main), 0) end
  if raw_type(main.scheduler) ~= 'function' then
    if main.schedule then raw_error("scheduler/v1/main.lua: the table has 'schedule'; the function must be named 'scheduler'", 0) end
    raw_error('scheduler/v1/main.lua: the returned table has no function scheduler', 0)
  end
  return main
end

function run_request(request_text)
  run_request = nil
  local request = json.decode(request_text)
  sources = request.sources
  raw_randomseed(request.seed)
  local ok, main = raw_xpcall(load_main, handler)
  if not ok then return failed('load', main) end
  if request.input == nil then return outcome { ok = true } end
  _VERWALTER_MAIN = main
  local actions = {}
  for id, action in raw_next, request.input.actions or {} do actions[tointeger(tonumber(id)) or id] = action end
  request.input.actions = actions
  local input = request.input
  local thread = coroutine.create(function()
    return raw_xpcall(function() return table.pack(main.scheduler(input)) end, handler)
  end)
  local alive, success, result = coroutine.resume(thread)
  if not alive then return failed('run', handler(success)) end
  if coroutine.status(thread) ~= 'dead' then
    return failed('run', { message = 'scheduler/v1/main.lua: scheduler yielded; it has to return', traceback = raw_traceback(thread) })
  end
  if not success then return failed('run', result) end
  local first, second = result[1], result[2]
  if raw_type(first) == 'string' then
    if second ~= nil and raw_type(second) ~= 'string' then
      return failed('output', { message = 'scheduler/v1/main.lua: the second result must be the log text, not a ' .. raw_type(second) })
    end
    if second and second ~= '' then note(second) end
    return outcome { ok = true, text = first }
  end
  if raw_type(first) ~= 'table' then
    return failed('output', { message = 'invalid return value: scheduler returned ' .. raw_type(first) .. ', not a JSON text or a table' })
  end
  if raw_type(first.schedule) ~= 'table' then
    return failed('output', { message = "invalid return value: the table's field schedule is a " .. raw_type(first.schedule) .. ', not a table' })
  end
  if first.log ~= nil then note(tostring(first.log)) end
  local done, text = raw_xpcall(function() return json.encode(first.schedule) end, handler)
  if not done then return failed('output', { message = 'invalid return value: schedule' .. sub(text.message, 2) }) end
  local answers = json.object {}
  for id, answer in raw_next, first.actions or {} do answers[raw_tostring(id)] = answer end
  local fine, answer_text = raw_xpcall(function() return json.encode(answers) end, handler)
  if not fine then return failed('output', { message = 'invalid return value: actions' .. sub(answer_text.message, 2) }) end
  return outcome { ok = true, text = text, answers = answer_text }
end
`;
