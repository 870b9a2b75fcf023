#!/bin/bash
# The guard of usage_day: a reader keeps a day only if the organization's version is the one it began with.
U=$1
keep="select pg_advisory_xact_lock(2, 1); insert into usage_day (organization, day, maximum_counts) select id, '2026-11-20', '[]' from organization where id = 1 and version = 0 on conflict (organization, day) do update set maximum_counts = excluded.maximum_counts returning 'kept'"
reset="delete from usage_day; update organization set version = 0"
write="begin; select pg_advisory_xact_lock(2, 1); update organization set version = version + 1 where id = 1; delete from usage_day where organization = 1; select pg_sleep(1); commit"
echo "writer under way, reader keeps meanwhile:"; psql $U -qc "$reset"
psql $U -qAtc "$write" >/dev/null & sleep 0.4; psql $U -qAtc "begin; $keep; commit"; wait; psql $U -Atc "select count(*)||' kept (must be 0)' from usage_day"
echo "reader keeps and is under way, writer comes:"; psql $U -qc "$reset"
psql $U -qAtc "begin; $keep; select pg_sleep(1); commit" >/dev/null & sleep 0.4; psql $U -qAtc "$write" >/dev/null; wait; psql $U -Atc "select count(*)||' kept (must be 0)' from usage_day"
echo "nobody writes:"; psql $U -qc "$reset"; psql $U -qAtc "begin; $keep; commit"; psql $U -Atc "select count(*)||' kept (must be 1)' from usage_day"
