-- An organization with two accounts, and what ran there.
insert into organization (org_id) values ('11111111');
insert into cloud_account (account_id) values ('210987654321'), ('310987654321');
insert into holder (cloud_account, uid, namespace, name, created_at, organization, account_number, role_arn)
    select a.id, gen_random_uuid(), 'customers', 'acme-' || a.id, '2026-01-01', o.id, '7001', 'arn:aws:iam::' || account_id || ':role/metering'
      from cloud_account a, organization o;
insert into metered_period (cloud_account, organization, account_number, namespace, name, span)
    select cloud_account, organization, account_number, namespace, name, '[2026-01-01,)' from holder;
insert into image (image_id, region, described_at, name, architecture, inspection, rhel_found, distribution, facts) values
    ('ami-1', 'us-east-1', '2026-01-01', 'rhel', 'x86_64', 'inspected', true, 'rhel',
     '{"rhel_version": "9.4", "rhel_release_files_found": true, "syspurpose": {"role": "server", "usage": "Production"}, "drives": {}}'),
    ('ami-2', 'us-east-1', '2026-01-01', 'debian', 'arm64', 'inspected', false, 'debian', '{"rhel_version": null, "syspurpose": null}'),
    ('ami-3', 'us-east-1', null, null, null, 'pending', null, null, null);
insert into instance (cloud_account, instance_id, region, image)
    select a.id, 'i-' || a.id || '-' || n, 'us-east-1', 1 + n % 3 from cloud_account a, generate_series(1, 12) as n;
insert into instance_event (instance, event_id, kind, occurred_at, instance_type)
    select id, 'on', 'power_on', timestamptz '2026-02-01' + id * interval '1 hour', 't3.micro' from instance;
insert into run (instance, cloud_account, started_at, ended_at, instance_type)
    select id, cloud_account, timestamptz '2026-02-01' + id * interval '1 hour',
           case when id % 2 = 0 then timestamptz '2026-03-01' + id * interval '1 hour' else 'infinity' end, 't3.micro' from instance;
