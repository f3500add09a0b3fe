-- The Lua side of the scheduler's sandbox (spec/verwalter.md 3.1, 3.5). It runs first in a fresh Lua state, takes away
-- what could make a round impure, and returns one function for the host, which loads main.lua and calls its scheduler.
-- Of the host it gets functions only; no host object is ever reachable from the scheduler.
local host_note, host_marks, host_input, host_encode, host_decode, host_source, load_modules = ...

local raw_next, raw_tostring, raw_type, raw_load, raw_format = next, tostring, type, load, string.format
local raw_rep, raw_setmetatable, raw_sort, raw_rawset = string.rep, setmetatable, table.sort, rawset
local raw_getmetatable = debug.getmetatable
local raw_xpcall, raw_traceback, raw_error, raw_select = xpcall, debug.traceback, error, select
local raw_concat, math_type, tointeger, unpack = table.concat, math.type, math.tointeger, table.unpack
local raw_randomseed, raw_collectgarbage, raw_rawget, raw_rawlen = math.randomseed, collectgarbage, rawget, rawlen
local find, sub, gsub, gmatch, match = string.find, string.sub, string.gsub, string.gmatch, string.match
local ipairs, math, table, coroutine = ipairs, math, table, coroutine
local debug_setmetatable = debug.setmetatable

-- Frozen tables: the table itself stays empty, so that every write meets __newindex. -----------------------------------
local function store_of(t)
  local meta = raw_getmetatable(t)
  return raw_type(meta) == 'table' and raw_rawget(meta, '__frozen') or nil
end
local remember = '; what a round must remember goes into the schedule'
--- Makes `t` and, unless `shallow`, every table within read-only, in place. `what` and `hint` word the error of a write.
local function freeze(t, what, hint, shallow)
  local meta = raw_getmetatable(t)
  if raw_type(meta) == 'table' and raw_rawget(meta, '__metatable') ~= nil then return t end
  local store = {}
  for key, value in raw_next, t do store[key] = value end
  for key in raw_next, store do t[key] = nil end
  raw_setmetatable(store, meta)
  local frozen = {}
  if raw_type(meta) == 'table' then
    for key, value in raw_next, meta do frozen[key] = value end
  end
  frozen.__frozen = store
  frozen.__index = store
  frozen.__len = function() return #store end
  frozen.__newindex = function(_, key)
    raw_error(what .. ' is read-only: ' .. tostring(key) .. ' cannot be set' .. (hint or remember), 2)
  end
  frozen.__metatable = 'read-only'
  raw_setmetatable(t, frozen)
  if shallow then return t end
  for key, value in raw_next, store do
    if raw_type(value) == 'table' then
      local named = raw_type(key) == 'string'
      if not (named and sub(key, 1, 2) == '__') then freeze(value, named and what .. '.' .. key or what) end
    end
  end
  return t
end

