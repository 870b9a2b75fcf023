\set org 1
\timing on
\echo === usage::runs, a day of the organization with 10 000 instances
explain (analyze, buffers, costs off, timing off, summary on)
select run.cloud_account, run.disk, run.billing, run.declaration,
       greatest(run.started_at, lower(span)) as start, nullif(least(run.ended_at, coalesce(upper(span), 'infinity')), 'infinity') as end
  from metered_period join run on run.cloud_account = metered_period.cloud_account
 where organization = :org and span && tstzrange('2026-11-20','2026-11-21') 
   and run.ended_at > '2026-11-20' and run.started_at < '2026-11-21'
   and run.ended_at > lower(span) and run.started_at < coalesce(upper(span), 'infinity');
\echo === the same, 31 days in the middle of the year
explain (analyze, costs off, timing off, summary on)
select run.cloud_account, run.disk, run.billing, run.declaration,
       greatest(run.started_at, lower(span)) as start, nullif(least(run.ended_at, coalesce(upper(span), 'infinity')), 'infinity') as end
  from metered_period join run on run.cloud_account = metered_period.cloud_account
 where organization = :org and span && tstzrange('2026-06-01','2026-07-01') 
   and run.ended_at > '2026-06-01' and run.started_at < '2026-07-01'
   and run.ended_at > lower(span) and run.started_at < coalesce(upper(span), 'infinity');
\echo === usage::runs, a small organization
explain (analyze, costs off, timing off, summary on)
select run.cloud_account, run.disk, greatest(run.started_at, lower(span)) as start
  from metered_period join run on run.cloud_account = metered_period.cloud_account
 where organization = 300 and span && tstzrange('2026-11-20','2026-11-21') 
   and run.ended_at > '2026-11-20' and run.started_at < '2026-11-21';
\echo === verdicts::of, 10 000 pairs: descriptions and tags, then readings (as one lateral query: 306 ms)
explain (analyze, costs off, timing off, summary on)
select u.cloud_account, u.disk, image.disk_id, image.name, image.owner_id, d.architecture, d.windows, image.billing,
       own.cloud_account is not null as own_tag, owned.cloud_account is not null as owner_tag
  from unnest((select array_agg(cloud_account) from disk_use where cloud_account<=10), (select array_agg(disk) from disk_use where cloud_account<=10)) as u (cloud_account, disk)
  join disk d on d.id = u.disk
  join disk image on image.id = coalesce(d.image, d.id)
  left join image_tag own on own.cloud_account = u.cloud_account and own.image_id = image.disk_id and own.tag = 'rhel' and own.present
  left join cloud_account owner on owner.cloud = image.cloud and owner.account_id = image.owner_id
  left join image_tag owned on owned.cloud_account = owner.id and owned.image_id = image.disk_id and owned.tag = 'rhel' and owned.present;
explain (analyze, costs off, timing off, summary on)
select distinct on (r.disk) r.disk, r.reader, rhel, distribution, role, sla, usage, service_type
  from disk_reading r join disk d on d.id = r.disk join cloud_account reader on reader.id = r.reader
 where r.disk = any((select array_agg(disk) from disk_use where cloud_account <= 10)::bigint[]) and r.read_at is not null
   and (reader.own or (reader.cloud, reader.account_id) = (d.cloud, d.owner_id) or r.organization = 1)
 order by r.disk, reader.own desc, (reader.account_id = d.owner_id) desc, r.read_at desc;
\echo === ledger::recipients
explain (analyze, costs off, timing off, summary on)
select a.account_id, a.id, array_agg(lower(span)), array_agg(upper(span)) from cloud_account a join metered_period p on p.cloud_account = a.id
 where cloud = 'aws' and account_id = any(array(select lpad(n::text,12,'0') from generate_series(100,200) n)) group by a.id;
\echo === rounds::due(describe), with 15 000 poisoned
explain (analyze, costs off, timing off, summary on)
with recursive waiting (cloud_account) as (
       (select cloud_account from disk_use where step in ('describe','read') order by cloud_account limit 1)
       union all
       select (select cloud_account from disk_use where step in ('describe','read') and cloud_account > waiting.cloud_account order by cloud_account limit 1)
         from waiting where waiting.cloud_account is not null)
