"""The Lua that runs inside Redis: one partition, one slot, all or nothing.

Redis does not undo a script that fails half-way, so each one finds out whatever
could fail before it changes anything. Keys come through KEYS only (Redis Cluster).
Numbers are compared as the decimal text that `heads` writes, so none is rounded.
"""

from dataclasses import dataclass, field
from hashlib import sha1


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the digest by which EVALSHA names it."""

    source: bytes
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Compute the digest that Redis computes too."""
        object.__setattr__(self, "digest", sha1(self.source, usedforsecurity=False).hexdigest().encode())


# Lua can put at most 8000 values on its stack (LUAI_MAXCSTACK); even, for field-value pairs.
_UNPACKED = b"7000"

# KEYS: head, cells, rollup, journal, a shard for each run of states, of additions, and of deletions.
# ARGV: offset, epoch, shards, number of the next journal entry, runs of states, runs of additions, then runs:
#       head fields, cells, deleted cells, rollup (none or one), journal entry (none, or its number and itself),
#       numbers of the entries that are folded, states, additions and deletions of each shard.
#       A run is its length and so many values.
# Returns 1, {offset, epoch} as found, or 0 if the journal has other entries.
COMMIT = Script(
    b"""
local call = redis.call
local head = KEYS[1]
local held = call('HMGET', head, 'next_offset', 'epoch', 'shards', 'journal')
if not held[1] then return {'-1', '-1'} end
if not held[2] or held[3] ~= ARGV[3] then
  return redis.error_reply('FUNNEL head was written with ' .. tostring(held[3]) .. ' shards')
end
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return {held[1], held[2]} end
if (held[4] or '0') ~= ARGV[4] then return 0 end

-- Everything that could fail is found out here: counts of arguments, types of keys ...
local runs, from, size, at = #KEYS + 2, {}, {}, 7
for i = 1, runs do
  local n = tonumber(ARGV[at])
  if not n then return redis.error_reply('FUNNEL run ' .. i .. ' has no length') end
  from[i], size[i], at = at + 1, n, at + 1 + n
end
if at ~= #ARGV + 1 then return redis.error_reply('FUNNEL ' .. #ARGV .. ' arguments, runs end at ' .. at - 1) end
for i = 2, #KEYS do
  if i ~= 3 then call('HLEN', KEYS[i]) end
end
-- ... and with writes that change nothing: memory, a read-only server, rights.
call('HSET', head, 'epoch', held[2])
call('HDEL', head, '')
if size[4] == 1 then call('SET', KEYS[3], ARGV[from[4]]) end

local function append(key, first, till)
  local actors, states = {}, {}
  for i = first, till, 2 do actors[#actors + 1] = ARGV[i] end
  local held = call('HMGET', key, unpack(actors))
  for i = 1, #actors do
    states[2 * i - 1], states[2 * i] = actors[i], (held[i] or '') .. ARGV[first + 2 * i - 1]
  end
  call('HSET', key, unpack(states))
end
local function write(command, key, run)
  local first, last = from[run], from[run] + size[run] - 1
  while first <= last do
    local till = math.min(first + UNPACKED - 1, last)
    if command == 'append' then append(key, first, till) else call(command, key, unpack(ARGV, first, till)) end
    first = till + 1
  end
end
write('HSET', head, 1)
write('HSET', KEYS[2], 2)
write('HDEL', KEYS[2], 3)
write('HSET', KEYS[4], 5)
write('HDEL', KEYS[4], 6)
local sets, additions = tonumber(ARGV[5]), tonumber(ARGV[6])
for i = 5, 4 + sets do write('HSET', KEYS[i], i + 2) end
for i = 5 + sets, 4 + sets + additions do write('append', KEYS[i], i + 2) end
for i = 5 + sets + additions, #KEYS do write('HDEL', KEYS[i], i + 2) end
return 1
""".replace(b"UNPACKED", _UNPACKED),
)

# Both scripts below have KEYS: head, journal, ...; ARGV: epoch and next entry of the journal that the caller knows, ...
# and return epoch and next entry ('-1' and '0' without a head), the journal's fields (none if it is the known one), ...
_JOURNAL = b"""
local held = redis.call('HMGET', KEYS[1], 'epoch', 'journal')
local found = {held[1] or '-1', held[2] or '0', {}}
if found[1] ~= ARGV[1] or found[2] ~= ARGV[2] then found[3] = redis.call('HGETALL', KEYS[2]) end
"""

# ... KEYS: shards. ARGV: a run of actor keys for each. Returns their states in that order, nil where there is none.
LOAD_STATES = Script(
    _JOURNAL
    + b"""
local n, at = 3, 3
for i = 3, #KEYS do
  local size = tonumber(ARGV[at])
  local first, last = at + 1, at + size
  while first <= last do
    local till = math.min(first + UNPACKED - 1, last)
    local states = redis.call('HMGET', KEYS[i], unpack(ARGV, first, till))
    for j = 1, till - first + 1 do found[n + j] = states[j] end
    n, first = n + till - first + 1, till + 1
  end
  at = last + 1
end
return found
""".replace(b"UNPACKED", _UNPACKED),
)

# ... KEYS: a shard. Returns its fields.
SCAN_SHARD = Script(
    _JOURNAL
    + b"""
found[4] = redis.call('HGETALL', KEYS[3])
return found
"""
)

# KEYS: head, then every other key of the partition. ARGV: head fields.
# Returns 1, 0 if there is a head, or -n if there is none but n of the other keys exist.
CREATE_HEAD = Script(
    b"""
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local left = 0
for first = 2, #KEYS, UNPACKED do
  left = left + redis.call('EXISTS', unpack(KEYS, first, math.min(first + UNPACKED - 1, #KEYS)))
end
if left > 0 then return -left end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
""".replace(b"UNPACKED", _UNPACKED),
)

# KEYS: head. Returns the new epoch, or nil if there is no head.
RAISE_EPOCH = Script(
    b"""
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)
""",
)

# KEYS: a string. ARGV: new value, and the expected one unless the key is expected to be absent.
SWAP = Script(
    b"""
if redis.call('GET', KEYS[1]) ~= (ARGV[2] or false) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
""",
)
