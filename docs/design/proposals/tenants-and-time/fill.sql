-- 5 000 accounts of 500 organizations (organization 1 has 10 accounts with 1 000 instances each), 100 000 instances, 1 000 000 runs over a year, 2 000 000 events, 60 000 disks.
set synchronous_commit = off;
insert into organization (org_id) select n::text from generate_series(1,500) n;
insert into cloud_account (account_id) select lpad(n::text,12,'0') from generate_series(1,5000) n;
insert into holder (cloud_account, uid, namespace, name, created_at, organization, account_number, role_arn, usable, reads_images)
 select id, gen_random_uuid(), 'ns'||(id-1)/10, 'a'||id, '2025-12-01', (id-1)/10+1, null, 'r', true, true from cloud_account;
insert into metered_period (cloud_account, organization, namespace, name, span)
 select id, (id-1)/10+1, 'ns', 'a', tstzrange('2026-01-01', null) from cloud_account;
insert into billing_code (usage_operation, class) values ('RunInstances','none'), ('RunInstances:0010','payg'), ('RunInstances:00g0','byos');
insert into declaration (version,variant,usage,sla,addon) values ('8','','Production','Premium','');
insert into disk (kind, disk_id, region, described_at, owner_id, billing) select 'image','ami-'||n,'us-east-1', now(), lpad((n%5000)::text,12,'0'), 1+n%3 from generate_series(1,60000) n;
insert into instance (cloud_account, region, instance_id, disk, gone_at)
 select a, 'us-east-1', 'i-'||a||'-'||k, 1+(a*7+k)%60000, case when k%10>2 then now() end
 from (select a, generate_series(1, case when a<=10 then 1000 else 18 end) k from generate_series(1,5000) a) x;
insert into run (instance, cloud_account, started_at, ended_at, instance_type, disk, billing)
 select id, cloud_account, '2026-01-01'::timestamptz + n*interval '36 days' + (id%100)*interval '1 hour',
        case when n=9 and gone_at is null then 'infinity' else '2026-01-01'::timestamptz + n*interval '36 days' + (id%100)*interval '1 hour' + interval '10 days' end, 'm5.large', disk, 1+disk%3
 from instance, generate_series(0,9) n;
insert into instance_event (instance, event_id, occurred_at, source, power, instance_type, disk)
 select instance, gen_random_uuid(), started_at, 'log', 'on', instance_type, disk from run
 union all select instance, gen_random_uuid(), ended_at, 'log', 'off', null, null from run where ended_at < 'infinity';
insert into disk_use (disk, cloud_account, first_used_at, step, next_at) select disk, cloud_account, min(now()), 'settled', now() from instance group by 1,2;
insert into disk_reading (disk, reader, organization, read_at, rhel, distribution, facts) select disk, cloud_account, 1, now(), disk%2=0, 'rhel', '{}' from disk_use where disk%3=0;
insert into image_tag (cloud_account, image_id, tag, present, changed_at) select cloud_account, 'ami-'||disk, 'rhel', true, now() from disk_use where disk%50=0;
-- the poison of one tenant: 30 000 uses due, 100 000 tags on images nobody runs
insert into disk_use (disk, cloud_account, first_used_at, step, next_at) select id, 4321, now(), case when id%2=0 then 'describe' else 'read' end, '2026-01-01' from disk where id <= 30000 on conflict do nothing;
insert into disk_use (disk, cloud_account, first_used_at, step, next_at) select id, 77, now(), 'describe', '2026-06-01' from disk where id between 40000 and 40003 on conflict (disk,cloud_account) do update set step='describe', next_at='2026-06-01';
insert into image_tag select 4321, 'ami-x'||n, 'rhel', true, now() from generate_series(1,100000) n;
insert into region_look (cloud_account, region, looked_at) select id, r, now() from cloud_account, unnest(array['us-east-1','eu-west-1','eu-central-1','ap-south-1']) r;
insert into log_source (name,bucket) values ('own','b');
insert into log_watermark select cloud_account, region, 1, now(), 'k', sha256('x') from region_look;
analyze;