select * from (
  select h.organization, h.cloud_account, due.disk, due.next_at,
         row_number() over (partition by h.organization order by due.next_at, due.disk) as turn
    from waiting join holder h on h.cloud_account = waiting.cloud_account and h.usable and not h.suspended
    cross join lateral (select disk, next_at from disk_use u
         where u.cloud_account = h.cloud_account and step = 'describe' and step in ('describe','read') and next_at <= '2026-11-27'
         order by next_at limit 50) due) t
 order by turn, next_at limit 1000;
\echo === rounds::oldest
explain (analyze, costs off, timing off, summary on)
select step, count(*), min(since) from disk_use where step in ('describe','read') group by step;
\echo === looks::due at rest
explain (analyze, costs off, timing off, summary on)
select h.organization, l.cloud_account, region from region_look l join holder h using (cloud_account)
 where due_at <= now() and h.usable;
\echo === runs::rebuild: events of 20 instances
explain (analyze, buffers, costs off, timing off, summary on)
select instance, event_id, occurred_at, source, power, not_before, witnessed_at, instance_type, vcpus, disk, billing, declaration
  from instance_event where instance = any(array(select generate_series(5000, 5019)::bigint));
\echo === account_status::changed_since
explain (analyze, costs off, timing off, summary on)
select h.namespace, h.name from holder h join cloud_account a on a.id = h.cloud_account where a.changed_at > now() - interval '1 second'
union select h.namespace, h.name from holder h join organization o on o.id = h.organization where o.verdicts_changed_at > now() - interval '1 second';
\echo === finality of an organization
explain (analyze, costs off, timing off, summary on)
select p.cloud_account, l.region, max(w.complete_until), max(l.looked_at) from metered_period p join region_look l using (cloud_account)
  left join log_watermark w using (cloud_account, region) where p.organization = :org and l.refusal is null group by 1,2;
\echo === status counts of an account with 1 000 instances
explain (analyze, costs off, timing off, summary on)
select (select count(*) from instance where cloud_account = 5), (select count(*) from run where cloud_account = 5 and ended_at = 'infinity');
\echo === discovery::instances
explain (analyze, costs off, timing off, summary on)
select i.instance_id, i.region, r.started_at, r.ended_at, r.instance_type, r.vcpus, r.disk, r.billing, r.declaration
  from instance i left join lateral (select * from run where run.instance = i.id order by started_at desc limit 1) r on true
 where i.cloud_account = 5 and i.gone_at is null;
\echo === verdicts::apply: organizations of the users of a disk, and their days
explain (analyze, costs off, timing off, summary on)
select organization, min(first_used_at) from disk_use u join metered_period p using (cloud_account) where u.disk = 40001 and (upper(span) is null or upper(span) > first_used_at) group by 1;
\echo === usage_days::invalidate, 200 spans of 20 accounts: bump, then delete
begin;
insert into usage_day select o, d::date, '[]' from generate_series(1,20) o, generate_series('2026-01-01'::date,'2026-11-26','1 day') d;
create temp table spans as select 1+n%20*10 as account, '2026-11-20'::timestamptz + n*interval '1 minute' as start, case when n%20=0 then 'infinity' else '2026-11-20'::timestamptz + n*interval '1 minute' + interval '1 hour' end as stop from generate_series(1,200) n;
explain (analyze, costs off, timing off, summary on)
with touched as (select distinct organization from unnest((select array_agg(account) from spans), (select array_agg(start) from spans), (select array_agg(stop) from spans)) as span (account, start, stop)
                  join metered_period p on p.cloud_account = account and p.span && tstzrange(start, stop)),
     held as (select id from organization where id in (select organization from touched) order by id for no key update)
update organization set version = version + 1 from held where organization.id = held.id;
explain (analyze, costs off, timing off, summary on)
delete from usage_day using (select distinct organization, greatest(start, lower(p.span)) as start, least(stop, upper(p.span)) as stop
   from unnest((select array_agg(account) from spans), (select array_agg(start) from spans), (select array_agg(stop) from spans)) as span (account, start, stop)
   join metered_period p on p.cloud_account = account and p.span && tstzrange(start, stop)) gone
 where usage_day.organization = gone.organization
   and day between (gone.start at time zone 'UTC')::date and ((gone.stop - interval '1 microsecond') at time zone 'UTC')::date;
rollback;