-- Order of keys: Lua's own order hangs on how a table came to be. -------------------------------------------------------
-- Integers ascending, strings bytewise, other numbers ascending, false, true, then the rest as it lies in the table.
local none = {}
local function sorted_keys(t)
  local key = raw_next(t)
  if key == nil then return none end
  if raw_next(t, key) == nil then return { key } end
  local integers, strings, floats, others
  local n, s, ascending, no, yes = 0, 0, true, false, false
  while key ~= nil do
    local kind = raw_type(key)
    if kind == 'string' then
      if s == 0 then strings = {} end
      s = s + 1
      strings[s] = key
    elseif kind == 'number' then
      if math_type(key) == 'integer' then
        if n == 0 then integers = {} elseif integers[n] > key then ascending = false end
        n = n + 1
        integers[n] = key
      else
        floats = floats or {}
        floats[#floats + 1] = key
      end
    elseif key == false then no = true
    elseif key == true then yes = true
    else
      others = others or {}
      others[#others + 1] = key
    end
    key = raw_next(t, key)
  end
  if not ascending then raw_sort(integers) end
  if s > 1 then raw_sort(strings) end
  if n == 0 and not (floats or others or no or yes) then return strings end
  local keys = integers or {}
  for i = 1, s do n = n + 1; keys[n] = strings[i] end
  if floats then
    raw_sort(floats)
    for i = 1, #floats do n = n + 1; keys[n] = floats[i] end
  end
  if no then n = n + 1; keys[n] = false end
  if yes then n = n + 1; keys[n] = true end
  if others then
    for i = 1, #others do n = n + 1; keys[n] = others[i] end
  end
  return keys
end

--- Steps through the keys as they were at the start; what was taken away meanwhile is passed over.
local function walk(t, keys)
  local i = 0
  return function()
    local key, value
    repeat
      i = i + 1
      key = keys[i]
      if key == nil then return nil end
      value = raw_rawget(t, key)
    until value ~= nil
    return key, value
  end, t, nil
end

function pairs(t)
  local meta = raw_getmetatable(t)
  if raw_type(meta) == 'table' then
    local store = raw_rawget(meta, '__frozen')
    if store then return walk(store, sorted_keys(store)) end
    local own = raw_rawget(meta, '__pairs')
    if own then return own(t) end
  end
  if raw_type(t) ~= 'table' then raw_error("bad argument #1 to 'pairs' (table expected, got " .. raw_type(t) .. ')', 2) end
  return walk(t, sorted_keys(t))
end

local next_table, next_keys, next_at
function next(t, key)
  if raw_type(t) ~= 'table' then raw_error("bad argument #1 to 'next' (table expected, got " .. raw_type(t) .. ')', 2) end
  t = store_of(t) or t
  if key == nil then
    if raw_next(t) == nil then return nil end
    next_table, next_keys, next_at = t, sorted_keys(t), 0
  elseif next_table ~= t or next_keys[next_at] ~= key then
    next_table, next_keys, next_at = t, sorted_keys(t), nil
    for i, known in ipairs(next_keys) do
      if known == key then next_at = i break end
    end
    if next_at == nil then raw_error("invalid key to 'next'", 2) end
  end
  local value
  repeat
    next_at = next_at + 1
    key = next_keys[next_at]
    if key == nil then next_table = nil return nil end
    value = raw_rawget(t, key)
  until value ~= nil
  return key, value
end

function rawset(t, key, value)
  if raw_type(t) == 'table' and store_of(t) then raw_error('rawset: the table is read-only', 2) end
  return raw_rawset(t, key, value)
end
function rawget(t, key) return raw_rawget(raw_type(t) == 'table' and store_of(t) or t, key) end
function rawlen(t) return raw_rawlen(raw_type(t) == 'table' and store_of(t) or t) end

-- Addresses differ from machine to machine; nobody may see one. ---------------------------------------------------------
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
  return raw_format(pattern, unpack(args, 1, n))
end
local format = string.format

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

-- The debug log ----------------------------------------------------------------------------------------------------------
local function joined(...)
  local parts, n = { ... }, raw_select('#', ...)
  for i = 1, n do parts[i] = tostring(parts[i]) end
  return raw_concat(parts, '\t', 1, n)
end
function print(...) host_note(joined(...)) end
log = {
  debug = function(...) host_note('debug: ' .. joined(...)) end,
  info = function(...) host_note('info: ' .. joined(...)) end,
  warn = function(...) host_note('warning: ' .. joined(...)) end,
}

local json, func, version, inspect, repr, read_array = load_modules {
  next = raw_next, getmetatable = raw_getmetatable, setmetatable = debug_setmetatable,
  store_of = store_of, sorted_keys = sorted_keys, none = none,
  host_marks = host_marks, host_encode = host_encode, host_decode = host_decode,
}

-- require ----------------------------------------------------------------------------------------------------------------
local loaded = {
  json = json, func = func, version = version, inspect = inspect, repr = repr,
  ['version/compare'] = version.compare,
}
local loading, broken = {}, {}
local function module_path(name)
  if raw_type(name) ~= 'string' then raw_error("bad argument #1 to 'require' (string expected, got " .. raw_type(name) .. ')', 3) end
  local path = gsub(gsub(name, '%.lua$', ''), '%.', '/')
  if name == '' or find(name, '..', 1, true) or sub(path, 1, 1) == '/' or find(path, '[^%w_/-]') or find(path, '//', 1, true) then
    raw_error("require '" .. name .. "': a module is named by its path within scheduler/v1, with '/' or '.' between folders", 3)
  end
  return path
end
local function handler(problem)
  if raw_type(problem) == 'table' and raw_rawget(problem, 'stellwerk') then return problem end
  local text = raw_type(problem) == 'string' and problem or ('error object: ' .. inspect(problem))
  return { stellwerk = true, message = text, traceback = raw_traceback('', 2) }
end
local function failed_module(path, message)
  broken[path] = message
  if _VERWALTER_ERRORS then _VERWALTER_ERRORS[#_VERWALTER_ERRORS + 1] = message end
  raw_error(message, 0)
end
function require(name)
  local path = module_path(name)
  local ready = loaded[path]
  if ready ~= nil then return ready end
  if broken[path] then raw_error(broken[path], 0) end
  if loading[path] then raw_error("require '" .. name .. "': the module requires itself", 2) end
  local source, chunk_name = host_source(path .. '.lua')
  if source == nil then
    raw_error("require '" .. name .. "': there is no scheduler/v1/" .. path .. '.lua, and no module of that name comes with Stellwerk', 2)
  end
  local chunk, message = raw_load(source, '@' .. chunk_name, 't')
  if not chunk then failed_module(path, message) end
  loading[path] = true
  local ok, result = raw_xpcall(chunk, handler, name)
  loading[path] = nil
  if not ok then failed_module(path, raw_type(result) == 'table' and result.message or tostring(result)) end
  if result == nil then result = true end
  if raw_type(result) == 'table' then freeze(result, "module '" .. path .. "'") end
  loaded[path] = result
  return result
end
package = { loaded = loaded }

local libraries = { 'string', 'table', 'math', 'utf8', 'coroutine', 'debug', 'log' }
for _, name in ipairs(libraries) do freeze(_G[name], name) end
for _, name in ipairs { 'json', 'func', 'version' } do freeze(loaded[name], "module '" .. name .. "'") end
do
  -- s:find() goes straight to the functions, and nobody changes them through getmetatable('').
  local meta = raw_getmetatable('')
  meta.__index = store_of(string)
  meta.__metatable = 'string'
end

-- A round ----------------------------------------------------------------------------------------------------------------
local where = 'scheduler/v1/main.lua: '
local function load_main()
  local source = host_source('main.lua')
  if source == nil then raw_error('there is no scheduler/v1/main.lua', 0) end
  local chunk, message = raw_load(source, '@scheduler/v1/main.lua', 't')
  if not chunk then raw_error(message, 0) end
  local main = chunk()
  if raw_type(main) ~= 'table' then raw_error(where .. 'must return a table with the function scheduler, returned ' .. raw_type(main), 0) end
  if raw_type(main.scheduler) ~= 'function' then
    if main.schedule then raw_error(where .. "the table has 'schedule'; the function must be named 'scheduler'", 0) end
    raw_error(where .. 'the returned table has no function scheduler', 0)
  end
  return main
end

local globals = _G
local function freeze_globals()
  freeze(_G, 'strict: the global environment', "; write 'local' before it", true)
  globals = store_of(_G)
end

local function call(main, input)
  local results = table.pack(main.scheduler(input))
  local first, second = results[1], results[2]
  if raw_type(first) == 'string' then
    if second ~= nil and raw_type(second) ~= 'string' then
      return 'output', where .. 'the second result must be the log text, not a ' .. raw_type(second)
    end
    if second and second ~= '' then host_note(second) end
    return nil, first
  end
  if raw_type(first) ~= 'table' then
    return 'output', 'invalid return value: scheduler returned ' .. raw_type(first) .. ', not a JSON text or a table'
  end
  local schedule, answers = first.schedule, first.actions
  if raw_type(schedule) ~= 'table' or schedule == json.null then
    return 'output', "invalid return value: the table's field schedule is a " .. raw_type(schedule) .. ', not a table'
  end
  if answers ~= nil and raw_type(answers) ~= 'table' then
    return 'output', "invalid return value: the table's field actions is a " .. raw_type(answers) .. ', not a table'
  end
  if first.log ~= nil then host_note(tostring(first.log)) end
  local done, text, answer_text = raw_xpcall(function()
    return host_encode(schedule, 'schedule', true), host_encode(json.object(func.copy(answers or {})), 'actions', true)
  end, handler)
  if not done then return 'output', 'invalid return value: ' .. (raw_type(text) == 'table' and text.message or tostring(text)) end
  return nil, text, answer_text
end

-- A round is short and its VM is thrown away: garbage is collected when there is nine times as much as remained, or when
-- the limit is met.
raw_collectgarbage('setpause', 900)

--- Returns: kind of failure or nil; JSON text of the schedule, or the failure's message; JSON text of the answers, or the
--- traceback.
return function(strict, with_input, seed)
  raw_randomseed(seed)
  _VERWALTER_ERRORS = {}
  if strict then
    freeze_globals()
  end
  local ok, main = raw_xpcall(load_main, handler)
  if not ok then
    -- Out of memory comes without the handler's table.
    if raw_type(main) == 'string' then return 'load', main end
    return 'load', main.message, main.traceback
  end
  local errors = globals._VERWALTER_ERRORS
  for _, message in ipairs(errors) do log.warn('a module did not load: ' .. message) end
  globals._VERWALTER_ERRORS = nil
  globals._VERWALTER_MAIN = main
  if main.strict and not strict then freeze_globals() end
  freeze(main, 'scheduler/v1/main.lua')
  if not with_input then return nil end
  local input = host_input(json.null, read_array)
  local thread = coroutine.create(function() return raw_xpcall(call, handler, main, input) end)
  local alive, success, kind, text, more = coroutine.resume(thread)
  if not alive then
    local problem = handler(success)
    return 'run', problem.message, problem.traceback
  end
  if coroutine.status(thread) ~= 'dead' then
    return 'run', where .. 'scheduler yielded; it has to return', raw_traceback(thread)
  end
  if not success then
    if raw_type(kind) == 'string' then return 'run', kind end
    return 'run', kind.message, kind.traceback
  end
  return kind, text, more
end
