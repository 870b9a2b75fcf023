-- Constraints with sample rows, on an empty schema: psql -f check.sql
\set ON_ERROR_STOP 0
\set VERBOSITY terse
begin;
insert into organization (org_id) values ('a'), ('b');
insert into cloud_account (account_id) values ('111111111111'), ('222222222222');
\echo '1 periods that meet at one moment: allowed'
insert into metered_period (cloud_account, organization, namespace, name, span) values (1,1,'n','x','[2026-01-01,2026-02-01)'), (1,2,'n','y','[2026-02-01,)'), (2,1,'n','z','[2026-01-01,)');
savepoint s;
\echo '2 overlap, of another org: refused'
insert into metered_period (cloud_account, organization, namespace, name, span) values (1,2,'n','y','[2026-01-31 23:59:59.9,2026-02-01)'); rollback to s;
\echo '3 empty: refused'
insert into metered_period (cloud_account, organization, namespace, name, span) values (1,2,'n','y','[2025-01-31,2025-01-31)'); rollback to s;
\echo '4 closed bound: refused'
insert into metered_period (cloud_account, organization, namespace, name, span) values (1,2,'n','y','[2025-01-31,2025-02-01]'); rollback to s;
\echo '5 without start: refused'
insert into metered_period (cloud_account, organization, namespace, name, span) values (2,2,'n','y','(,2025-02-01)'); rollback to s;
\echo '6 backfill: extending down to the account''s earlier period: refused; without: allowed'
update metered_period set span = tstzrange('2026-01-15', upper(span)) where cloud_account=1 and organization=2; rollback to s;
update metered_period set span = tstzrange('2025-01-15', upper(span)) where cloud_account=2;
\echo '7 take over in mid-second: close and open at the same moment'
update metered_period set span = tstzrange(lower(span), '2026-03-01 10:00:00.5+00') where cloud_account=2;
insert into metered_period (cloud_account, organization, namespace, name, span) values (2,2,'n','q',tstzrange('2026-03-01 10:00:00.5+00',null));
savepoint t;
\echo '8 two holders of an account: refused'
insert into holder (cloud_account, uid, namespace, name, created_at, organization, role_arn) values (1, gen_random_uuid(), 'n','x', now(), 1, 'r');
insert into holder (cloud_account, uid, namespace, name, created_at, organization, role_arn) values (1, gen_random_uuid(), 'n','y', now(), 1, 'r'); rollback to t;
\echo '9 events: look without time refused; the same event twice does nothing; correction replaces, whatever the order'
insert into instance (cloud_account, region, instance_id) values (1,'us-east-1','i-1');
savepoint u;
insert into instance_event (instance, event_id, occurred_at, source, power) values (1, gen_random_uuid(), now(), 'look', 'on'); rollback to u;
create temp view ev as select * from instance_event;
prepare e(uuid, text, uuid) as insert into instance_event as old (instance, event_id, occurred_at, source, power, instance_type, revised_by) values (1, $1, '2026-01-01', 'log', 'on', $2, $3)
 on conflict (instance, event_id) do update set occurred_at=excluded.occurred_at, power=excluded.power, instance_type=excluded.instance_type, revised_by=excluded.revised_by
 where excluded.revised_by is not null and (old.revised_by is null or old.revised_by < excluded.revised_by) returning instance_type;
execute e('00000000-0000-0000-0000-000000000001','m5.large',null);
execute e('00000000-0000-0000-0000-000000000001','m5.large',null);
execute e('00000000-0000-0000-0000-000000000001','m5.xlarge','00000000-0000-0000-0000-000000000009');
execute e('00000000-0000-0000-0000-000000000001','m5.large',null);
select instance_type from instance_event;
\echo '10 runs: zero length refused, infinity ends, bound within'
savepoint v;
insert into run (instance, cloud_account, started_at, ended_at) values (1,1,'2026-01-01','2026-01-01'); rollback to v;
insert into run (instance, cloud_account, started_at, ended_at, end_not_before) values (1,1,'2026-01-01','2026-01-02','2025-12-31'); rollback to v;
insert into run (instance, cloud_account, started_at) values (1,1,'2026-01-20');
\echo '11 clipped by periods: two parts of one run'
select organization, greatest(started_at, lower(span)), nullif(least(ended_at, coalesce(upper(span),'infinity')),'infinity') from metered_period p join run using (cloud_account)
 where ended_at > lower(span) and started_at < coalesce(upper(span),'infinity') order by 1;
\echo '12 own account once a cloud'
insert into cloud_account (account_id, own) values ('3', true), ('4', true);
rollback;
